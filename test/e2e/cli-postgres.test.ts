import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startPostgres, type TestPostgres } from '../postgres.ts';

const PILOTCTL = fileURLToPath(new URL('../../bin/pilotctl.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'pilot-cli-postgres-'));
let server: TestPostgres;
before(async () => {
  server = await startPostgres();
});
after(async () => {
  for (const home of ['one', 'two']) pilotctl(home, 'rendezvous', 'stop');
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

function pilotctl(
  home: string,
  ...args: string[]
): { status: number | null; out: string; data: Record<string, unknown> } {
  const env = { ...process.env, PILOT_HOME: join(directory, home) };
  const ran = spawnSync(process.execPath, [PILOTCTL, '--json', ...args], { env, encoding: 'utf8' });
  const parsed = ran.stdout === '' ? {} : (JSON.parse(ran.stdout) as { data?: Record<string, unknown> });
  return { status: ran.status, out: ran.stdout + ran.stderr, data: parsed.data ?? {} };
}

const ANY = ['--registry-addr', '127.0.0.1:0', '--beacon-addr', '127.0.0.1:0'];

test('a registry moves from its directory to a database that two instances share, with its key', () => {
  const first = pilotctl('one', 'rendezvous', 'start', ...ANY);
  assert.equal(first.status, 0, first.out);
  const file = join(directory, 'registry.jsonl');
  const busy = pilotctl('one', 'registry', 'export', '--to', file);
  assert.notEqual(busy.status, 0, 'exported a store that is in use');
  assert.equal(pilotctl('one', 'rendezvous', 'stop').status, 0);

  const exported = pilotctl('one', 'registry', 'export', '--to', file);
  assert.equal(exported.status, 0, exported.out);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const url = server.url('moved');
  const imported = pilotctl('one', 'registry', 'import', '--from', file, '--store', url);
  assert.equal(imported.status, 0, imported.out);
  assert.equal(imported.data.digest, exported.data.digest);

  for (const home of ['one', 'two']) {
    const started = pilotctl(home, 'rendezvous', 'start', ...ANY, '--store', url);
    assert.equal(started.status, 0, started.out);
    assert.equal(started.data.fingerprint, first.data.fingerprint);
    const log = readFileSync(join(directory, home, 'rendezvous.log'), 'utf8');
    assert.equal((started.out + log).includes('secret'), false, 'the password was shown');
  }
});

test('a database that cannot be used is refused with what to do, and without its password', () => {
  for (const [url, wanted] of [
    [server.url('other').replace(/:[^:@]*@/, ':wrong-secret@'), /password/],
    [server.url('other').replace('/postgres?', '/nothing?'), /nothing/],
    ['postgres://pilot:wrong-secret@127.0.0.1:1/db', /127\.0\.0\.1:1/],
    ['postgres://pilot:wrong-secret@127.0.0.1', /host and a database/],
  ] as const) {
    const { status, out } = pilotctl('three', 'rendezvous', 'start', ...ANY, '--store', url);
    assert.notEqual(status, 0);
    assert.match(out, wanted);
    assert.equal(out.includes('wrong-secret'), false, out);
  }
});
