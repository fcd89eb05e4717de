import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findings, isTest, layerOf, parse, type Source, sources } from './sources.testkit.ts';

const LINES = 500;
/** Tests and tables of cases may be longer. */
const TEST_LINES = 800;
/** Files that may be longer, with the reason. A file that no longer needs its entry fails the test. */
const LONG_FILES: Readonly<Record<string, string>> = {};

const all = sources('src', 'bin', 'lab', 'bench', 'test');
const product = all.filter((source) => source.path.startsWith('src/') && !isTest(source.path));

describe('files', () => {
  it('stay within the size budget', () => {
    assert.deepEqual(
      all
        .filter((source) => tooLong(source) && LONG_FILES[source.path] === undefined)
        .map(({ path }) => path),
      [],
    );
    for (const [path, reason] of Object.entries(LONG_FILES)) {
      const source = all.find((candidate) => candidate.path === path);
      assert.ok(source !== undefined && tooLong(source), `${path} no longer needs its exception (${reason})`);
    }
  });

  it('have kebab-case names that say what is inside', () => {
    const wrong = all.filter(({ path }) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      const vague = /(^|-)(utils?|helpers?|managers?|common|misc)(-|\.)/.test(name);
      return vague || !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|testkit|d))?\.ts$/.test(name);
    });
    assert.deepEqual(
      wrong.map(({ path }) => path),
      [],
    );
  });

  it('have no default exports', () => {
    assert.deepEqual(all.flatMap(defaultExports), []);
  });

  it('of src hold no state of their own: many daemons live in one process', () => {
    assert.deepEqual(product.flatMap(moduleState), []);
  });

  it('below the command line do not print', () => {
    const printing = product
      .filter((source) => layerOf(source.path) !== 'platform')
      .flatMap((source) => findings(source, /\bconsole\s*\./g, () => 'prints'));
    assert.deepEqual(printing, []);
  });

  it('that break a rule are found', () => {
    const file = (text: string) => parse('src/core/a.ts', text);
    assert.equal(defaultExports(file('export default 1;')).length, 1);
    assert.equal(defaultExports(file('export { a as default };')).length, 1);
    for (const text of [
      'let count = 0;',
      'export var x;',
      'const cache = new Map<string, number>();',
      'export const seen: Set<string> = new Set();',
      'const list: number[] = [];',
      'const table = {};',
      'class A {\n  static count = 0;\n}',
      'class A {\n  static #cache = new Map();\n}',
    ]) {
      assert.equal(moduleState(file(text)).length, 1, text);
    }
    for (const text of [
      'const TABLE = build();',
      "const NAMES: ReadonlySet<string> = new Set(['a']);",
      'export const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([]);',
      'const NONE: readonly number[] = [];',
      'const EMPTY: Readonly<Record<string, string>> = {};',
      'function f() {\n  let x = 0;\n  const cache = new Map();\n}',
      'class A {\n  static readonly LIMIT = 5;\n  static async start() {}\n  static of(x = 1) {}\n}',
    ]) {
      assert.equal(moduleState(file(text)).length, 0, text);
    }
  });
});

function tooLong(source: Source): boolean {
  const lines = source.text.split('\n').length - 1;
  return lines > (isTest(source.path) ? TEST_LINES : LINES);
}

function defaultExports(source: Source): string[] {
  return findings(source, /^export\s+default\b|\bas\s+default\b/gm, () => 'exports a default');
}

/** Textual and therefore modest: top-level variables, empty or growing containers, assigned static members. */
function moduleState(source: Source): string[] {
  const found = [
    ...findings(source, /^(?:export\s+)?(?:let|var)\b.*/gm, (match) => `holds state: ${match}`),
    ...findings(
      source,
      /^(?:export\s+)?const\s+\w+\s*(?::[^=]*(?:=>[^=]*)?)?=\s*(?:new\s+(?:Map|Set|WeakMap|WeakSet|Array)\b|\[\s*\]|\{\s*\}).*/gm,
      (match) => `holds state: ${match}`,
    ),
    ...findings(
      source,
      /^[ \t]+static\s+(?!readonly\b)#?\w+\s*(?::[^=(]*)?=(?!>).*/gm,
      (match) => `holds state: ${match}`,
    ),
  ];
  return found.filter((finding) => !/\b(?:Readonly\w*|readonly)\b/.test(finding));
}
