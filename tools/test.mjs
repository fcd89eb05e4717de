// Runs the checks and the tests. With PILOT_TEST_REFUSE_SKIPS=1 a skipped test fails the run.
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wanted = process.argv.slice(2);

function testFiles(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.js') ? [path] : [];
  });
}

const lint = spawnSync(
  process.execPath,
  [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'check', '.'],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  },
);
if (lint.status !== 0) process.exit(lint.status ?? 1);

const files = testFiles(join(root, 'dist'))
  .map((path) => relative(root, path))
  .filter((path) => wanted.length === 0 || wanted.some((word) => path.includes(word)))
  .sort();
if (files.length === 0) {
  console.error('no test file matches');
  process.exit(1);
}
const child = spawn(
  process.execPath,
  [
    '--enable-source-maps',
    '--import',
    new URL('../dist/test/fixed-seed.js', import.meta.url).href,
    '--test',
    '--test-concurrency=2',
    '--test-reporter=spec',
    ...files,
  ],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
);
let tail = '';
child.stdout.on('data', (chunk) => {
  process.stdout.write(chunk);
  tail = (tail + chunk).slice(-4000);
});
child.on('close', (code) => {
  const skipped = Number(/skipped (\d+)/.exec(tail)?.[1] ?? 0);
  if (code === 0 && skipped > 0 && process.env.PILOT_TEST_REFUSE_SKIPS === '1') {
    console.error(`${skipped} skipped tests are refused here`);
    process.exit(1);
  }
  process.exit(code ?? 1);
});
