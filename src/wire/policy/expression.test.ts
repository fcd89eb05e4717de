import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EvaluationError, evaluate, newBudget } from './evaluate.ts';
import { GATES } from './events.ts';
import { compileExpression } from './expression.ts';
import { LIMITS } from './syntax.ts';

const FACTS = {
  peer_id: 7,
  port: 80,
  network_id: 3,
  peer_age_s: 90,
  peer_tags: ['service', 'eu-west'],
  local_tags: [],
  size: 100,
  direction: 'in',
};

function reading(text: string): unknown {
  const compiled = compileExpression(text, GATES.datagram);
  if ('error' in compiled) return `${compiled.error} @${compiled.at}`;
  try {
    return evaluate(compiled, FACTS, newBudget());
  } catch (thrown) {
    assert.ok(thrown instanceof EvaluationError);
    return `error: ${thrown.error}`;
  }
}

test('evaluates what the language has', () => {
  const truths = [
    'true',
    'port == 80',
    'port in [80, 443]',
    'port not in [22, 23]',
    'not (port in [22])',
    '!(port == 81)',
    'port in 1..1024',
    '80 in 79 .. 80',
    'port >= 80 and port <= 80',
    'port > 79 && port < 81',
    'false or true and true',
    'size % 7 == 2',
    'size / 8 == 12.5',
    '7 / 2 == 3.5',
    '-2 ** 2 == -4',
    '2 ** 3 ** 2 == 512',
    '2 ^ 3 == 8',
    '0x50 == port and 0b1010000 == port and 0o120 == port and 8_0 == port',
    '1e3 == 1000 and .5 == 0.5 and 1. == 1.0',
    '"service" in peer_tags',
    "has_tag(peer_tags, 'service')",
    'not has_tag(local_tags, "service")',
    'len(peer_tags) == 2 and len(local_tags) == 0 and len([]) == 0 and len(1..10) == 10',
    'len("héé😀") == 4',
    'direction == "in" and direction + "side" == "inside"',
    '"eu-west" startsWith "eu" and "eu-west" endsWith `west` and "eu-west" contains "-"',
    'any(peer_tags, # startsWith "eu")',
    'any(peer_tags, {# startsWith "eu"})',
    'all(peer_tags, len(#) > 3) and none(peer_tags, # == "x") and one(peer_tags, # == "service")',
    'all([], # == "x") and all(local_tags, false) and not any(local_tags, true)',
    'any(1..3, # == 2) and none(3..1, true)',
    'any([1, 2], {one([2, 3], # == 2)})',
    '1 in [1.0, 2.5] and 2.5 in [1, 2.5]',
    'peer_age_s > 60',
    'port == 80 ? direction == "in" : false',
    'false ? false : true ? true : false',
    '(port == 80) == true',
    '\'a\\n\\u0041\' == "a\\nA"',
  ];
  for (const text of truths) {
    assert.equal(reading(text), true, text);
  }
  assert.equal(reading('port == 22'), false);
  assert.equal(reading('any(peer_tags, # == "SERVICE")'), false);
});

test('refuses what it does not know, and says where', () => {
  const refusals: [string, RegExp][] = [
    ['', /ends too early @0/],
    ['port', /must be true or false/],
    ['prot == 80', /there is no "prot" here: there are peer_id, port.* @0/],
    ['port == 80 and prot == 1', /@15/],
    ['constructor == 1', /there is no "constructor"/],
    ['peer_score > 3', /nodes keep no scores/],
    ['members > 3', /members is not supported/],
    ['port == "80"', /does not go with a whole number and a text/],
    ['"80" in [80]', /does not go with/],
    ['not port == 80', /"not" takes true or false/],
    ['!port', /"not" takes true or false/],
    ['1 < port < 3', /comparisons do not chain/],
    ['port == 80 == true', /comparisons do not chain/],
    ['direction < "z"', /does not go with/],
    ['peer_tags == ["a"]', /does not go with/],
    ['1.5 % 2 == 1', /does not go with/],
    ['direction matches "x"', /"matches" is not supported/],
    ['peer_tags[0] == "a"', /"\[" is not expected/],
    ['peer.tags', /"." is not expected|there is no "peer"/],
    ['upper(direction) == "IN"', /there is no function "upper"/],
    ['true | false', /"\|" is not expected/],
    ['true ?? false', /"\?\?" is not expected/],
    ['nil == nil', /there is no "nil"/],
    ['true ? 1 : "a"', /both sides of ":"/],
    ['# == 1', /# has a meaning only/],
    ['all(peer_tags, #)', /the condition of all takes true or false/],
    ['[1, "a"] == [1]', /a list holds one kind/],
    ['has_tag("a", "a")', /has_tag takes a list/],
    ['has_tag([1], "a")', /has_tag takes a list/],
    ['"abc', /a string has no end @0/],
    ['"a\\q"', /not an escape @2/],
    ['(true', /"\)" is expected, not the end @5/],
    ['true)', /"\)" is not expected here/],
    ['9007199254740993 == 1', /too large/],
    ['1e999 > 1', /too large/],
    ['12ab == 1', /a number ends oddly/],
    ['port = 80', /"=" is not expected/],
    ['true // yes', /is not expected/],
  ];
  for (const [text, reason] of refusals) assert.match(String(reading(text)), reason, text);
});

test('is bounded in length, parts, depth and work', () => {
  assert.match(String(reading(`"${'x'.repeat(LIMITS.text)}" == ""`)), /may have 1024 characters/);
  assert.match(String(reading(`${'true or '.repeat(127)}true`)), /true/);
  assert.match(String(reading(`1${'+1'.repeat(LIMITS.nodes)} > 1`)), /256 parts/);
  assert.match(String(reading(`${'('.repeat(LIMITS.depth)}true${')'.repeat(LIMITS.depth)}`)), /nest 24 deep/);
  assert.match(String(reading('all(1..1000000000, true)')), /takes more than/);
  assert.match(String(reading('none(1..300, {any(1..300, {false})})')), /takes more than/);
});

test('errors of arithmetic are errors, not values', () => {
  for (const text of ['1 / 0 > 1', 'port % (port - 80) == 0', '2 ** 2000 > 1', '0 / 0 != 0', '2 ** 60 > 1']) {
    assert.match(String(reading(text)), /error: a number is too large/, text);
  }
});

test('and, or and the ternary leave out what they need not know', () => {
  assert.equal(reading('true or 1 / 0 > 1'), true);
  assert.equal(reading('false and 1 / 0 > 1'), false);
  assert.equal(reading('true ? true : 1 / 0 > 1'), true);
});

test('any text compiles or is refused, within bounded time', () => {
  const word = fc.constantFrom(
    ...[
      'port',
      'peer_tags',
      'and',
      'or',
      'not',
      'in',
      '(',
      ')',
      '[',
      ']',
      '"a"',
      '1',
      '80',
      '..',
      '+',
      '-',
      '**',
    ],
    ...[
      '==',
      '<',
      '?',
      ':',
      'any',
      'all',
      '#',
      '{',
      '}',
      ',',
      'len',
      'has_tag',
      'true',
      '/',
      '%',
      'contains',
    ],
  );
  const texts = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.array(word, { maxLength: 40 }).map((words) => words.join(' ')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const value = reading(text);
      assert.ok(typeof value === 'boolean' || typeof value === 'string');
    }),
    { numRuns: 3000 },
  );
});

/** Expressions with the value an independent reading of them has. */
interface Sample<T> {
  readonly text: string;
  readonly value: T | 'error';
}

function lift<A, B, T>(a: Sample<A>, b: Sample<B>, make: (a: A, b: B) => T, text: string): Sample<T> {
  const failed = a.value === 'error' || b.value === 'error';
  return { text, value: failed ? 'error' : make(a.value as A, b.value as B) };
}

const exact = (n: number): number | 'error' =>
  Number.isFinite(n) && Math.abs(n) <= Number.MAX_SAFE_INTEGER ? n : 'error';

const { bools } = fc.letrec<{ numbers: Sample<number>; bools: Sample<boolean> }>((tie) => ({
  numbers: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.nat(9).map((n) => ({ text: String(n), value: n })),
    fc.constantFrom<Sample<number>>({ text: 'port', value: 80 }, { text: 'len(peer_tags)', value: 2 }),
    fc
      .tuple(tie('numbers'), tie('numbers'), fc.constantFrom('+', '-', '*', '%'))
      .map(([a, b, operator]) =>
        lift(
          a,
          b,
          (x, y) =>
            exact(
              operator === '+' ? x + y : operator === '-' ? x - y : operator === '*' ? x * y : x % y,
            ) as number,
          `(${a.text} ${operator} ${b.text})`,
        ),
      ),
  ),
  bools: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.boolean().map((value) => ({ text: String(value), value })),
    fc
      .tuple(tie('numbers'), tie('numbers'), fc.constantFrom('<', '<=', '==', '!='))
      .map(([a, b, operator]) =>
        lift(
          a,
          b,
          (x, y) =>
            operator === '<' ? x < y : operator === '<=' ? x <= y : operator === '==' ? x === y : x !== y,
          `(${a.text} ${operator} ${b.text})`,
        ),
      ),
    fc.tuple(tie('numbers'), fc.nat(90), fc.nat(90)).map(([a, from, to]) => ({
      text: `(${a.text} in ${from}..${to})`,
      value: a.value === 'error' ? ('error' as const) : a.value >= from && a.value <= to,
    })),
    tie('bools').map((a) => ({
      text: `not (${a.text})`,
      value: a.value === 'error' ? ('error' as const) : !a.value,
    })),
    fc.tuple(tie('bools'), tie('bools')).map(([a, b]) => ({
      text: `(${a.text} and ${b.text})`,
      value: a.value === true ? b.value : a.value,
    })),
    fc.tuple(tie('bools'), tie('bools')).map(([a, b]) => ({
      text: `(${a.text} or ${b.text})`,
      value: a.value === false ? b.value : a.value,
    })),
    fc.tuple(tie('bools'), tie('bools'), tie('bools')).map(([c, a, b]) => ({
      text: `(${c.text} ? ${a.text} : ${b.text})`,
      value: c.value === 'error' ? ('error' as const) : c.value ? a.value : b.value,
    })),
  ),
}));

test('agrees with an independent reading of random expressions', () => {
  fc.assert(
    fc.property(bools, ({ text, value }) => {
      const compiled = compileExpression(text, GATES.datagram);
      if ('error' in compiled) {
        assert.match(compiled.error, /characters|parts|deep/, text);
        return;
      }
      const found = reading(text);
      if (value === 'error') assert.match(String(found), /^error/, text);
      else assert.equal(found, value, text);
    }),
    { numRuns: 2000 },
  );
});

test('binds operators as strongly as the language does', () => {
  const pairs: [string, string][] = [
    ['true or false and false', 'true or (false and false)'],
    ['not true or true', '(not true) or true'],
    ['1 + 2 * 3 == 7', '(1 + (2 * 3)) == 7'],
    ['10 - 2 - 3 == 5', '((10 - 2) - 3) == 5'],
    ['port in 70 + 5..90', 'port in ((70 + 5)..90)'],
    ['1 + 1 in 2..3', '(1 + 1) in (2..3)'],
    ['2 * 3 ** 2 == 18', '(2 * (3 ** 2)) == 18'],
    ['direction + "x" contains "in"', '(direction + "x") contains "in"'],
  ];
  for (const [loose, closed] of pairs) {
    assert.equal(reading(loose), true, loose);
    assert.equal(reading(closed), true, closed);
  }
});
