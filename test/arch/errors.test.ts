import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERRORS, type ErrorCode } from '../../src/api/errors.ts';
import { isTest, readText, sources } from './sources.testkit.ts';

const codes = Object.keys(ERRORS) as ErrorCode[];
const text = readText('docs/errors.md');
const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) \| (yes|no) \| (.+?) \| `(.+)` \|$/gm)];

describe('the error catalogue', () => {
  it('is the one in docs/errors.md: codes in order, exit status, whether to try again, hint', () => {
    const documented = rows.map(([, code, exit, again, , hint]) => ({
      code,
      exit: Number(exit),
      again,
      hint,
    }));
    const catalogue = codes.map((code) => {
      const { exit, retryable, hint } = ERRORS[code];
      return { code, exit, again: retryable ? 'yes' : 'no', hint };
    });
    assert.deepEqual(documented, catalogue);
  });

  it('fails with a non-zero exit status always, and states a hint', () => {
    for (const code of codes) {
      assert.match(code, /^[a-z]+(_[a-z]+)*$/);
      assert.ok(ERRORS[code].exit > 0, code);
      assert.ok(ERRORS[code].hint.length > 0, code);
      assert.doesNotMatch(ERRORS[code].hint, /\.$/, 'hints have no final period');
    }
  });

  it('has no code that nothing ever throws', () => {
    const product = sources('src', 'bin').filter(({ path }) => !isTest(path) && path !== 'src/api/errors.ts');
    const unused = codes.filter((code) => !product.some((source) => source.text.includes(`'${code}'`)));
    // Made by asPilotError from whatever was not foreseen.
    assert.deepEqual(
      unused.filter((code) => code !== 'internal'),
      [],
    );
  });
});

describe('messages of errors', () => {
  it('have no final period', () => {
    const wrong = sources('src')
      .filter(({ path }) => !isTest(path))
      .flatMap((source) =>
        [...source.text.matchAll(/new PilotError\(\s*'\w+',\s*(['`])(.*?)\1/g)]
          .filter(([, , message]) => /\.$/.test(message!))
          .map(([, , message]) => `${source.path}: ${message}`),
      );
    assert.deepEqual(wrong, []);
  });
});
