import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CATALOGUE } from './catalogue.ts';
import { commandsMarkdown, configMarkdown, describeAll } from './docs.ts';

/** The directory that holds package.json and docs, whether this runs compiled or not. */
function projectRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.includes(`${join('dist', 'src')}`) ? join(here, '..', '..', '..') : join(here, '..', '..');
}

function doc(name: string): string {
  return readFileSync(join(projectRoot(), 'docs', name), 'utf8');
}

test('docs/commands.md is what the catalogue says (npm run docs)', () => {
  assert.equal(doc('commands.md'), commandsMarkdown(CATALOGUE));
});

test('docs/config.md is what the keys say (npm run docs)', () => {
  assert.equal(doc('config.md'), configMarkdown());
});

test('pilotctl context describes every command', () => {
  const { commands } = describeAll(CATALOGUE, '1', '/c') as { commands: Record<string, { usage: string }> };
  assert.deepEqual(
    Object.keys(commands),
    CATALOGUE.map(({ name }) => name),
  );
  assert.equal(commands.ping?.usage, 'pilotctl ping <peer> [flags]');
});

test('names are unique, summaries are one line without a full stop', () => {
  assert.equal(new Set(CATALOGUE.map(({ name }) => name)).size, CATALOGUE.length);
  for (const { name, summary } of CATALOGUE) assert.doesNotMatch(summary, /\.$|\n/, name);
});
