import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearest } from './suggest.ts';
import {
  formatAgo,
  formatFields,
  formatSize,
  formatSpan,
  formatTable,
  plural,
  preview,
  printable,
} from './text.ts';

test('text from peers cannot drive the terminal', () => {
  assert.equal(printable('a\u001b[31mred\u0007\u009b'), 'a\\u001b[31mred\\u0007\\u009b');
  assert.equal(printable('line\r\nnext\ttab'), 'line\nnext\ttab');
  assert.equal(printable('\u202etxt.exe'), '\\u202etxt.exe');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the point of the test
      assert.doesNotMatch(printable(text), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    }),
  );
});

test('previews are one line of bounded length', () => {
  assert.equal(preview('  two\n lines ', 80), 'two lines');
  assert.equal(preview('x'.repeat(100), 10), `${'x'.repeat(9)}…`);
});

test('sizes read as people write them', () => {
  assert.deepEqual([0, 1, 999, 1000, 1500, 12_345, 999_600, 3_000_000].map(formatSize), [
    '0 bytes',
    '1 byte',
    '999 bytes',
    '1.0 KB',
    '1.5 KB',
    '12 KB',
    '1.0 MB',
    '3.0 MB',
  ]);
});

test('spans read as people write them', () => {
  assert.deepEqual([0, 850, 30_000, 125_000, 3_600_000, 11_040_000, 187_200_000].map(formatSpan), [
    '0s',
    '850ms',
    '30s',
    '2m 5s',
    '1h',
    '3h 4m',
    '2d 4h',
  ]);
  assert.equal(formatAgo(1000, 2000), 'just now');
  assert.equal(formatAgo(0, 300_500), '5m ago');
  assert.equal(plural(1, 'message'), '1 message');
  assert.equal(plural(0, 'message'), '0 messages');
});

test('tables and fields line up', () => {
  assert.equal(
    formatTable(
      ['ID', 'NAME'],
      [
        ['1', 'a'],
        ['200', ''],
      ],
    ),
    'ID   NAME\n1    a\n200',
  );
  assert.equal(
    formatFields(
      [
        ['A', '1'],
        ['Long', '2'],
        ['Gone', undefined],
      ],
      '  ',
    ),
    '  A:    1\n  Long: 2',
  );
});

test('a typing mistake is recognised, another word is not', () => {
  assert.equal(nearest('pnig', ['ping', 'peers', 'pending']), 'ping');
  assert.equal(nearest('regsitry', ['registry', 'beacon']), 'registry');
  assert.equal(nearest('elephant', ['ping', 'peers']), undefined);
});
