import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

function projectRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

test('the example: three specialists answer somebody they have never heard of', async () => {
  const child = spawn(process.execPath, [join(projectRoot(), 'examples', 'specialists', 'run.mjs')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^units: converts units/m);
  assert.match(stdout, /^12 km = 7\.456454307 miles$/m);
  assert.match(stdout, /^8 words, 2 sentences, longest word "Brevity"$/m);
});
