import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROJECT } from '../../lab/stage.ts';

function run(program: string): string {
  const path = join(PROJECT, 'dist', 'bench', 'registry', program);
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, '--short'], {
    encoding: 'utf8',
    timeout: 180_000,
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

test('a fleet that comes back all at once to a registry loses nothing', () => {
  const said = run('stampede.js');
  assert.match(said, /^all start at once /m);
  assert.match(said, /^back after 2 s /m);
  assert.match(said, /^yes {2}nothing lost/m);
});

test('strangers who do what they can neither stop a fleet nor leave anything behind', () => {
  const said = run('strangers.js');
  for (const attack of ['junk registrations', 'key churn', 'slow loris', '4 MiB frames', 'pipelined flood'])
    assert.match(said, new RegExp(`^${attack} `, 'm'));
  assert.match(said, /^yes {2}no request of the fleet failed/m);
  assert.match(said, /^yes {2}memory is bounded/m);
});
