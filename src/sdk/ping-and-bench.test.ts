import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PilotError } from '../api/errors.ts';
import type { Conn, StreamHost } from '../api/stream.ts';
import { connOf } from '../daemon/stream-host.ts';
import { FakeNetwork } from '../ipc/fake-backend.testkit.ts';
import { ManualClock } from '../services/data-exchange/exchange.testkit.ts';
import { ECHO_PORT, serveEcho } from '../services/echo.ts';
import { benchEcho } from './bench.ts';
import { pingSeries } from './ping.ts';

const reply = { node_id: 2, address: '0:0000.0000.0002', path: 'direct', endpoint: '10.0.0.1:1' } as const;

/** An echo service on node 1 and a way to it. */
function echoing(window = 100_000): { dial(): Promise<Conn>; close(): void } {
  const network = new FakeNetwork(window);
  const backend = network.node(1);
  const host: StreamHost = {
    listen: (port) => {
      const ready: Conn[] = [];
      let wake: (() => void) | undefined;
      let closed = false;
      const binding = backend.listen(port, (stream) => {
        ready.push(connOf(stream));
        wake?.();
      });
      return {
        port,
        async accept() {
          while (ready.length === 0 && !closed) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          return ready.shift();
        },
        close() {
          closed = true;
          binding.close();
          wake?.();
        },
      };
    },
    dial: () => Promise.reject(new Error('not used')),
  };
  // The fake keeps port 7 for itself, as a daemon does for its own service.
  const listener = serveEcho({ ...host, listen: () => host.listen(70) });
  return {
    dial: async () => connOf(await network.node(2).dial({ network: 0, node: 1 }, 70, {})),
    close: () => listener.close(),
  };
}

describe('a series of pings', () => {
  test('keeps its pace, goes on after a loss and adds up', async () => {
    const clock = new ManualClock();
    const starts: number[] = [];
    let sent = 0;
    const series = pingSeries(
      async () => {
        starts.push(clock.now());
        if (++sent === 2) throw new PilotError('timeout', 'No answer');
        return { ...reply, rtt_ms: sent };
      },
      clock,
      { count: 4, interval: 100 },
    );
    for (let i = 0; i < 10; i++) await clock.advance(50);
    const summary = await series;
    assert.deepEqual(starts, [1000, 1100, 1200, 1300]);
    assert.equal(summary.sent, 4);
    assert.equal(summary.received, 3);
    assert.equal(summary.min_ms, 1);
    assert.equal(summary.max_ms, 4);
    assert.equal(summary.results[1]!.ok, false);
  });

  test('ends at once when there is nobody to ask', async () => {
    const failing = pingSeries(() => Promise.reject(new PilotError('not_found', 'x')), new ManualClock(), {});
    await assert.rejects(failing, { code: 'not_found' });
  });

  test('says so when nothing came back', async () => {
    const clock = new ManualClock();
    const series = pingSeries(() => Promise.reject(new PilotError('timeout', 'x')), clock, { count: 1 });
    const summary = await series;
    assert.equal(summary.received, 0);
    assert.equal(summary.avg_ms, null);
  });
});

describe('the bench against an echo service', () => {
  test('gets every byte back', async () => {
    const echo = echoing(10_000);
    let last = 0;
    const result = await benchEcho(await echo.dial(), new ManualClock(), {
      bytes: 300_001,
      onProgress: ({ received }) => {
        last = received;
      },
    });
    assert.equal(result.bytes, 300_001);
    assert.equal(last, 300_001);
    echo.close();
    assert.equal(ECHO_PORT, 7);
  });

  test('notices a byte that differs, and an echo that ends early', async () => {
    const conn = await echoing().dial();
    const lying: Conn = {
      ...conn,
      read: async () => (await conn.read())?.map((byte, i) => (i === 100 ? byte ^ 1 : byte)),
    };
    await assert.rejects(benchEcho(lying, new ManualClock(), { bytes: 1000 }), { code: 'protocol_error' });
    const short = await echoing().dial();
    await assert.rejects(
      benchEcho({ ...short, read: async () => undefined }, new ManualClock(), { bytes: 10 }),
      {
        code: 'connection_failed',
      },
    );
  });

  test('stops when told to', async () => {
    const conn = await echoing().dial();
    const control = new AbortController();
    const running = benchEcho({ ...conn, read: () => new Promise(() => {}) }, new ManualClock(), {
      bytes: 10_000_000,
      signal: control.signal,
    });
    control.abort();
    await assert.rejects(running, { code: 'cancelled' });
  });
});
