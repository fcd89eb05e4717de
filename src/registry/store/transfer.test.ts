import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startPostgres, type TestPostgres } from '../../../test/postgres.ts';
import { nodeClock, nodeCrypto } from '../../platform/index.ts';
import { openEmbeddedStore } from './embedded.ts';
import {
  admission,
  certified,
  key,
  newInvite,
  newNetwork,
  registration,
  request,
  response,
  revocation,
  T0,
} from './fixtures.testkit.ts';
import { openPostgresStore } from './postgres.ts';
import type { Store, Transferable } from './store.ts';

const directory = mkdtempSync(join(tmpdir(), 'pilot-transfer-'));
const { sha256 } = nodeCrypto();
const clock = nodeClock();
const log = { event() {} };
let server: TestPostgres;
let count = 0;
before(async () => {
  server = await startPostgres();
});
after(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

const embedded = (): Promise<Store & Transferable> =>
  openEmbeddedStore({ path: join(directory, `${++count}`, 'registry.db'), clock, log });
const postgres = (): Promise<Store & Transferable> =>
  openPostgresStore({ url: server.url(`transfer_${++count}`), clock, log, random: () => 0.5 });

async function fill(store: Store): Promise<void> {
  await store.register(registration(1, { hostname: 'alpha', proven: true, lan: ['10.0.0.1:1'] }));
  await store.register(registration(2, { owner: 'a\0b \u{e000} 💥' }));
  for (let n = 3; n < 40; n++) await store.register(registration(n));
  await store.patchNode(1, { public: true, tags: ['x', 'y'], keyExpiresAt: T0 + 5 }, T0);
  await store.publishRecord(1, { sequence: 3, document: 'record', terms: ['service:s'] });
  await store.rotateKey(2, key(200), T0 + 1, 'rotation');
  await store.requestHandshake(request(1, 2));
  await store.respondHandshake(response(2, 1));
  await store.reportTrust(1, 3, T0, 0);
  await store.certifyTrust(certified(4, 5, 7, { notAfter: T0 + 100 }));
  await store.revokeTrust(revocation(6, 7, { document: { serial: 2, text: 'gone' } }));
  await store.requestHandshake(request(8, 9));
  const [entry] = await store.pollInbox(9, 0, 1);
  await store.pollInbox(9, entry!.sequence, 1);
  await store.createNetwork(newNetwork('a', 1, { tokenHash: 'ab', exprPolicy: '{}' }));
  await store.createNetwork(newNetwork('b', 1));
  await store.deleteNetwork(2);
  await store.joinNetwork(admission(1, 2));
  await store.setMemberTags(1, 2, ['t']);
  await store.invite(newInvite(1, 1, 3));
  store.touch(5, T0 + 77);
}

async function exported(store: Transferable): Promise<string[]> {
  const lines: string[] = [];
  await store.exportTo(sha256, (line) => lines.push(line));
  return lines;
}

const WAYS = [
  ['the embedded store', embedded, 'PostgreSQL', postgres],
  ['PostgreSQL', postgres, 'the embedded store', embedded],
] as const;

for (const [from, openFrom, to, openTo] of WAYS) {
  test(`everything moves from ${from} to ${to} and is the same there`, async () => {
    const [source, target, third] = [await openFrom(), await openTo(), await openFrom()];
    await fill(source);
    const lines = await exported(source);
    const moved = await target.importFrom(sha256, lines);
    assert.equal(moved.rows.nodes, 39);
    // Times of PostgreSQL are written when it is closed.
    const node = (await target.node(2))!;
    assert.deepEqual([node.owner, node.publicKey, node.keyRotations], ['a\0b \u{e000} 💥', key(200), 1]);
    assert.equal((await target.nodeByHostname('alpha'))!.id, 1);
    assert.equal(await target.trusted(1, 2, T0), true);
    assert.deepEqual(
      (await target.findNodes('service:s', 0, 9)).map(({ node: { id } }) => id),
      [1],
    );
    // Back again: the same lines, in whatever order.
    const back = await exported(target);
    await third.importFrom(sha256, back);
    const sorted = (text: readonly string[]): string[] => [...text].sort();
    assert.deepEqual(sorted(await exported(third)), sorted(back));
    // Numbers go on where they were: of nodes, of networks that are gone, and of entries that were read.
    const made = await target.register(registration(100));
    assert.ok(made.kind === 'created' && made.node.id === 40);
    const network = await target.createNetwork(newNetwork('c', 1));
    assert.equal(typeof network === 'object' && network.id, 3);
    await source.requestHandshake(request(10, 9));
    await target.requestHandshake(request(10, 9));
    assert.equal(
      (await target.pollInbox(9, 0, 1))[0]!.sequence,
      (await source.pollInbox(9, 0, 1))[0]!.sequence,
    );
    for (const store of [source, target, third]) await store.close();
  });

  test(`${to} takes nothing that is cut or changed, and nothing into what it has`, async () => {
    const [source, target] = [await openFrom(), await openTo()];
    await fill(source);
    const lines = await exported(source);
    const changed = lines.with(1, lines[1]!.replace('alpha', 'alphb'));
    assert.notDeepEqual(changed, lines);
    for (const [wrong, code] of [
      [[], 'state_corrupt'],
      [lines.slice(0, -1), 'state_corrupt'],
      [lines.slice(1), 'invalid_argument'],
      [lines.toSpliced(5, 1), 'state_corrupt'],
      [changed, 'state_corrupt'],
      [[...lines, lines[1]!], 'state_corrupt'],
      [lines.with(0, '{"pilot_registry_export":2}'), 'invalid_argument'],
    ] as const) {
      await assert.rejects(target.importFrom(sha256, wrong), { code });
      assert.deepEqual(await target.counts(), { nodes: 0, networks: 0 });
    }
    await target.importFrom(sha256, lines);
    await assert.rejects(target.importFrom(sha256, lines), { code: 'already_exists' });
    assert.equal((await target.counts()).nodes, 39);
    await Promise.all([source.close(), target.close()]);
  });
}
