import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DumbbellResult, dumbbell, type Flow } from './dumbbell.testkit.ts';

const RATE = 100e6;
const DELAY = 15;
const NORMAL: Flow = {};
const BACKGROUND: Flow = { priority: 'background' };

function run(flows: readonly Flow[], seconds: number, queueMs = 300): DumbbellResult {
  return dumbbell(flows, { delay: DELAY, rate: RATE, queue: (queueMs * RATE) / 8000 }, seconds * 1000);
}

/** Mbit/s of a flow from one second to the last. */
function rate({ flows }: DumbbellResult, flow: number, from: number): number {
  const { received } = flows[flow]!;
  return ((received.at(-1)! - received[from]!) * 8) / 1e6 / (received.length - 1 - from);
}

test('alone a background stream uses the path, with a queue of its target at most', () => {
  const result = run([BACKGROUND], 20);
  assert.ok(rate(result, 0, 5) > 70, `${rate(result, 0, 5)} Mbit/s`);
  assert.ok(result.queue95 < 75, `${result.queue95} ms`);
});

test('beside a normal stream a background one all but stops, and comes back afterwards', () => {
  const size = 60e6;
  const result = run([BACKGROUND, { ...NORMAL, size, from: 5000 }], 25);
  const { done } = result.flows[1]!;
  assert.ok(done !== undefined && done - 5000 < 8000, `60 MB took ${(done ?? 0) - 5000} ms`);
  const during = result.flows[0]!.received;
  const share = ((during[10]! - during[7]!) * 8) / 3e6;
  assert.ok(share < 15, `${share} Mbit/s beside the other`);
  assert.ok(rate(result, 0, 18) > 50, `${rate(result, 0, 18)} Mbit/s afterwards`);
});

test('a background stream that starts later does not take the path from one that was there', () => {
  const result = run([BACKGROUND, { ...BACKGROUND, from: 5000 }], 60);
  const [first, second] = [rate(result, 0, 30), rate(result, 1, 30)];
  assert.ok(first > 20 && second > 20, `${first} and ${second} Mbit/s`);
});
