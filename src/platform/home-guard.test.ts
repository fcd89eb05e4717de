import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { guardHome } from './home-guard.ts';

const root = mkdtempSync(join(tmpdir(), 'pilot-home-'));
after(() => rmSync(root, { recursive: true, force: true }));

function home(name: string): string {
  const path = join(root, name);
  mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(path, 'identity.json'), '{}', { mode: 0o600 });
  return path;
}
const mode = (path: string): number => statSync(path).mode & 0o777;

describe('the guard of a home', () => {
  it('has nothing to say about a home that only its owner can read, or that is not there yet', async () => {
    assert.deepEqual(await guardHome(home('good')), { fixed: [] });
    assert.deepEqual(await guardHome(join(root, 'absent')), { fixed: [] });
  });

  it('closes a home and keys that others could read, and says so', async () => {
    const path = home('open');
    writeFileSync(join(path, 'notes.txt'), '');
    chmodSync(path, 0o755);
    for (const [name, bits] of [
      ['identity.json', 0o644],
      ['notes.txt', 0o644],
    ] as const) {
      chmodSync(join(path, name), bits);
    }
    const { fixed } = await guardHome(path);
    assert.equal(fixed.length, 2);
    assert.match(fixed.join('\n'), /mode 755\): now 700\n.*identity\.json .*mode 644\): now 600/);
    assert.equal(mode(path), 0o700);
    assert.equal(mode(join(path, 'identity.json')), 0o600);
    assert.equal(mode(join(path, 'notes.txt')), 0o644, 'no secret');
    assert.deepEqual(await guardHome(path), { fixed: [] });
  });

  it('removes what killed processes left half written, and nothing else', async () => {
    const path = home('leftovers');
    const dead = `.node.json.${2 ** 30}.tmp`;
    const reused = `.trust.json.${process.pid}.tmp`;
    const alive = `.config.json.${process.ppid}.tmp`;
    const names = [dead, reused, alive, 'peers.json.tmp', '.hidden'];
    for (const name of names) writeFileSync(join(path, name), '');
    await guardHome(path);
    assert.deepEqual(
      names.filter((name) => existsSync(join(path, name))),
      [alive, 'peers.json.tmp', '.hidden'],
    );
  });

  it('refuses the identity of another user', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
    const path = home('foreign');
    chownSync(join(path, 'identity.json'), 12345, 12345);
    await assert.rejects(guardHome(path), { code: 'identity_invalid', message: /belongs to user 12345/ });
  });
});
