import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Held, IdentityKeys } from './identity-keys.ts';

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const held = (host: string, claimed?: Uint8Array): Held => ({
  frame: new Uint8Array(1),
  relay: false,
  from: { host, port: 1 },
  ...(claimed && { claimed }),
});

function keys() {
  const asked: [number, number | undefined][] = [];
  const it = new IdentityKeys((node, claimed) => asked.push([node, claimed?.[0]]));
  return { it, asked };
}

test('names the key under which a node presents itself', () => {
  const { it, asked } = keys();
  assert.equal(it.want(7, held('a', key(1)), 'exchange', 0), true);
  assert.deepEqual(asked, [[7, 1]]);
  const { held: waited } = it.answer(7, key(1), 10, key(1));
  assert.deepEqual(
    waited.map(({ from }) => from.host),
    ['a'],
  );
});

test('a lie about a node does not keep the truth from being asked for', () => {
  const { it, asked } = keys();
  it.want(7, held('liar', key(66)), 'exchange', 0);
  // The node itself comes while the lie is being looked at.
  it.want(7, held('node', key(1)), 'exchange', 1);
  assert.deepEqual(asked, [[7, 66]]);
  assert.deepEqual(
    it.answer(7, undefined, 10, key(66)).held.map(({ from }) => from.host),
    ['liar'],
  );
  assert.deepEqual(asked, [
    [7, 66],
    [7, 1],
  ]);
  // The lie is not asked again at once, the truth could be.
  assert.equal(it.want(8, held('liar', key(66)), 'exchange', 11), true);
  assert.deepEqual(
    it.answer(7, key(1), 20, key(1)).held.map(({ from }) => from.host),
    ['node'],
  );
  assert.deepEqual(it.key(7), key(1));
});

test('a refused lie waits, another key may be named meanwhile', () => {
  const { it } = keys();
  it.want(7, held('liar', key(66)), 'exchange', 0);
  it.answer(7, undefined, 10, key(66));
  assert.equal(it.want(7, held('liar', key(66)), 'exchange', 20), false);
  assert.equal(it.want(7, held('node', key(1)), 'exchange', 20), true);
  it.answer(7, undefined, 30, key(1));
  assert.equal(it.want(7, held('liar', key(66)), 'exchange', 2011), true);
});

test('an answer to another question does not end this one', () => {
  const { it } = keys();
  it.want(7, held('node', key(1)), 'exchange', 0);
  assert.deepEqual(it.answer(7, undefined, 10), { held: [], changed: false });
  assert.equal(it.answer(7, key(1), 20, key(1)).held.length, 1);
});
