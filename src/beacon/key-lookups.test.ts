import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyAnswer } from '../core/relay/key-desk.ts';
import { KeyLookups } from './key-lookups.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('runs a bounded number of lookups at once and all of them in the end', async () => {
  const waiting: ((key: Uint8Array | undefined) => void)[] = [];
  const answered: number[] = [];
  const lookups = new KeyLookups(
    () => new Promise((resolve) => waiting.push(resolve)),
    (node) => answered.push(node),
  );
  for (let node = 1; node <= 100; node++) lookups.request(node);
  let most = 0;
  while (answered.length < 100) {
    most = Math.max(most, waiting.length);
    for (const answer of waiting.splice(0)) answer(undefined);
    await settle();
  }
  assert.equal(most, 32);
  assert.deepEqual(
    answered,
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
});

test('drops questions beyond its queue, and answers nothing once stopped', async () => {
  const waiting: ((key: Uint8Array | undefined) => void)[] = [];
  const answered: number[] = [];
  const lookups = new KeyLookups(
    () => new Promise((resolve) => waiting.push(resolve)),
    (node) => answered.push(node),
  );
  for (let node = 0; node < 10_000; node++) lookups.request(node);
  lookups.stop();
  for (const answer of waiting.splice(0)) answer(undefined);
  await settle();
  assert.deepEqual([answered, waiting.length], [[], 0]);
});

test('a lookup that throws is told as one that could not be made', async () => {
  const answers: [number, KeyAnswer][] = [];
  const lookups = new KeyLookups(
    () => Promise.reject(new Error('away')),
    (node, key) => answers.push([node, key]),
  );
  lookups.request(5);
  await settle();
  assert.deepEqual(answers, [[5, 'unavailable']]);
});
