import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CAUSES, type Cause } from '../../src/api/causes.ts';
import { isTest, readText, sources } from './sources.testkit.ts';

const rows = [
  ...readText('docs/connectivity.md').matchAll(/^\| `(\w+)` \| ([a-z, ]+) \| (.+?) \| (.*?) \|$/gm),
];

describe('the catalogue of causes', () => {
  it('is the one in docs/connectivity.md: codes in order, verdicts, meaning, what helps', () => {
    const documented = rows.map(([, cause, verdicts, meaning, help]) => ({ cause, verdicts, meaning, help }));
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
