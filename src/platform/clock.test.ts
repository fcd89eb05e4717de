import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeClock } from './clock.ts';

test('a timer never fires before its instant', async () => {
  const clock = nodeClock();
  for (const delay of [0, 0.3, 1.7, 5.01]) {
    const due = clock.now() + delay;
    await new Promise<void>((resolve) => clock.at(due, resolve));
    assert.ok(clock.now() >= due);
  }
});

test('a cancelled timer does not fire and a far one does not fire at once', async () => {
  const clock = nodeClock();
  const fired: string[] = [];
  clock.at(clock.now() + 1, () => fired.push('cancelled')).cancel();
  const far = clock.at(clock.now() + 2 ** 40, () => fired.push('far'));
  await clock.sleep(5);
  far.cancel();
  assert.deepEqual(fired, []);
});

test('sleep rejects with the reason of its signal, before and during', async () => {
  const clock = nodeClock();
  const controller = new AbortController();
  const sleeping = clock.sleep(60_000, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(sleeping, /enough/);
  await assert.rejects(clock.sleep(1, controller.signal), /enough/);
});
