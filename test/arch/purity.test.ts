import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findings, isTest, layerOf, parse, type Source, sources } from './sources.testkit.ts';

/** No Node types, no clock, no randomness of their own. */
const PURE = ['base', 'wire', 'api', 'core', 'runtime'];
/** And nothing that waits for another turn of the event loop: a result that does makes a simulation unrepeatable. */
const SYNCHRONOUS = ['base', 'wire', 'core'];
/** Time and randomness come from the outside everywhere but here; the dashboard runs in a browser. */
const OUTSIDE = ['platform', 'dashboard'];

const word = (names: string) => new RegExp(`(?<![.\\w$#])(?:${names})\\b(?!\\s*\\??:)`, 'g');
const AMBIENT = word(
  'Date|process|Buffer|console|performance|globalThis|global|crypto|fetch|require|__dirname|__filename' +
    '|setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|queueMicrotask|structuredClone',
);
const ASYNC = word('async|await|Promise');
const RANDOM = /\bMath\s*\.\s*random\b/g;
const CLOCK =
  /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|(?<![.\w$#])performance\s*\.|(?<![.\w$#])(?:setTimeout|setInterval|setImmediate)\b(?!\s*\??:)/g;

const product = sources('src').filter((source) => !isTest(source.path) && !source.path.endsWith('.d.ts'));

describe('purity', () => {
  it('of base, wire, api, core and runtime: nothing ambient is named', () => {
    assert.deepEqual(product.flatMap(ambient), []);
  });

  it('of base, wire and core: nothing is asynchronous', () => {
    assert.deepEqual(product.flatMap(asynchronous), []);
  });

  it('of the shells: clock, timers and randomness are injected', () => {
    assert.deepEqual(product.flatMap(clockOrRandom), []);
  });

  it('violations are found', () => {
    const core = (text: string) => parse('src/core/a.ts', text);
    for (const text of [
      'const t = Date.now();',
      'new Date(5)',
      'setTimeout(f, 1)',
      'Buffer.from(x)',
      'process.env',
      'x = crypto.subtle',
    ]) {
      assert.equal(ambient(core(text)).length, 1, text);
    }
    for (const text of ['this.crypto.sign(x)', 'constructor(crypto: Crypto) {}', 'x.process()', '#buffer']) {
      assert.equal(ambient(core(text)).length, 0, text);
    }
    assert.equal(asynchronous(core('async function f() {}')).length, 1);
    assert.equal(asynchronous(core('f(): Promise<void>')).length, 1);
    assert.equal(asynchronous(parse('src/api/a.ts', 'f(): Promise<void>')).length, 0);
    const shell = (text: string) => parse('src/daemon/a.ts', text);
    assert.equal(clockOrRandom(shell('Math.random()')).length, 1);
    assert.equal(clockOrRandom(shell('const now = Date.now();')).length, 1);
    assert.equal(clockOrRandom(shell('new Date()')).length, 1);
    assert.equal(clockOrRandom(shell('setInterval(f, 1)')).length, 1);
    assert.equal(clockOrRandom(shell('new Date(wall).toISOString()')).length, 0);
    assert.equal(clockOrRandom(parse('src/platform/clock.ts', 'Date.now()')).length, 0);
  });
});

function ambient(source: Source): string[] {
  if (!PURE.includes(layerOf(source.path) ?? '')) return [];
  // `crypto` is also what the injected port is called: a parameter or local of that name is not the global.
  const injected = /\b(?:readonly\s+)?crypto\s*[?:,}]/.test(source.code);
  return findings(source, AMBIENT, (match) => `names ${match}`).filter(
    (finding) => !(injected && finding.endsWith('names crypto')),
  );
}

function asynchronous(source: Source): string[] {
  if (!SYNCHRONOUS.includes(layerOf(source.path) ?? '')) return [];
  return findings(source, ASYNC, (match) => `uses ${match}`);
}

function clockOrRandom(source: Source): string[] {
  if (OUTSIDE.includes(layerOf(source.path) ?? '')) return [];
  const random = findings(source, RANDOM, () => 'uses Math.random');
  // sim hops one turn of the real event loop so that promises settle; it never waits for real time.
  const clock = findings(source, CLOCK, (match) => `uses ${match}`).filter(
    (finding) => !(layerOf(source.path) === 'sim' && finding.endsWith('setImmediate')),
  );
  return [...random, ...clock];
}
