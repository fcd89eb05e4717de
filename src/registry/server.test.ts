import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { utf8 } from '../base/bytes.ts';
import { nodeClock, nodeNet, nodeStorage } from '../platform/index.ts';
import type { Net, Pipe } from '../runtime/ports.ts';
import type { JsonObject } from '../wire/json.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { FakePipe } from './pipe.testkit.ts';
import { crypto, log, ManualClock, testRegistry } from './registry.testkit.ts';
import { RegistryServer, type RegistryServerOptions } from './server.ts';
import { persistedCertificate } from './tls-certificate.ts';

const directory = mkdtempSync(join(tmpdir(), 'pilot-server-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** A server on a net that hands it whatever pipes the test makes. */
async function world(options: Partial<RegistryServerOptions> = {}) {
  const clock = new ManualClock();
  const { service } = testRegistry({}, clock);
  let arrive: (pipe: Pipe) => void = () => {};
  const net = {
    listen: async (_bind: unknown, onPipe: (pipe: Pipe) => void) => {
      arrive = onPipe;
      return { local: { host: '203.0.113.1', port: 9000 }, close: async () => {} };
    },
  } as unknown as Net;
  const server = await RegistryServer.listen({
    net,
    clock,
    log,
    service,
    bind: { host: '', port: 0 },
    ...options,
  });
  const connect = (host = '198.51.100.7'): FakePipe => {
    const pipe = Object.assign(new FakePipe(), { remote: { host, port: 1 } });
    arrive(pipe);
    return pipe;
  };
  return { server, clock, connect };
}

describe('the server', () => {
  it('refuses connections beyond its limit and beyond that of one address, and counts them', async () => {
    const { server, connect } = await world({ limits: { connections: 3, connectionsPerHost: 2 } });
    const pipes = [connect('a'), connect('a'), connect('a'), connect('b'), connect('c')];
    assert.deepEqual(
      pipes.map(({ closed }) => closed),
      [false, false, true, false, true],
    );
    assert.deepEqual(server.stats(), { connections: 3, refused: 2, bufferedBytes: 0 });
    pipes[0]!.destroy();
    assert.equal(connect('a').closed, false);
  });

  it('begins a thousand connections a second in its first minute', async () => {
    const { connect, clock } = await world();
    const pipes = Array.from({ length: 2500 }, () => connect());
    for (const pipe of pipes) pipe.send({ type: 'lookup', node_id: 1 });
    const answered = async (duration: number): Promise<number> => {
      await clock.advance(duration);
      return pipes.filter((pipe) => pipe.replies().length > 0).length;
    };
    assert.equal(await answered(0), 1000);
    assert.equal(await answered(999), 0);
    assert.equal(await answered(1), 1000);
    assert.equal(await answered(1000), 500);
    await clock.advance(60_000);
    const later = Array.from({ length: 1500 }, () => connect());
    for (const pipe of later) pipe.send({ type: 'lookup', node_id: 1 });
    await clock.advance(0);
    assert.ok(later.every((pipe) => pipe.replies().length === 1));
  });

  it('closes what is open when it is closed', async () => {
    const { server, connect } = await world();
    const pipe = connect();
    await server.close();
    assert.equal(pipe.closed, true);
    assert.equal(server.stats().connections, 0);
  });

  it('speaks TLS and plaintext on one port, and clients can pin its certificate across restarts', async () => {
    const storage = nodeStorage(join(directory, 'tls'));
    const clock = nodeClock();
    const tls = await persistedCertificate({ storage, crypto, clock });
    assert.deepEqual(await persistedCertificate({ storage, crypto, clock }), tls);
    assert.equal(statSync(join(directory, 'tls', 'tls.json')).mode & 0o777, 0o600);
    assert.match(tls.fingerprint, /^[0-9a-f]{64}$/);
    const net = nodeNet();
    const { service } = testRegistry({ fingerprint: tls.fingerprint });
    const server = await RegistryServer.listen({
      net,
      clock,
      log,
      service,
      bind: { host: '127.0.0.1', port: 0 },
      tls,
    });
    const ask = async (options: Parameters<Net['connect']>[1]): Promise<JsonObject> => {
      const pipe = await net.connect(server.endpoint, options);
      const reader = new JsonFrameReader();
      const reply = new Promise<JsonObject>((resolve) => {
        pipe.onData((data) => {
          reader.push(data);
          const frame = reader.next();
          if (frame !== undefined) resolve(frame);
        });
      });
      pipe.write(encodeJsonFrame({ type: 'challenge' }));
      const answer = await reply;
      pipe.destroy();
      return answer;
    };
    try {
      assert.equal((await ask({})).fingerprint, tls.fingerprint);
      assert.equal((await ask({ tls: { fingerprint: tls.fingerprint } })).type, 'challenge_ok');
      await assert.rejects(ask({ tls: { fingerprint: '0'.repeat(64) } }), { code: 'fingerprint_mismatch' });
    } finally {
      await server.close();
    }
  });

  it('refuses a damaged certificate file rather than making a new key', async () => {
    const storage = nodeStorage(join(directory, 'damaged'));
    for (const text of [
      '',
      'junk',
      '{}',
      '{"certificate":"x","privateKey":"y"}',
      '{"certificate":"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----","privateKey":""}',
    ]) {
      await storage.replace('tls.json', utf8(text));
      await assert.rejects(
        persistedCertificate({ storage, crypto, clock: nodeClock() }),
        { code: 'state_corrupt' },
        text,
      );
      assert.equal(new TextDecoder().decode(await storage.read('tls.json')), text);
    }
  });
});
