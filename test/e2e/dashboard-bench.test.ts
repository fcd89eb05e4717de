import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROJECT } from '../../lab/stage.ts';

test('the bench of the dashboard asks everything and paints', () => {
  const program = join(PROJECT, 'dist', 'bench', 'dashboard', 'run.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--short', '--nodes', '400'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(status, 0, stderr);
  for (const question of ['overview', 'search two tags', 'trust, the busiest', 'metrics', 'desk', 'phone'])
    assert.match(stdout, new RegExp(`^${question}.*  +[\\d.]+`, 'm'));
  assert.match(stdout, /^first census over \d+ s after the start, 400 nodes$/m);
  assert.match(stdout, /^slowest request [\d.]+ ms of server time/m);
});
