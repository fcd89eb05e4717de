import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeStorage } from './storage.ts';

const home = mkdtempSync(join(tmpdir(), 'pilot-storage-'));
after(() => rmSync(home, { recursive: true }));
const root = join(home, 'state');
const storage = nodeStorage(root);
const mode = (path: string): number => statSync(path).mode & 0o777;

async function text(path: string): Promise<string | undefined> {
  const data = await storage.read(path);
  return data === undefined ? undefined : fromUtf8(data);
}

test('replace makes owner-only files and directories and leaves nothing else behind', async () => {
  assert.equal(await text('a/b.json'), undefined);
  await storage.replace('a/b.json', utf8('one'));
  await storage.replace('a/b.json', utf8('two'));
  assert.equal(await text('a/b.json'), 'two');
  assert.equal(mode(join(root, 'a/b.json')), 0o600);
  assert.equal(mode(join(root, 'a')), 0o700);
  assert.equal(mode(root), 0o700);
  assert.deepEqual(readdirSync(join(root, 'a')), ['b.json']);
});

test('of many replacements at once the last call wins', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, i) => storage.replace('last', utf8(String(i)))));
  assert.equal(await text('last'), '49');
});

test('a reader sees the old or the new content, never a mixture', async () => {
  const [old, fresh] = ['o'.repeat(200_000), 'n'.repeat(300_000)];
  await storage.replace('big', utf8(old));
  const writing = storage.replace('big', utf8(fresh));
  for (let i = 0; i < 20; i++) assert.ok([old, fresh].includes((await text('big'))!));
  await writing;
  assert.equal(await text('big'), fresh);
});

test('remove and list cope with absence, and temporaries stay hidden', async () => {
  await storage.remove('nothing');
  assert.deepEqual(await storage.list('nowhere'), []);
  await storage.replace('inbox/one', utf8('1'));
  await storage.replace('inbox/two', utf8('22'));
  mkdirSync(join(root, 'inbox/directory'));
  writeFileSync(join(root, 'inbox/.three.99.tmp'), 'half');
  const listed = await storage.list('inbox');
  assert.deepEqual(listed.map((entry) => [entry.name, entry.bytes]).sort(), [
    ['one', 1],
    ['two', 2],
  ]);
  assert.ok(Math.abs(listed[0]!.modified - Date.now()) < 60_000);
  await storage.remove('inbox/one');
  assert.deepEqual(
    (await storage.list('inbox')).map((entry) => entry.name),
    ['two'],
  );
});

test('a partial file grows, is read back, and survives being reopened', async () => {
  const partial = await storage.openPartial('received/.parts/x');
  await partial.append(utf8('hello '));
  await partial.append(new Uint8Array(600_000).fill(120));
  assert.equal(partial.size, 600_006);
  await partial.sync();
  await partial.close();
  const again = await storage.openPartial('received/.parts/x');
  assert.equal(again.size, 600_006);
  await again.append(utf8('!'));
  let read = '';
  await again.readAll((chunk) => {
    read += fromUtf8(chunk);
  });
  assert.equal(read, `hello ${'x'.repeat(600_000)}!`);
  await again.close();
});

test('an exclusive move never overwrites', async () => {
  await storage.replace('from', utf8('new'));
  await storage.replace('taken/to', utf8('old'));
  assert.equal(await storage.moveExclusive('from', 'taken/to'), false);
  assert.equal(await text('taken/to'), 'old');
  assert.equal(await storage.moveExclusive('from', 'fresh/to'), true);
  assert.equal(await text('fresh/to'), 'new');
  assert.equal(await text('from'), undefined);
  await assert.rejects(storage.moveExclusive('absent', 'x'), { code: 'io_error' });
});

test('paths that leave the tree are a caller mistake', async () => {
  for (const path of ['../x', '/etc/passwd', 'a/../../x', '', 'a\0b']) {
    assert.throws(() => storage.describe(path), TypeError);
    await assert.rejects(storage.read(path), TypeError);
  }
});

test('free space is known even before the tree exists', async () => {
  assert.ok((await nodeStorage(join(home, 'not', 'yet')).freeBytes()) > 0);
});

test('a full disk is disk_full, keeps the old content and what was appended', async (t) => {
  const small = join(home, 'small');
  mkdirSync(small);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    t.skip('mounting a small file system needs root');
    return;
  }
  try {
    const full = nodeStorage(small);
    await full.replace('state', utf8('old'));
    await assert.rejects(full.replace('state', new Uint8Array(100_000)), { code: 'disk_full' });
    assert.equal(readFileSync(join(small, 'state'), 'utf8'), 'old');
    const partial = await full.openPartial('part');
    await partial.append(new Uint8Array(10_000));
    await assert.rejects(partial.append(new Uint8Array(100_000)), { code: 'disk_full' });
    assert.equal(partial.size, 10_000);
    await partial.close();
    assert.equal(statSync(join(small, 'part')).size, 10_000);
    assert.deepEqual(readdirSync(small).sort(), ['part', 'state']);
  } finally {
    execFileSync('umount', [small]);
  }
});
