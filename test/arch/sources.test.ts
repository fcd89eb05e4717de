import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findings, parse, sources } from './sources.testkit.ts';

describe('the source scanner', () => {
  it('blanks comments, strings, templates and regular expressions, and nothing else', () => {
    const samples: [string, string][] = [
      ["a('Date') // Date", "a('    ')        "],
      ['/* Date\n Date */ b', '       \n         b'],
      ["'it\\'s' + c", "'     ' + c"],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the sample is a template
      ['`Date ${now(`x`)} Date`', '`     ${now(` `)}     `'],
      ['text.replace(/[\'"/]Date/g, d)', 'text.replace(/         /g, d)'],
      ['a / b / Date', 'a / b / Date'],
      ['x = { a: `1` }; Date', 'x = { a: ` ` }; Date'],
    ];
    for (const [text, code] of samples) assert.equal(parse('x.ts', text).code, code);
  });

  it('finds every form of import with its line and target', () => {
    const text = [
      "import type { A } from './a.ts';",
      "import { B,\n  C } from '../base/b.ts';",
      "export * from 'node:fs';",
      "const d = await import('libsql');",
      "import './side.ts';",
      "// import { no } from './no.ts'",
      "Buffer.from('text');",
      'const text = "import { no } from \'./no.ts\'";',
    ].join('\n');
    assert.deepEqual(parse('src/wire/x.ts', text).imports, [
      { specifier: './a.ts', target: 'src/wire/a.ts', line: 1 },
      { specifier: '../base/b.ts', target: 'src/base/b.ts', line: 3 },
      { specifier: 'node:fs', target: undefined, line: 4 },
      { specifier: 'libsql', target: undefined, line: 5 },
      { specifier: './side.ts', target: 'src/wire/side.ts', line: 6 },
    ]);
  });

  it('reports findings with path and line', () => {
    const source = parse('src/x.ts', 'a;\nDate.now();');
    assert.deepEqual(
      findings(source, /\bDate\b/g, (match) => `uses ${match}`),
      ['src/x.ts:2: uses Date'],
    );
  });

  it('reads the tree', () => {
    assert.ok(sources('src').length > 100);
    assert.deepEqual(sources('no-such-folder'), []);
  });
});
