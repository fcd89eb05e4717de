import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { neverThrows } from './codec.testkit.ts';
import { canonicalJson, encodeJson, escapeHtml, MAX_JSON_DEPTH, parseJson } from './json.ts';

describe('JSON', () => {
  it('has one canonical text: sorted keys, no spaces, no undefined members', () => {
    assert.equal(
      canonicalJson({ b: 1, a: [1, { d: null, c: 'x' }], u: undefined }),
      '{"a":[1,{"c":"x","d":null}],"b":1}',
    );
    assert.equal(canonicalJson(undefined), 'null');
    assert.equal(canonicalJson([undefined]), '[null]');
    assert.equal(canonicalJson({ Z: 1, a: 2, _: 3 }), '{"Z":1,"_":3,"a":2}');
  });

  it('means the same after canonical printing, whatever the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // -0 has no JSON text of its own.
        const plain = JSON.parse(JSON.stringify(value));
        assert.deepEqual(JSON.parse(canonicalJson(plain)), plain);
        assert.equal(canonicalJson(reversed(plain)), canonicalJson(plain));
        assert.deepEqual(JSON.parse(fromUtf8(encodeJson(plain))), plain);
      }),
    );
  });

  it('is escaped as old peers do without changing its meaning', () => {
    assert.equal(escapeHtml('{"a":"<b>&\u2028"}'), '{"a":"\\u003cb\\u003e\\u0026\\u2028"}');
  });

  it('nested deeper than the limit is refused before anyone walks it', () => {
    const nested = (depth: number) => utf8('['.repeat(depth) + ']'.repeat(depth));
    assert.ok(typeof parseJson(nested(MAX_JSON_DEPTH)) !== 'string');
    assert.equal(parseJson(nested(MAX_JSON_DEPTH + 1)), 'too_deep');
    assert.equal(parseJson(utf8('{"a":'.repeat(1_000_000))), 'too_deep');
    const inString = JSON.stringify('[{\\"'.repeat(200));
    assert.deepEqual(parseJson(utf8(inString)), { value: JSON.parse(inString) });
  });

  it('that is not UTF-8 or not JSON is refused with the reason', () => {
    assert.equal(parseJson(Uint8Array.of(0x22, 0xff, 0x22)), 'not_utf8');
    assert.equal(parseJson(utf8('{"a":1')), 'invalid_json');
    assert.equal(parseJson(utf8('')), 'invalid_json');
  });

  it('with a member called __proto__ stays data', () => {
    const parsed = parseJson(utf8('{"__proto__":{"x":1},"a":1}'));
    assert.ok(typeof parsed !== 'string');
    assert.equal((parsed.value as { x?: number }).x, undefined);
    assert.equal(canonicalJson(parsed.value), '{"__proto__":{"x":1},"a":1}');
  });

  it('never throws on hostile bytes, and accepts exactly what the platform does', () => {
    neverThrows(parseJson, [utf8('{"a":[1,2,{"b":"\\u00e9"}],"c":null,"d":-1.5e3}'), utf8('"\ud83d\ude00"')]);
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, cut) => {
        const part = text.slice(0, cut % (text.length + 1));
        let expected: boolean;
        try {
          JSON.parse(part);
          expected = true;
        } catch {
          expected = false;
        }
        // A cut surrogate pair is no text; both sides see a replacement character.
        assert.equal(typeof parseJson(utf8(part)) !== 'string', expected);
      }),
    );
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, reversed(member)]);
  return Object.fromEntries(entries.reverse());
}
