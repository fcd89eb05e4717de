import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { PROJECT } from '../../lab/stage.ts';

function bench(name: string): string {
  const program = join(PROJECT, 'dist', 'bench', 'registry', `${name}.js`);
  const ran = spawnSync(process.execPath, [program, '--short'], { encoding: 'utf8', timeout: 120_000 });
  assert.equal(ran.status, 0, ran.stderr + ran.stdout);
  return ran.stdout;
}

/** What stands behind the first words of a line. */
function value(output: string, words: string): number {
  const line = output.split('\n').find((one) => one.startsWith(words));
  assert.ok(line !== undefined, `no line begins with "${words}":\n${output}`);
  return Number(/\s([\d.]+)/.exec(line.slice(words.length))?.[1]);
}

describe('the benches of the registry', () => {
  it('measure a store of many nodes, its connections and its requests', () => {
    const output = bench('million');
    assert.equal(value(output, 'nodes '), 3000);
    assert.ok(value(output, 'bytes on disk per node') > 32);
    assert.equal(value(output, 'live connections, each proven and told of events'), 100);
    for (const row of [
      'registrations of new nodes, proven, durable',
      'lookups of public nodes',
      'resolves, signed',
    ])
      assert.ok(value(output, row) > 0, row);
    assert.ok(value(output, 'heartbeats, binary') > 0);
  });

  it('keep a steady load of heartbeats and trust changes, all of them answered', () => {
    const output = bench('load');
    assert.match(
      output,
      /^500 nodes, 50 live connections, 200 heartbeats\/s \(binary\) and 10 trust changes\/s/,
    );
    assert.doesNotMatch(output, /requests failed/);
    assert.match(output, /all: \d+ heartbeats p50 [\d.]+ ms/);
  });

  it('measure the audit log and a webhook', () => {
    const output = bench('audit');
    for (const row of ['registrations with a record', 'records chained', 'entries read and verified'])
      assert.ok(value(output, row) > 0, row);
    assert.match(output, /an entry takes \d+ bytes on disk; 100 events$/m);
  });
});
