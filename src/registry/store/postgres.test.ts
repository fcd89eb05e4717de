import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPostgres, type TestPostgres } from '../../../test/postgres.ts';
import { nodeClock } from '../../platform/index.ts';
import { storeContract } from './contract.testkit.ts';
import { registration, T0 } from './fixtures.testkit.ts';
import { openPostgresStore } from './postgres.ts';
import type { Store } from './store.ts';

let server: TestPostgres;
let count = 0;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

const open = (schema = `contract_${++count}`): Promise<Store> =>
  openPostgresStore({
    url: server.url(schema),
    clock: nodeClock(),
    log: { event() {} },
    random: () => 0.5,
  });

storeContract('PostgreSQL', () => open());

test('a signed request is taken once, by whichever process', async () => {
  const [one, two] = [await open('nonces'), await open('nonces')];
  assert.deepEqual(
    await Promise.all([one, two, one, two].map((store) => store.claimNonce!(1, 'a', T0))).then(
      (taken) => taken.filter(Boolean).length,
    ),
    1,
  );
  assert.equal(await two.claimNonce!(2, 'a', T0), true);
  assert.equal(await two.claimNonce!(1, 'b', T0), true);
  await Promise.all([one.close(), two.close()]);
});

test('what one process publishes reaches the others, and those that missed something hear of that', async () => {
  const [one, two] = [await open('bus'), await open('bus')];
  const heard: unknown[] = [];
  let missed = 0;
  two.bus!.receive(
    (message) => heard.push(message),
    () => missed++,
  );
  const own: unknown[] = [];
  one.bus!.receive(
    (message) => own.push(message),
    () => undefined,
  );
  const sent = Array.from({ length: 500 }, (_, n) => ({ kind: 'contact', from: n, to: n + 1 }) as const);
  for (const message of sent) one.bus!.publish(message);
  while (heard.length < sent.length) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(heard, sent);
  assert.deepEqual([own, missed], [[], 0]);
  // More than is kept at once: the rest is told as missed.
  for (let n = 0; n < 50_000; n++) one.bus!.publish({ kind: 'contact', from: n, to: n + 1 });
  while (missed === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await Promise.all([one.close(), two.close()]);
});

test('a database that stops and comes back is noticed within a second, and used again', async () => {
  const store = await open('comes_back');
  await store.register(registration(1));
  const seen: boolean[] = [];
  store.availability!.onChange((isUp) => seen.push(isUp));
  const until = async (isUp: boolean): Promise<void> => {
    while (store.availability!.isUp !== isUp) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await server.kill();
  await until(false);
  await assert.rejects(store.node(1), { code: 'unavailable' });
  await assert.rejects(store.register(registration(2)), { code: 'unavailable' });
  await server.start();
  await until(true);
  assert.equal((await store.node(1))!.id, 1);
  assert.equal((await store.register(registration(2))).kind, 'created');
  assert.deepEqual(seen, [false, true]);
  await store.close();
});

test('a schema of a newer version, or of another program, is refused and left as it is', async () => {
  const { default: postgres } = await import('postgres');
  const sql = postgres(server.url().replace(/\?.*/, ''), { max: 1, onnotice: () => undefined });
  await (await open('newer')).close();
  await sql`INSERT INTO newer.schema_versions (version) VALUES (999)`;
  await assert.rejects(
    open('newer'),
    (error: { code: string; message: string }) =>
      error.code === 'unavailable' && /newer version/.test(error.message),
  );
  await sql`CREATE SCHEMA theirs`;
  await sql`CREATE TABLE theirs.something (x int)`;
  await assert.rejects(open('theirs'), { code: 'state_corrupt' });
  const tables = await sql`SELECT table_name FROM information_schema.tables WHERE table_schema = 'theirs'`;
  assert.deepEqual(
    tables.map((row) => row.table_name),
    ['something'],
  );
  await sql.end();
});

test('many processes may open an empty database at once', async () => {
  const stores = await Promise.all([1, 2, 3, 4].map(() => open('at_once')));
  const made = await Promise.all(stores.map((store, n) => store.register(registration(n + 1))));
  assert.deepEqual(made.map((outcome) => outcome.kind === 'created' && outcome.node.id).sort(), [1, 2, 3, 4]);
  await Promise.all(stores.map((store) => store.close()));
});

test('connections that the server ends in the middle of changes lose nothing that was acknowledged', async () => {
  const { default: postgres } = await import('postgres');
  const sql = postgres(server.url().replace(/\?.*/, ''), { max: 1, onnotice: () => undefined });
  const store = await open('ended');
  const made = new Map<number, number>();
  let unknown = 0;
  let stop = false;
  const load = Array.from({ length: 8 }, async (_, worker) => {
    for (let n = 0; !stop; n++) {
      const publicKey = new Uint8Array(32).fill(worker);
      new DataView(publicKey.buffer).setUint32(0, n);
      try {
        const outcome = await store.register({ ...registration(1), publicKey });
        assert.ok(outcome.kind === 'created' || outcome.kind === 'known');
        made.set(outcome.node.id, worker * 1e6 + n);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'unavailable');
        unknown++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  });
  for (let round = 0; round < 15; round++) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'pilot-registry' AND state <> 'idle' AND random() < 0.7`;
  }
  stop = true;
  await Promise.all(load);
  while (!store.availability!.isUp) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const [id, key] of made) {
    const node = (await store.node(id))!;
    const view = new DataView(node.publicKey.buffer, node.publicKey.byteOffset);
    assert.equal(node.publicKey[31]! * 1e6 + view.getUint32(0), key);
  }
  assert.ok(made.size > 0, `${made.size} made, ${unknown} unknown`);
  await store.close();
  await sql.end();
});
