import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventQueue } from './event-queue.ts';
import { chance, pick, seededRandom } from './seeded-random.ts';

test('equal names give equal streams, other names other streams', () => {
  const draw = (name: string): string => seededRandom(name).bytes(32).join();
  assert.equal(draw('a'), draw('a'));
  assert.equal(new Set(Array.from({ length: 2000 }, (_, i) => draw(`seed ${i}`))).size, 2000);
});

test('a fork does not depend on what its parent has drawn', () => {
  const [fresh, used] = [seededRandom('x'), seededRandom('x')];
  for (let i = 0; i < 100; i++) used.u32();
  assert.deepEqual(fresh.fork('y').bytes(20), used.fork('y').bytes(20));
  assert.notDeepEqual(fresh.fork('y').bytes(20), fresh.fork('z').bytes(20));
});

test('draws are spread evenly', () => {
  const random = seededRandom('even');
  const buckets = new Array<number>(16).fill(0);
  let heads = 0;
  for (let i = 0; i < 16_000; i++) {
    buckets[random.below(16)]!++;
    if (chance(random, 0.1)) heads++;
  }
  for (const count of buckets) assert.ok(count > 850 && count < 1150, String(buckets));
  assert.ok(heads > 1400 && heads < 1800, String(heads));
  assert.throws(() => pick(random, []), RangeError);
});

test('events come out by time, and at equal times in the order they were scheduled', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.boolean())), (plan) => {
      const queue = new EventQueue();
      const kept: { time: number; order: number }[] = [];
      plan.forEach(([time, cancelled], order) => {
        const event = queue.push(time, () => {});
        if (cancelled) event.run = undefined;
        else kept.push({ time, order });
      });
      kept.sort((a, b) => a.time - b.time || a.order - b.order);
      const out: { time: number; order: number }[] = [];
      for (let event = queue.pop(); event !== undefined; event = queue.pop()) {
        out.push({ time: event.time, order: event.order });
      }
      assert.deepEqual(out, kept);
    }),
  );
});
