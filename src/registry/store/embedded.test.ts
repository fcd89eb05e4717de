import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Database from 'libsql';
import { nodeClock } from '../../platform/index.ts';
import { ManualClock, settle } from '../registry.testkit.ts';
import { storeContract } from './contract.testkit.ts';
import { openEmbeddedStore } from './embedded.ts';
import { key, newNetwork, registration, request, response, T0 } from './fixtures.testkit.ts';
import type { Store } from './store.ts';

const directory = mkdtempSync(join(tmpdir(), 'pilot-store-'));
const clock = nodeClock();
const log = { event() {} };
after(() => {
  if (mounted !== undefined) spawnSync('umount', ['-l', mounted]);
  rmSync(directory, { recursive: true, force: true });
});

let count = 0;
const freshPath = (): string => join(directory, `${++count}`, 'registry.db');
const open = (path = freshPath()): Promise<Store> => openEmbeddedStore({ path, clock, log });

storeContract('embedded', () => open());

/** A store with something in every table. */
async function filled(path: string): Promise<void> {
  const store = await open(path);
  await store.register(registration(1, { hostname: 'alpha', proven: true, lan: ['10.0.0.1:1'] }));
  await store.register(registration(2));
  await store.patchNode(1, { tags: ['x'], public: true, keyExpiresAt: T0 + 5 }, T0);
  await store.requestHandshake(request(1, 2));
  await store.respondHandshake(response(2, 1));
  await store.reportTrust(1, 3, T0, 0);
  await store.requestHandshake(request(4, 1));
  await store.createNetwork(newNetwork('n', 1));
  store.touch(2, T0 + 77);
  await store.close();
}

test('everything is there after a close and an open', async () => {
  const path = freshPath();
  await filled(path);
  const store = await open(path);
  const node = (await store.node(1))!;
  assert.deepEqual(
    [node.hostname, node.public, node.tags, node.lan, node.proven, node.keyExpiresAt],
    ['alpha', true, ['x'], ['10.0.0.1:1'], true, T0 + 5],
  );
  assert.deepEqual(node.publicKey, key(1));
  assert.equal((await store.node(2))!.lastSeen, T0 + 77);
  assert.deepEqual(await store.trustProof(1, 2), { request: 'ask 1', accept: 'answer 2' });
  assert.equal(await store.reportTrust(3, 1, T0, 0), 'paired');
  assert.deepEqual(
    (await store.pollInbox(1, 0, 9)).map(({ kind, from }) => [kind, from]),
    [
      ['response', 2],
      ['request', 4],
    ],
  );
  assert.deepEqual(await store.networksOf(1), [1]);
  const added = await store.register(registration(9));
  assert.ok(added.kind === 'created' && added.node.id === 3);
  await store.close();
});

test('sequence numbers of the inbox are not used again after it was emptied', async () => {
  const path = freshPath();
  let store = await open(path);
  await store.requestHandshake(request(2, 1));
  const [first] = await store.pollInbox(1, 0, 1);
  await store.pollInbox(1, first!.sequence, 1);
  await store.close();
  store = await open(path);
  await store.requestHandshake(request(3, 1));
  assert.ok((await store.pollInbox(1, first!.sequence, 1))[0]!.sequence > first!.sequence);
  await store.close();
});

test('opening and closing without a change leaves the file as it was', async () => {
  const path = freshPath();
  await filled(path);
  const before = readFileSync(path);
  const store = await open(path);
  assert.equal((await store.node(1))!.hostname, 'alpha');
  await store.close();
  assert.equal(readFileSync(path).equals(before), true);
});

test('the files are for their owner only', async () => {
  const path = freshPath();
  const store = await open(path);
  await store.register(registration(1));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(`${path}-wal`).mode & 0o777, 0o600);
  await store.close();
});

test('a second process is refused while the first has the store', async () => {
  const path = freshPath();
  const store = await open(path);
  await store.register(registration(1));
  await assert.rejects(open(path), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, /registry\.db/);
    return true;
  });
  await store.close();
  await (await open(path)).close();
});

test('refuses files that are not its own, and leaves them as they are', async () => {
  const garbage = freshPath();
  mkdirSync(join(garbage, '..'), { recursive: true });
  writeFileSync(garbage, 'not a database at all '.repeat(500));
  const foreign = freshPath();
  mkdirSync(join(foreign, '..'), { recursive: true });
  const other = new Database(foreign);
  other.exec('CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)');
  other.close();
  for (const path of [garbage, foreign]) {
    const before = readFileSync(path);
    await assert.rejects(open(path), { code: 'state_corrupt' });
    assert.deepEqual(readFileSync(path), before);
  }
});

/** The library closes a database, and folds in its log, when the garbage collector takes it. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let times = 0; times < 3; times++) {
    collect();
    await settle();
  }
}

/** Content of every file of the store. */
function fingerprint(path: string): Record<string, string> {
  const files = readdirSync(join(path, '..')).sort();
  return Object.fromEntries(
    files.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(path, '..', name)))
        .digest('hex'),
    ]),
  );
}

/** A store whose process died: what was written last is in the log only. `change` is made before that. */
async function abandoned(change: (db: Database.Database) => void): Promise<string> {
  const path = freshPath();
  await filled(path);
  const db = new Database(path);
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL');
  change(db);
  const copy = freshPath();
  mkdirSync(join(copy, '..'), { recursive: true });
  copyFileSync(path, copy);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  db.close();
  return copy;
}

test('refuses a store of a newer version and leaves it as it is, also one whose process died', async () => {
  const closed = freshPath();
  await filled(closed);
  const db = new Database(closed);
  db.exec('PRAGMA user_version = 99');
  db.close();
  const died = await abandoned((open) => open.exec('PRAGMA user_version = 99'));
  for (const path of [closed, died]) {
    const before = fingerprint(path);
    await assert.rejects(
      open(path),
      (error: { code: string; message: string; hint?: string }) =>
        error.code === 'unavailable' && /newer version/.test(error.message) && error.hint !== undefined,
    );
    await collectGarbage();
    assert.deepEqual(fingerprint(path), before);
  }
  assert.ok(statSync(`${died}-wal`).size > 0);
});

test('leaves a damaged store whose process died as it is', async () => {
  const path = await abandoned((open) => open.exec("UPDATE nodes SET owner = 'x'"));
  const bytes = readFileSync(path);
  // A page that the log does not replace.
  for (let page = 1; page < bytes.length / 4096; page++) bytes.fill(0xa5, page * 4096, page * 4096 + 16);
  writeFileSync(path, bytes);
  const before = fingerprint(path);
  await assert.rejects(open(path), { code: 'state_corrupt' });
  await collectGarbage();
  assert.deepEqual(fingerprint(path), before);
});

test('refuses last-seen times that are none', async () => {
  const path = freshPath();
  await filled(path);
  const db = new Database(path);
  db.prepare('UPDATE seen_pages SET times = ?').run([new Uint8Array(4000).fill(0xff)]);
  db.close();
  await assert.rejects(open(path), { code: 'state_corrupt', message: /last-seen times is damaged/ });
});

test('last-seen times reach the disk some seconds after they were heard', async () => {
  const path = freshPath();
  const manual = new ManualClock();
  const store = await openEmbeddedStore({ path, clock: manual, log, defer: setImmediate });
  for (let n = 1; n <= 3; n++) await store.register(registration(n));
  store.touch(2, T0 + 99);
  const before = statSync(`${path}-wal`).size;
  await manual.advance(4999);
  assert.equal(statSync(`${path}-wal`).size, before);
  await manual.advance(1);
  await settle();
  assert.ok(statSync(`${path}-wal`).size > before);
  const copy = freshPath();
  mkdirSync(join(copy, '..'), { recursive: true });
  copyFileSync(path, copy);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  const again = await open(copy);
  assert.equal((await again.node(2))!.lastSeen, T0 + 99);
  await again.close();
  void store.close();
  await manual.advance(1000);
});

test('while the file is held, changes go to the log, and a copy of both has all that was acknowledged', async () => {
  const path = freshPath();
  const store = await openEmbeddedStore({ path, clock, log });
  const letGo = await store.holdFile();
  const letGoToo = await store.holdFile();
  const before = readFileSync(path);
  const wide = (n: number) => registration(n % 250, { publicKey: wideKey(n), owner: 'x'.repeat(20_000) });
  // More than is folded in at once.
  for (let n = 1; n <= 250; n++) await store.register(wide(n));
  letGo();
  letGo();
  await store.register(wide(251));
  assert.equal(readFileSync(path).equals(before), true);
  const copy = freshPath();
  mkdirSync(join(copy, '..'), { recursive: true });
  copyFileSync(path, copy);
  await store.register(wide(252));
  const atTheEnd = 252;
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  await store.register(wide(253));
  letGoToo();
  await store.register(wide(254));
  assert.equal(readFileSync(path).equals(before), false, 'let go, the log is folded in again');
  await store.close();
  letGoToo();
  const again = await open(copy);
  assert.equal((await again.counts()).nodes, atTheEnd);
  await again.close();
});

function wideKey(n: number): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? n & 0xff : i === 1 ? n >> 8 : 9));
}

test('a file with damaged structure is refused, whichever page it is', async () => {
  const whole = freshPath();
  await filled(whole);
  const size = statSync(whole).size;
  // Of every page the header; in the first also the file header and the schema.
  const places = Array.from({ length: size / 4096 }, (_, page) => page * 4096);
  let refused = 0;
  for (const at of [0, 20, 100, ...places.slice(1)]) {
    const path = freshPath();
    mkdirSync(join(path, '..'), { recursive: true });
    copyFileSync(whole, path);
    const bytes = readFileSync(path);
    bytes.fill(0xa5, at, at + 16);
    writeFileSync(path, bytes);
    await assert.rejects(
      async () => (await open(path)).close(),
      (error: { code: string }) => {
        assert.equal(error.code, 'state_corrupt', `damage at ${at}`);
        assert.equal(readFileSync(path).equals(bytes), true);
        return true;
      },
    );
    refused++;
  }
  assert.ok(refused > 10);
  const cut = freshPath();
  mkdirSync(join(cut, '..'), { recursive: true });
  copyFileSync(whole, cut);
  truncateSync(cut, size - 4096);
  await assert.rejects(open(cut), { code: 'state_corrupt' });
});

test('a torn write-ahead log loses only what was never acknowledged', async () => {
  const path = freshPath();
  const store = await open(path);
  for (let n = 1; n <= 20; n++) await store.register(registration(n));
  const torn = freshPath();
  mkdirSync(join(torn, '..'), { recursive: true });
  copyFileSync(path, torn);
  const log20 = readFileSync(`${path}-wal`);
  await store.register(registration(21));
  const log21 = readFileSync(`${path}-wal`);
  await store.close();
  for (const length of [log20.length, log20.length + 10, log21.length - 1, log21.length]) {
    copyFileSync(torn, `${torn}.db`);
    writeFileSync(`${torn}.db-wal`, log21.subarray(0, length));
    const again = await open(`${torn}.db`);
    assert.equal((await again.counts()).nodes, length === log21.length ? 21 : 20);
    await again.close();
    rmSync(`${torn}.db`);
    rmSync(`${torn}.db-wal`, { force: true });
  }
});

const mounted = process.getuid?.() === 0 ? tryMount() : undefined;

function tryMount(): string | undefined {
  const place = join(directory, 'small');
  mkdirSync(place);
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place]);
  if (done.status !== 0) return undefined;
  return place;
}

test('a full disk is said to be full, loses nothing, and is used again when there is room', {
  skip: mounted === undefined && 'needs root to mount a small file system',
}, async () => {
  const path = join(mounted!, 'registry.db');
  const store = await open(path);
  const acknowledged: number[] = [];
  let failed = 0;
  for (let n = 1; n <= 200 && failed < 5; n++) {
    const wide = {
      ...registration(n % 250),
      publicKey: Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? n : 7)),
      owner: 'x'.repeat(20_000),
    };
    try {
      const outcome = await store.register(wide);
      assert.ok(outcome.kind === 'created');
      acknowledged.push(outcome.node.id);
    } catch (error) {
      assert.equal((error as { code: string }).code, 'disk_full');
      failed++;
    }
  }
  assert.ok(
    failed === 5 && acknowledged.length > 5,
    `${acknowledged.length} acknowledged, ${failed} refused`,
  );
  for (const id of acknowledged) assert.ok(await store.node(id));
  assert.equal((await store.counts()).nodes, acknowledged.length);
  spawnSync('mount', ['-o', 'remount,size=8m', mounted!]);
  assert.equal((await store.register(registration(251))).kind, 'created');
  await store.close();
  const again = await open(path);
  assert.equal((await again.counts()).nodes, acknowledged.length + 1);
  await again.close();
});
