import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Held, IdentityKeys } from './identity-keys.ts';

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const held = (host: string, claimed?: Uint8Array): Held => ({
  frame: new Uint8Array(1),
  relay: false,
  via: 0,
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

test('a node that signs with another key is asked for once a second, and the known key stays meanwhile', () => {
  const { it, asked } = keys();
  it.want(7, undefined, 'user', 0);
  it.answer(7, key(1), 10);
  assert.equal(it.doubt(7, held('a', key(2)), 'doubt', 100), true);
  assert.equal(it.doubt(7, held('b', key(3)), 'doubt', 101), true, 'waits for the same answer');
  assert.equal(asked.length, 2);
  assert.deepEqual(it.key(7), key(1));
  const { held: waited, changed } = it.answer(7, key(1), 110, key(2));
  assert.deepEqual([waited.length, changed], [2, false]);
  assert.equal(it.doubt(7, held('a', key(2)), 'user', 1_099), false);
  assert.equal(it.doubt(7, held('a', key(2)), 'doubt', 1_100), true);
  assert.equal(it.answer(7, key(2), 1_110, key(2)).changed, true);
  assert.deepEqual(it.key(7), key(2));
});

test('doubts about many nodes are few, and do not keep new nodes from being asked for', () => {
  const { it, asked } = keys();
  for (let node = 1; node <= 200; node++) it.answer(node, key(1), 0);
  for (let node = 1; node <= 200; node++) it.doubt(node, held('a', key(2)), 'doubt', 0);
  assert.equal(asked.length, 60);
  assert.equal(it.want(300, held('a', key(1)), 'exchange', 0), true);
});

test('a key that is not pinned any more is known until the directory says otherwise', () => {
  const { it } = keys();
  it.answer(7, key(1), 0);
  it.pin(7, key(2));
  it.unpin(7, 10);
  assert.deepEqual(it.key(7), key(2));
  assert.equal(it.answer(7, key(3), 20).changed, true);
});
