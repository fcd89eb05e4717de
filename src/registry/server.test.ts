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
import {
  crypto,
  identity,
  keyText,
  log,
  ManualClock,
  settle,
  signed,
  testRegistry,
} from './registry.testkit.ts';
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
    const { connections, refused, bufferedBytes } = server.stats();
    assert.deepEqual(
      { connections, refused, bufferedBytes },
      { connections: 3, refused: 2, bufferedBytes: 0 },
    );
    pipes[0]!.destroy();
    assert.equal(connect('a').closed, false);
  });

  it('counts connections that proved their node apart, so that a fleet behind one address is let in', async () => {
    const { connect, clock, server } = await world({ limits: { connectionsPerHost: 2, provenPerHost: 4 } });
    const key = identity(1);
    const prove = async (): Promise<FakePipe> => {
      const pipe = connect();
      pipe.send({ type: 'challenge' });
      await settle();
      const [{ nonce: challenge } = {}] = pipe.replies();
      const request = { type: 'register', listen_addr: ':4000', public_key: keyText(key), challenge };
      pipe.send(signed(clock, key, request));
      await settle();
      assert.equal(pipe.replies()[0]!.type, 'register_ok');
      return pipe;
    };
    const fleet = [await prove(), await prove(), await prove()];
    assert.deepEqual([server.stats().proven, server.stats().connections], [3, 3]);
    assert.equal(connect().closed, false);
    assert.equal(connect().closed, true);
    for (const pipe of fleet) pipe.destroy();
    assert.deepEqual([server.stats().proven, server.stats().connections], [0, 1]);
    assert.deepEqual([connect().closed, connect().closed], [false, true]);
  });

  it('bounds what all clients together leave unread', async () => {
    const { connect, server } = await world({ limits: { unsentByAll: 5000 } });
    const pipes = Array.from({ length: 40 }, () => connect());
    for (const pipe of pipes) {
      pipe.taking = false;
      pipe.send({ type: 'challenge' }, { type: 'challenge' });
    }
    await settle();
    const { unsentBytes, dropped } = server.stats();
    assert.ok(unsentBytes <= 5000, `${unsentBytes}`);
    assert.equal(dropped, pipes.filter(({ closed }) => closed).length);
    assert.ok(dropped > 0 && dropped < 40);
    for (const pipe of pipes) pipe.drain();
    await settle();
    assert.equal(server.stats().unsentBytes, 0);
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
