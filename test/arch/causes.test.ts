import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CAUSES, type Cause } from '../../src/api/causes.ts';
import { FINDINGS } from '../../src/api/findings.ts';
import { isTest, readText, sources } from './sources.testkit.ts';

const text = readText('docs/connectivity.md');
const tables = text.split(/^## /m);
const rowsOf = (heading: string) => [
  ...(tables.find((table) => table.startsWith(heading)) ?? '').matchAll(
    /^\| `(\w+)` \| ([a-z, ]+) \| (.+?) \| (.*?) \|$/gm,
  ),
];

describe('the catalogue of causes', () => {
  it('is the one in docs/connectivity.md: codes in order, verdicts, meaning, what helps', () => {
    const documented = rowsOf('Causes').map(([, cause, verdicts, meaning, help]) => ({
      cause,
      verdicts,
      meaning,
      help,
    }));
    const catalogue = Object.entries(CAUSES).map(([cause, { verdicts, meaning, help }]) => ({
      cause,
      verdicts: verdicts.length === 0 ? 'remark' : verdicts.join(', '),
      meaning,
      help: help.replaceAll('{peer}', 'PEER'),
    }));
    assert.deepEqual(documented, catalogue);
  });

  it('has no cause that nothing ever names', () => {
    const product = sources('src').filter(({ path }) => !isTest(path) && path !== 'src/api/causes.ts');
    const unused = (Object.keys(CAUSES) as Cause[]).filter(
      (cause) => !product.some((source) => source.text.includes(`'${cause}'`)),
    );
    assert.deepEqual(unused, []);
  });

  it('has sentences without a final period', () => {
    for (const { meaning, help } of Object.values(CAUSES)) {
      assert.doesNotMatch(meaning, /\.$|\|/);
      assert.doesNotMatch(help, /\.$|\|/);
    }
  });
});

describe('the catalogue of findings', () => {
  it('is the one in docs/connectivity.md: codes in order, level, meaning, what helps', () => {
    const documented = rowsOf('Findings').map(([, code, level, meaning, help]) => ({
      ...{ code, level, meaning, help },
    }));
    const catalogue = Object.entries(FINDINGS).map(([code, { level, meaning, help }]) => ({
      ...{ code, level, meaning, help },
    }));
    assert.deepEqual(documented, catalogue);
  });

  it('has no finding that nothing ever makes', () => {
    const product = sources('src').filter(({ path }) => !isTest(path) && path !== 'src/api/findings.ts');
    const unused = Object.keys(FINDINGS).filter(
      (code) => !product.some((source) => source.text.includes(`add('${code}'`)),
    );
    assert.deepEqual(unused, []);
  });
});
