import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { nodeFiles } from '../../bin/host/files.ts';
import { fingerprintOf } from '../../bin/host/fingerprint.ts';
import { nodeProcesses } from '../../bin/host/processes.ts';
import { rotatingLog } from '../../bin/host/rotating-log.ts';
import { PilotError } from '../../src/api/errors.ts';
import { freePort } from './pilotctl.ts';

let directory: string;
const files = nodeFiles();

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'pilot-host-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof PilotError) return error.code;
    throw error;
  }
  return 'ok';
}

test('a log is copied aside when it is full, and goes on in the same file', () => {
  const log = join(directory, 'logs', 'pilot.log');
  const { write } = rotatingLog(log, 1000, 2);
  const inode = statSync(log).ino;
  for (let line = 0; line < 100; line++) write(`${String(line).padStart(98, '0')}\n`);
  assert.equal(statSync(log).ino, inode);
  assert.deepEqual(readdirSync(join(directory, 'logs')).sort(), ['pilot.log', 'pilot.log.1', 'pilot.log.2']);
  const kept = ['pilot.log.2', 'pilot.log.1', 'pilot.log'].flatMap((name) =>
    readFileSync(join(directory, 'logs', name), 'utf8')
      .trimEnd()
      .split('\n')
      .map(Number),
  );
  assert(statSync(log).size <= 1000);
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, at) => 100 - kept.length + at),
  );
  assert.equal(statSync(log).mode & 0o777, 0o600);
});

test('a log without backups starts anew when it is full', () => {
  const log = join(directory, 'none.log');
  const { write } = rotatingLog(log, 100, 0);
  for (let line = 0; line < 50; line++) write('0123456789\n');
  assert(statSync(log).size <= 100);
  assert(!existsSync(`${log}.1`));
});

test('of several that create a file, one wins, and nobody sees half of it', async () => {
  const path = join(directory, 'deep', 'run');
  const content = 'x'.repeat(100_000);
  const results = await Promise.all(Array.from({ length: 8 }, () => files.create(path, content)));
  assert.equal(results.filter(Boolean).length, 1);
  assert.equal(readFileSync(path, 'utf8'), content);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(directory, 'deep')).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(join(directory, 'deep')), ['run']);
});

test('creating follows no link', async () => {
  const target = join(directory, 'target');
  symlinkSync(target, join(directory, 'link'));
  assert.equal(await files.create(join(directory, 'link'), 'x'), false);
  assert(!existsSync(target));
});

test('replacing leaves old content or new, readable by the owner only', async () => {
  const path = join(directory, 'config.json');
  writeFileSync(path, 'old', { mode: 0o644 });
  await files.replace(path, 'new');
  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('what is absent is undefined, what is too large is refused', async () => {
  assert.equal(await files.read(join(directory, 'absent'), 10), undefined);
  assert.equal(await files.info(join(directory, 'absent', 'below')), undefined);
  assert.deepEqual(await files.list(join(directory, 'absent')), []);
  assert.equal(await files.rename(join(directory, 'absent'), join(directory, 'x')), false);
  await files.remove(join(directory, 'absent'));
  writeFileSync(join(directory, 'large'), 'x'.repeat(11));
  assert.equal(await codeOf(files.read(join(directory, 'large'), 10)), 'too_large');
  assert.equal(await codeOf(files.read(directory, 1e9)), 'io_error');
});

test('a process keeps its stamp, another has another, a dead one has none', async () => {
  const processes = nodeProcesses();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const pid = child.pid ?? 0;
  const stamp = await processes.stamp(pid);
  assert.equal(await processes.stamp(pid), stamp);
  assert.notEqual(stamp, undefined);
  assert.notEqual(await processes.stamp(process.pid), stamp);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  assert.equal(processes.signal(pid, 'SIGKILL'), true);
  await ended;
  assert.equal(await processes.stamp(pid), undefined);
  assert.equal(processes.signal(pid, 'SIGTERM'), false);
});

test('a server without TLS, a silent one and none are told apart', async () => {
  const plain = createServer((socket) => socket.end('hello\n'));
  const silent = createServer(() => {});
  await Promise.all(
    [plain, silent].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))),
  );
  const at = (server: typeof plain) => ({
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
  });
  assert.equal(await codeOf(fingerprintOf(at(plain), 2000)), 'protocol_error');
  assert.equal(await codeOf(fingerprintOf(at(silent), 300)), 'protocol_error');
  assert.equal(
    await codeOf(fingerprintOf({ host: '127.0.0.1', port: await freePort() }, 2000)),
    'connection_failed',
  );
  const stop = new AbortController();
  const asked = codeOf(fingerprintOf(at(silent), 5000, { signal: stop.signal }));
  stop.abort(new PilotError('cancelled', 'stopped'));
  assert.equal(await asked, 'cancelled');
  plain.close();
  silent.close();
});
