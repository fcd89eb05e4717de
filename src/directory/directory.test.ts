import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom } from '../platform/index.ts';
import { createRegistryService, memoryStore, RegistryServer } from '../registry/index.ts';
import { Directory } from './index.ts';

const log = { event() {} };
const ports = { net: nodeNet(), clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto(), log };

async function world() {
  const service = createRegistryService({ ...ports, store: memoryStore() });
  const server = await RegistryServer.listen({ ...ports, service, bind: { host: '127.0.0.1', port: 0 } });
  const directories: Directory[] = [];
  return {
    server,
    join: async (hostname?: string) => {
      const identity = ports.crypto.signingKey(ports.random.bytes(32));
      const directory = new Directory({ ...ports, identity, addresses: [server.endpoint] });
      directories.push(directory);
      const registered = await directory.register({
        listenEndpoint: { host: '0.0.0.0', port: 4000 + directories.length },
        lan: [{ host: '192.168.1.5', port: 4000 }],
        version: 'test',
        ...(hostname === undefined ? {} : { hostname }),
      });
      return { directory, identity, ...registered };
    },
    async close() {
      for (const directory of directories) directory.close();
      await server.close();
    },
  };
}

test('two nodes register, ask, accept, resolve and revoke', async () => {
  const w = await world();
  const a = await w.join('alpha');
  const b = await w.join('beta');
  assert.deepEqual([a.node, b.node, a.hostname], [1, 2, 'alpha']);
  const pushes: string[] = [];
  a.directory.onPush((push) => pushes.push(`a:${push.event}:${push.from}`));
  b.directory.onPush((push) => pushes.push(`b:${push.event}:${push.from}`));
  await assert.rejects(a.directory.resolve(b.node), { code: 'permission_denied' });
  await assert.rejects(a.directory.resolveHostname('beta'), { code: 'not_found' });

  await a.directory.requestHandshake({ target: { hostname: 'beta' }, justification: 'hi', message: 'm1' });
  await a.directory.requestHandshake({ target: { hostname: 'nobody' }, justification: 'hi', message: 'm1' });
  const polled = await b.directory.pollHandshakes();
  assert.equal(polled.requests.length, 1);
  assert.deepEqual(
    [polled.requests[0]!.from, polled.requests[0]!.justification, polled.requests[0]!.message],
    [1, 'hi', 'm1'],
  );
  assert.equal((await b.directory.pollHandshakes()).requests.length, 0);
  await b.directory.respondHandshake({ peer: a.node, accept: true, message: 'm2' });
  assert.deepEqual(
    (await a.directory.pollHandshakes()).responses.map((r) => [r.from, r.accept, r.message]),
    [[2, true, 'm2']],
  );
  assert.equal(await a.directory.checkTrust(b.node), true);
  assert.deepEqual(await a.directory.resolve(b.node), {
    endpoint: { host: '127.0.0.1', port: 4002 },
    lan: [{ host: '192.168.1.5', port: 4000 }],
  });
  assert.equal((await a.directory.resolveHostname('beta')).node, 2);
  await b.directory.revokeTrust(a.node);
  assert.equal(await a.directory.checkTrust(b.node), false);
  assert.deepEqual(
    (await a.directory.pollHandshakes()).revocations.map((r) => r.from),
    [2],
  );
  await a.directory.heartbeat();
  assert.deepEqual(await a.directory.identityKey(2), new Uint8Array(b.identity.publicKey));
  assert.equal(await a.directory.identityKey(99), undefined);
  assert.deepEqual(pushes, ['b:handshake_request:1', 'a:handshake_response:2', 'a:trust_revoked:2']);
  await w.close();
});
