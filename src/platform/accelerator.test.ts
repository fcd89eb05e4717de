import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accelerate } from './accelerator.ts';

const PLACES = ['../../native/', '../../../native/'];
const native = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) =>
  existsSync(`${path}fuzz.mjs`),
);

test('the setting decides which ways are used, and the description says so', () => {
  const off = accelerate('off');
  assert.deepEqual(
    [off.sealer, off.sockets, off.setOption, off.acceleration],
    [undefined, undefined, undefined, { sealing: 'node', udp: 'plain', why: 'switched_off' }],
  );
  const segmented = accelerate('segmented');
  assert.equal(segmented.sealer, undefined);
  assert.equal(segmented.sockets, undefined);
  assert.equal(segmented.acceleration.udp, segmented.setOption === undefined ? 'plain' : 'segmented');
  const best = accelerate('auto');
  assert.equal(best.acceleration.sealing, best.sealer === undefined ? 'node' : 'native');
  assert.equal(best.acceleration.udp === 'native', best.sockets !== undefined);
  assert.equal(best.acceleration.why === '', best.sealer !== undefined && best.sockets !== undefined);
});

test('no call with wrong arguments touches memory that is not its own', { timeout: 240_000 }, (t) => {
  if (native === undefined) {
    t.skip('its sources are not here');
    return;
  }
  const run = (file: string, ...args: string[]) =>
    spawnSync(process.execPath, [native + file, ...args], { encoding: 'utf8', timeout: 120_000 });
  const built = run('build.mjs', '--sanitize');
  if (built.status !== 0) {
    t.skip('no compiler with sanitizers');
    return;
  }
  const fuzzed = run('fuzz.mjs', '--seconds', '4');
  assert.equal(fuzzed.status, 0, fuzzed.stdout + fuzzed.stderr);
});
