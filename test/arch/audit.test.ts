import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AUDIT_ACTIONS } from '../../src/api/audit-actions.ts';
import { SCOPES } from '../../src/api/scopes.ts';
import { isTest, readText, sources } from './sources.testkit.ts';

const page = readText('docs/audit.md');
const product = sources('src').filter(
  ({ path }) => !isTest(path) && path !== 'src/api/audit-actions.ts' && path !== 'src/api/scopes.ts',
);

describe('the catalogue of audit actions', () => {
  it('is the one in docs/audit.md', () => {
    const documented = [...page.matchAll(/^\| `([a-z_]+\.[a-z_]+)` \| (.*?) ?\| (.+?) \|$/gm)].map(
      ([, action, details, meaning]) => ({ action, details, meaning }),
    );
    const catalogue = Object.entries(AUDIT_ACTIONS).map(([action, { details, meaning }]) => ({
      action,
      details: details.map((name) => `\`${name}\``).join(', '),
      meaning,
    }));
    assert.deepEqual(documented, catalogue);
  });

  it('has no action that nothing records', () => {
    const unused = Object.keys(AUDIT_ACTIONS).filter(
      (action) => !product.some(({ text }) => text.includes(`'${action}'`)),
    );
    assert.deepEqual(unused, []);
  });

  it('has meanings without a final period', () => {
    for (const { meaning } of Object.values(AUDIT_ACTIONS)) assert.doesNotMatch(meaning, /\.$|\|/);
  });
});

describe('the catalogue of scopes', () => {
  it('is the one in docs/audit.md', () => {
    const documented = [...page.matchAll(/^\| `([a-z]+:[a-z]+)` \| (.+?) \|$/gm)].map(
      ([, scope, meaning]) => [scope, meaning],
    );
    assert.deepEqual(documented, Object.entries(SCOPES));
  });

  it('has no scope that nothing asks for', () => {
    const unused = Object.keys(SCOPES).filter(
      (scope) => !product.some(({ text }) => text.includes(`'${scope}'`)),
    );
    assert.deepEqual(unused, []);
  });
});
