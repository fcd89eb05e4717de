import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PilotError } from '../api/errors.ts';
import type { Conn } from '../api/stream.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeClock } from '../platform/clock.ts';
import { nodeRandom } from '../platform/random.ts';
import { IpcClient } from './client.ts';
import { FakeNetwork } from './fake-backend.testkit.ts';
import { memoryNet } from './pipe.testkit.ts';
import { IpcServer } from './server.ts';

const quiet = { event: () => {} };

async function world(options: { window?: number; cut?: boolean; highWater?: number } = {}) {
  const network = new FakeNetwork(options.window);
  const net = memoryNet({
    ...(options.cut === true && { random: nodeRandom() }),
    ...(options.highWater !== undefined && { highWater: options.highWater }),
  });
  const backends = [network.node(1), network.node(2)] as const;
  for (const backend of backends) {
    (await IpcServer.claim({ net, clock: nodeClock(), log: quiet, socketPath: `${backend.id}` })).serve(
      backend,
    );
  }
  return {
    network,
    net,
    backends,
    one: await IpcClient.connect({ net, socketPath: '1' }),
    two: await IpcClient.connect({ net, socketPath: '2' }),
  };
}

async function readAll(conn: Conn): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read()) parts.push(chunk);
  return Buffer.concat(parts);
}

const settle = async (turns = 20): Promise<void> => {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the IPC client', () => {
  test('is told when no daemon runs', async () => {
    await assert.rejects(IpcClient.connect({ net: memoryNet(), socketPath: 'none' }), {
      code: 'not_running',
    });
  });

  test('ends its writing and reads the answer that follows', async () => {
    const { one, two } = await world({ window: 1000 });
    const listener = await two.listen(0);
    const [conn, accepted] = await Promise.all([one.dial('2', listener.port), listener.accept()]);
    const question = utf8('?'.repeat(5000));
    const asked = conn.write(question).then(() => conn.endWriting());
    assert.equal((await readAll(accepted!)).length, 5000);
    await asked;
    await assert.rejects(conn.write(question), { code: 'connection_failed' });
    const answering = accepted!.write(utf8('!'.repeat(7000))).then(() => accepted!.close());
    assert.equal((await readAll(conn)).length, 7000);
    await Promise.all([answering, conn.close()]);
  });

  test('opens a stream, both ways, and closes it', async () => {
    const { one, two } = await world({ cut: true });
    const listener = await two.listen(0);
    assert.ok(listener.port >= 49152);
    const [conn, accepted] = await Promise.all([one.dial('2', listener.port), listener.accept()]);
    assert.ok(accepted);
    assert.equal(accepted.remote.address.node, 1);
    assert.equal(conn.remote.port, listener.port);
    await conn.write(utf8('ping'));
    assert.equal(fromUtf8((await accepted.read())!), 'ping');
    await accepted.write(utf8('pong'));
    const closing = accepted.close();
    assert.equal(fromUtf8(await readAll(conn)), 'pong');
    await closing;
    await conn.close();
  });

  test('carries any bytes through any cuts, in order, both ways at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300_000 }),
        fc.integer({ min: 1, max: 300_000 }),
        fc.integer({ min: 500, max: 100_000 }),
        async (there, back, window) => {
          const { one, two } = await world({ window, cut: true, highWater: 20_000 });
          const listener = await two.listen(9);
          const [conn, accepted] = await Promise.all([one.dial('2', 9), listener.accept()]);
          const random = nodeRandom();
          const run = async (from: Conn, to: Conn, length: number): Promise<void> => {
            const sent = createHash('sha256');
            const got = createHash('sha256');
            let received = 0;
            await Promise.all([
              (async () => {
                for (let left = length; left > 0; ) {
                  const part = random.bytes(Math.min(left, 1 + random.below(70_000)));
                  sent.update(part);
                  left -= part.length;
                  await from.write(part);
                }
              })(),
              (async () => {
                while (received < length) {
                  const chunk = await to.read();
                  assert.ok(chunk);
                  got.update(chunk);
                  received += chunk.length;
                }
              })(),
            ]);
            assert.equal(got.digest('hex'), sent.digest('hex'));
          };
          await Promise.all([run(conn, accepted!, there), run(accepted!, conn, back)]);
          one.close();
          two.close();
        },
      ),
      { numRuns: 25 },
    );
  });

  test('keeps other streams moving while one is not read, and bounds what waits', async () => {
    const { one, two, backends } = await world();
    const listener = await two.listen(9);
    const [stuck, stuckPeer] = await Promise.all([one.dial('2', 9), listener.accept()]);
    const [live, livePeer] = await Promise.all([one.dial('2', 9), listener.accept()]);
    let pushed = 0;
    const flood = (async () => {
      for (let i = 0; i < 100; i++) {
        await stuckPeer!.write(new Uint8Array(100_000));
        pushed += 100_000;
      }
    })();
    flood.catch(() => {});
    await settle(500);
    assert.ok(pushed < 4_000_000, `${pushed} bytes left the writer while nobody read`);
    await livePeer!.write(utf8('still here'));
    assert.equal(fromUtf8((await live.read())!), 'still here');
    let read = 0;
    while (read < 10_000_000) read += (await stuck.read())!.length;
    await flood;
    assert.equal(backends[0].streams.size, 2);
  });

  test('cancels a dial, and resets a stream that opens all the same', async () => {
    const { one, two, backends } = await world();
    const listener = await two.listen(9);
    let open = (): void => {};
    backends[0].dialGate = new Promise((resolve) => {
      open = resolve;
    });
    const control = new AbortController();
    const dialing = one.dial('2', 9, { signal: control.signal });
    await settle();
    control.abort();
    await assert.rejects(dialing, { code: 'cancelled' });
    backends[0].dialGate = Promise.resolve();
    open();
    await settle();
    const [conn] = await Promise.all([one.dial('2', 9), listener.accept()]);
    await conn.write(utf8('x'));
  });

  test('hands errors over with code, message and hint', async () => {
    const { one, backends } = await world();
    backends[0].methods = {
      untrust: () => {
        throw new PilotError('not_found', 'Node 7 was not trusted', { hint: 'pilotctl trust' });
      },
    };
    await assert.rejects(one.call('untrust', { target: '7' }), {
      code: 'not_found',
      message: 'Node 7 was not trusted',
      hint: 'pilotctl trust',
    });
    await assert.rejects(one.dial('2', 9), { code: 'connection_refused' });
    await assert.rejects(one.dial('nobody', 9), { code: 'not_found' });
  });

  test('says which way a stream ended', async () => {
    const { one, two, backends } = await world();
    const listener = await two.listen(9);
    const [conn] = await Promise.all([one.dial('2', 9), listener.accept()]);
    backends[0].streams.get(1)!.end('timeout');
    await assert.rejects(conn.read(), { code: 'timeout' });
    await assert.rejects(conn.write(utf8('x')), { code: 'timeout' });
    const [second, accepted] = await Promise.all([one.dial('2', 9), listener.accept()]);
    await accepted!.write(utf8('last words'));
    await settle();
    accepted!.abort();
    await settle();
    assert.equal(fromUtf8((await second.read())!), 'last words');
    await assert.rejects(second.read(), { code: 'connection_failed' });
  });

  test('tells a writer of a failure that follows a clean end', async () => {
    const { one, two, backends } = await world({ window: 1000 });
    const listener = await two.listen(9);
    const [conn, accepted] = await Promise.all([one.dial('2', 9), listener.accept()]);
    const closing = accepted!.close();
    assert.equal(await conn.read(), undefined);
    await closing;
    backends[0].streams.get(1)!.end('timeout');
    await settle();
    await assert.rejects(conn.write(new Uint8Array(2_000_000)), { code: 'timeout' });
  });

  test('fails everything when the daemon goes away', async () => {
    const { one, two, net } = await world();
    const listener = await two.listen(9);
    const [conn] = await Promise.all([one.dial('2', 9), listener.accept()]);
    const accepting = listener.accept();
    net.last!.destroy();
    assert.equal(await accepting, undefined);
    await assert.rejects(two.call('info', {}), { code: 'unavailable' });
    await conn.write(utf8('x'));
  });

  test('stops listening and frees the port', async () => {
    const { two, backends } = await world();
    const listener = await two.listen(9);
    await assert.rejects(two.listen(9), { code: 'port_in_use' });
    listener.close();
    assert.equal(await listener.accept(), undefined);
    await settle();
    assert.equal(backends[1].listeners.size, 0);
  });

  test('sends datagrams and receives those of its port', async () => {
    const { one, backends } = await world();
    await one.call('send_datagram', { target: '2', port: 5, from_port: 6, data_b64: 'aGk=' });
    one.sendDatagram({ network: 0, node: 2 }, 5, utf8('ho'));
    await settle();
    assert.deepEqual(
      backends[0].datagrams.map((datagram) => fromUtf8(datagram.data)),
      ['hi', 'ho'],
    );
  });
});
