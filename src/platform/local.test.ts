import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Pipe } from '../runtime/ports.ts';
import { nodeNet } from './net.ts';

const net = nodeNet();
const home = mkdtempSync(join(tmpdir(), 'pilot-local-'));
after(() => rmSync(home, { recursive: true }));
const mode = (path: string): number => statSync(path).mode & 0o777;

test('the socket is for its owner only, in a directory for its owner only', async () => {
  const path = join(home, 'deep', 'er', 'pilot.sock');
  const server = await net.listenLocal(path, (pipe) => pipe.onData((data) => pipe.write(data)));
  assert.equal(mode(path), 0o600);
  assert.equal(mode(join(home, 'deep', 'er')), 0o700);
  const pipe: Pipe = await net.connectLocal(path);
  const answer = new Promise<string>((resolve) => pipe.onData((data) => resolve(fromUtf8(data))));
  pipe.write(utf8('hi'));
  assert.equal(await answer, 'hi');
  pipe.end();
  await server.close();
  assert.equal(existsSync(path), false);
});

test('a live socket is refused and keeps working', async () => {
  const path = join(home, 'live.sock');
  const server = await net.listenLocal(path, () => {});
  await assert.rejects(
    net.listenLocal(path, () => {}),
    { code: 'socket_in_use' },
  );
  (await net.connectLocal(path)).destroy();
  await server.close();
});

test('the socket of a process that died is replaced', async () => {
  const path = join(home, 'dead.sock');
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  assert.throws(() => execFileSync(process.execPath, ['-e', program], { stdio: 'ignore' }));
  assert.ok(statSync(path).isSocket());
  await assert.rejects(net.connectLocal(path), { code: 'not_running' });
  const server = await net.listenLocal(path, () => {});
  (await net.connectLocal(path)).destroy();
  await server.close();
});

test('a file that is not a socket is never deleted', async () => {
  const path = join(home, 'precious.txt');
  writeFileSync(path, 'precious');
  await assert.rejects(
    net.listenLocal(path, () => {}),
    { code: 'io_error' },
  );
  assert.ok(existsSync(path));
});

test('a path too long for the system is refused instead of cut', async () => {
  await assert.rejects(
    net.listenLocal(join(home, 'x'.repeat(120)), () => {}),
    { code: 'invalid_argument' },
  );
});

test('nobody there is not_running', async () => {
  await assert.rejects(net.connectLocal(join(home, 'absent.sock')), { code: 'not_running' });
});
