/** Several registries on one database: one chain that agrees with the facts, and every event told once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { utf8 } from '../../src/base/bytes.ts';
import { nodeClock, nodeCrypto, nodeRandom } from '../../src/platform/index.ts';
import {
  ConnectionState,
  createRegistryService,
  LOCAL_OPERATOR,
  WebhookRunner,
} from '../../src/registry/index.ts';
import { openPostgresStore } from '../../src/registry/store/postgres.ts';
import { encodeBase64 } from '../../src/wire/base64.ts';
import { signedString } from '../../src/wire/registry-signatures.ts';
import { startPostgres, type TestPostgres } from '../postgres.ts';
import { auditAgrees } from './audit-agrees.testkit.ts';
import { pause } from './children.testkit.ts';

const INSTANCES = 3;
const NODES = 30;
const remote = { host: '198.51.100.7', port: 4000 };
const [clock, random, crypto] = [nodeClock(), nodeRandom(), nodeCrypto()];
const log = { event() {} };
let server: TestPostgres;

before(async () => {
  server = await startPostgres();
});
after(() => server.close());

test('instances write one chain, and tell a webhook every event once, also when one of them ends', async () => {
  const told: number[] = [];
  const post = async (_url: string, { body }: { body: string }) => {
    await pause(Math.random() * 5);
    told.push((JSON.parse(body) as { data: { seq: number } }).data.seq);
    return { status: 204, retryAfter: '' };
  };
  const instances = await Promise.all(
    Array.from({ length: INSTANCES }, async () => {
      const url = server.url('audit');
      const store = await openPostgresStore({ url, clock, log, random: Math.random });
      const service = createRegistryService({ store, clock, random, crypto, log });
      const runner = new WebhookRunner({ store, clock, random, crypto, log, post, reach: 'public' });
      service.sealer.onSealed = () => runner.wake();
      const connection = new ConnectionState(remote);
      const ask = async (request: object, operator = false) => {
        const context = { remote, connection, ...(operator && { operator: LOCAL_OPERATOR }) };
        const reply = await service.handle({ request_id: 1, ...request }, context);
        assert.notEqual(reply.type, 'error', JSON.stringify(reply));
        return reply;
      };
      return { store, service, runner, ask };
    }),
  );
  const [first] = instances as [(typeof instances)[0]];
  await first.ask({ type: 'webhook_create', url: 'https://a.test/', events: ['*'] }, true);

  const ids: number[] = [];
  const sign = (n: number, text: string) =>
    encodeBase64(crypto.signingKey(new Uint8Array(32).fill(n + 1)).sign(utf8(text)));
  const live = async (n: number): Promise<void> => {
    const { ask } = instances[n % INSTANCES]!;
    const public_key = encodeBase64(crypto.signingKey(new Uint8Array(32).fill(n + 1)).publicKey);
    const node_id = Number((await ask({ type: 'register', listen_addr: ':4000', public_key })).node_id);
    ids[n] = node_id;
    for (let round = 0; round < 4; round++) {
      const signature = sign(n, signedString.setVisibility(node_id));
      await ask({ type: 'set_visibility', node_id, public: round % 2 === 0, signature });
    }
    const hostname = `node-${n}`;
    await ask({
      type: 'set_hostname',
      node_id,
      hostname,
      signature: sign(n, signedString.setHostname(node_id)),
    });
  };
  const half = Array.from({ length: NODES / 2 }, (_, n) => n);
  await Promise.all(half.map(live));
  await instances[1]!.runner.close();
  await Promise.all(half.map((n) => live(n + NODES / 2)));
  // Both sides report at different instances, at the same moment.
  await Promise.all(
    Array.from({ length: NODES / 2 }, async (_, n) => {
      const [a, b] = [ids[2 * n]!, ids[2 * n + 1]!];
      const report = (by: number, node_id: number, peer_id: number) =>
        instances[by % INSTANCES]!.ask({
          type: 'report_trust',
          node_id,
          peer_id,
          signature: sign(by, signedString.reportTrust(node_id, peer_id)),
        });
      await Promise.all([report(2 * n, a, b), report(2 * n + 1, b, a)]);
    }),
  );

  const count = await auditAgrees(first.store);
  // Registration, four times visibility, a name; a trust for two; the webhook itself.
  assert.equal(count, NODES * 6 + NODES / 2 + 1);
  const until = Date.now() + 20_000;
  while (told.length < count && Date.now() < until) await pause(20);
  assert.deepEqual(
    [...told].sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => i + 1),
  );
  for (const { runner, service, store } of instances) {
    await runner.close();
    service.close();
    await store.close();
  }
});
