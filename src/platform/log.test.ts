import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeLog } from './log.ts';

test('an event is one JSON line with its name, level, time and fields', () => {
  const lines: string[] = [];
  const log = nodeLog({ level: 'debug', stream: { write: (line) => lines.push(line) } });
  log.event('info', 'tunnel.established', { peer: 7, path: 'direct' });
  log.event('trace', 'packet');
  log.event('warn', 'odd', {
    key: Uint8Array.of(1, 255),
    big: 5n,
    error: Object.assign(new Error('broken'), { code: 'io_error' }),
  });
  assert.equal(lines.length, 2);
  const first = JSON.parse(lines[0]!);
  assert.equal(first.event, 'tunnel.established');
  assert.equal(first.level, 'info');
  assert.equal(first.peer, 7);
  assert.ok(!Number.isNaN(Date.parse(first.time)));
  const second = JSON.parse(lines[1]!);
  assert.equal(second.key, '01ff');
  assert.equal(second.error.message, 'broken');
  assert.equal(second.error.code, 'io_error');
});

test('a log file is owner-only and appended to', () => {
  const home = mkdtempSync(join(tmpdir(), 'pilot-log-'));
  const path = join(home, 'logs', 'pilot.log');
  nodeLog({ destination: path }).event('info', 'one');
  nodeLog({ destination: path }).event('info', 'two');
  const events = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event);
  assert.deepEqual(events, ['one', 'two']);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  rmSync(home, { recursive: true });
});
