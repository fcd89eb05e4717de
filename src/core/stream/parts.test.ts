/** The small parts: containers, timers, limits, estimates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Deadlined, DeadlineHeap } from '../../base/deadline-heap.ts';
import { Cubic } from './cubic.ts';
import { Deque } from './deque.ts';
import { decodeStreamOptions, encodeStreamOptions } from './options.ts';
import { Pacer } from './pacer.ts';
import { RttEstimator } from './rtt-estimator.ts';
import { SendBuffer } from './send-buffer.ts';
import { SourceLimiter, TokenBucket } from './token-bucket.ts';

test('a deque behaves like an array used at both ends', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer(), { nil: undefined })), (steps) => {
      const deque = new Deque<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === undefined) assert.equal(deque.shift(), model.shift());
        else {
          deque.push(step);
          model.push(step);
        }
        assert.equal(deque.length, model.length);
        assert.equal(deque.front(), model[0]);
        assert.equal(deque.back(), model.at(-1));
        for (let i = -1; i <= model.length; i++) assert.equal(deque.at(i), i < 0 ? undefined : model[i]);
      }
    }),
  );
});

test('the heap yields what is due in order, also after items moved forward or were removed', () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 19 }), fc.integer({ min: 0, max: 1000 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const heap = new DeadlineHeap<Deadlined>();
      const items = Array.from({ length: 20 }, (): Deadlined => ({ heapIndex: -1, heapAt: 0 }));
      const model = new Map<Deadlined, number>();
      for (const [index, at, remove] of steps) {
        const item = items[index]!;
        if (remove) {
          heap.remove(item);
          model.delete(item);
        } else {
          heap.arm(item, at);
          model.set(item, Math.min(at, model.get(item) ?? at));
        }
        assert.equal(heap.next(), model.size === 0 ? undefined : Math.min(...model.values()));
      }
      let last = -1;
      for (let item = heap.takeDue(1000); item !== undefined; item = heap.takeDue(1000)) {
        assert.equal(item.heapAt, model.get(item));
        assert.ok(item.heapAt >= last);
        last = item.heapAt;
        model.delete(item);
      }
      assert.equal(model.size, 0);
    }),
  );
});

test('the send buffer gives back what was appended, in any pieces, and its views stay as they were', () => {
  const step = fc.oneof(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 2000 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const buffer = new SendBuffer();
      const written: number[] = [];
      const views: { readonly view: Uint8Array; readonly copy: Uint8Array }[] = [];
      let taken = 0;
      for (const step of steps) {
        if (typeof step === 'number') {
          const view = buffer.peek(step);
          assert.equal(view.length, Math.min(step, written.length - taken));
          views.push({ view, copy: Uint8Array.from(written.slice(taken, taken + view.length)) });
          buffer.drop(view.length);
          taken += view.length;
        } else {
          buffer.append(step);
          written.push(...step);
        }
        assert.equal(buffer.length, written.length - taken);
      }
      for (const { view, copy } of views) assert.deepEqual(view, copy);
    }),
  );
});

test('a token bucket gives its burst, then its rate', () => {
  const bucket = new TokenBucket(10, 3);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => bucket.take(0)),
    [true, true, true, false],
  );
  assert.equal(bucket.take(99), false);
  assert.equal(bucket.take(100), true);
  assert.equal(bucket.full(10_000), true);
});

test('the limiter forgets idle sources rather than refuse new ones', () => {
  const limiter = new SourceLimiter({ rate: 1e9, burst: 1e9, sourceRate: 10, sourceBurst: 10 });
  for (let node = 0; node < 4096; node++) assert.equal(limiter.take(node, 0), true);
  assert.equal(limiter.take(5000, 1), false, 'all are fresh');
  assert.equal(limiter.take(5000, 1000), true);
});

test('the retransmission timeout follows RFC 6298 within 0.2 to 5 s and doubles per expiry', () => {
  const rtt = new RttEstimator();
  assert.equal(rtt.timeout(0), 1000);
  rtt.sample(100, 0);
  assert.equal(rtt.timeout(0), 100 + 4 * 50);
  rtt.sample(100, 1);
  assert.equal(rtt.timeout(0), 100 + 4 * 37.5);
  for (let i = 0; i < 100; i++) rtt.sample(100, i);
  assert.equal(rtt.timeout(0), 200);
  assert.equal(rtt.timeout(1), 400);
  assert.equal(rtt.timeout(20), 5000);
});

test('the smallest round trip is forgotten when it no longer occurs', () => {
  const rtt = new RttEstimator();
  rtt.sample(10, 0);
  for (let now = 100; now < 29_000; now += 100) rtt.sample(50, now);
  assert.equal(rtt.floor, 10);
  for (let now = 29_000; now < 70_000; now += 100) rtt.sample(50, now);
  assert.equal(rtt.floor, 50);
});

test('options survive the wire, and nothing else is taken for them', () => {
  for (const largestSegment of [0, 1152, 65_535]) {
    assert.deepEqual(decodeStreamOptions(encodeStreamOptions({ largestSegment })), { largestSegment });
  }
  const bytes = encodeStreamOptions({ largestSegment: 7 });
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(decodeStreamOptions(bytes.subarray(0, length)), undefined);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
      if (noise[0] !== 0x50 || noise[1] !== 0x58 || noise[2] !== 1)
        assert.equal(decodeStreamOptions(noise), undefined);
    }),
  );
});

const SEGMENT = 1000;

/** Delivers one window of segments under a fixed round trip; returns the window after. */
function round(congestion: Cubic, rtt: number, now: number, floor = 50): number {
  const window = congestion.window;
  for (let bytes = 0; bytes < window; bytes += SEGMENT) {
    congestion.sample(rtt, floor);
    congestion.delivered(SEGMENT, true, rtt, now);
  }
  congestion.roundEnded(true, floor);
  return congestion.window;
}

test('the window starts at ten segments and doubles per round trip', () => {
  const congestion = new Cubic(SEGMENT);
  assert.equal(congestion.window, 10 * SEGMENT);
  assert.equal(round(congestion, 50, 0), 20 * SEGMENT);
  assert.equal(round(congestion, 50, 50), 40 * SEGMENT);
});

test('slow start turns careful when the round trip grows, and ends five rounds later when it stays so', () => {
  const congestion = new Cubic(SEGMENT);
  let now = 0;
  for (; congestion.window < 40 * SEGMENT; now += 50) round(congestion, 50, now);
  const before = congestion.window;
  // A round that shows the queue at its start grows by little more than a quarter.
  assert.ok(round(congestion, 80, now) < 1.5 * before);
  for (let i = 0; i < 4; i++) {
    assert.equal(congestion.inSlowStart, true);
    round(congestion, 80, (now += 80));
  }
  assert.equal(congestion.inSlowStart, false);
  assert.ok(congestion.window < 4 * before);
});

test('a round trip that was slow once does not end slow start', () => {
  const congestion = new Cubic(SEGMENT);
  let now = 0;
  for (; congestion.window < 40 * SEGMENT; now += 50) round(congestion, 50, now);
  round(congestion, 80, now);
  for (let i = 0; i < 2; i++) {
    const before = congestion.window;
    const grown = round(congestion, 50, (now += 80));
    if (i > 0) assert.equal(grown, 2 * before);
  }
  assert.equal(congestion.inSlowStart, true);
});

test('a loss with a queue shrinks the window to seven tenths, once per flight', () => {
  const congestion = new Cubic(SEGMENT);
  for (let i = 0; i < 5; i++) round(congestion, i < 4 ? 50 : 80, 50 * i);
  const before = congestion.window;
  assert.equal(
    congestion.lost({ now: 0, bytes: SEGMENT, outstanding: before, firstOfFlight: true, floor: 50 }),
    true,
  );
  assert.equal(congestion.window, 0.7 * before);
  assert.equal(
    congestion.lost({ now: 0, bytes: SEGMENT, outstanding: before, firstOfFlight: false, floor: 50 }),
    false,
  );
  assert.equal(congestion.window, 0.7 * before);
});

test('a little loss without a queue is noise, and much of it is not', () => {
  const congestion = new Cubic(SEGMENT);
  for (let i = 0; i < 5; i++) round(congestion, 50, 50 * i);
  const before = congestion.window;
  congestion.lost({ now: 0, bytes: 3 * SEGMENT, outstanding: before, firstOfFlight: true, floor: 50 });
  assert.equal(congestion.window, before);
  congestion.lost({ now: 0, bytes: 30 * SEGMENT, outstanding: before, firstOfFlight: true, floor: 50 });
  assert.ok(congestion.window < before);
});

test('after a reduction the window returns to its former size and then goes beyond it', () => {
  const congestion = new Cubic(SEGMENT);
  for (let i = 0; i < 5; i++) round(congestion, i < 4 ? 50 : 80, 50 * i);
  const before = congestion.window;
  congestion.lost({ now: 0, bytes: SEGMENT, outstanding: before, firstOfFlight: true, floor: 50 });
  let now = 300;
  let rounds = 0;
  for (; congestion.window < 1.05 * before && rounds < 1000; rounds++) {
    round(congestion, 65, now);
    now += 65;
  }
  assert.ok(rounds > 20 && rounds < 400, `${rounds} round trips`);
});

test('a reduction for segments that had arrived is taken back', () => {
  const congestion = new Cubic(SEGMENT);
  for (let i = 0; i < 5; i++) round(congestion, 50, 50 * i);
  const before = congestion.window;
  congestion.timedOut(true);
  assert.equal(congestion.window, 2 * SEGMENT);
  congestion.undo();
  assert.equal(congestion.window, before);
});

test('the window shrinks while nothing is sent, but not below the initial one', () => {
  const congestion = new Cubic(SEGMENT);
  for (let i = 0; i < 5; i++) round(congestion, 50, 50 * i);
  const before = congestion.window;
  congestion.idle(500, 1000);
  assert.equal(congestion.window, before);
  congestion.idle(2500, 1000);
  assert.equal(congestion.window, before / 4);
  congestion.idle(1e9, 1000);
  assert.equal(congestion.window, 10 * SEGMENT);
});

test('the pacer spreads a window over its round trip, and lets short ones through', () => {
  const pacer = new Pacer(true, SEGMENT);
  pacer.setRate(1.25 * SEGMENT, 100);
  let now = 1000;
  let sent = 0;
  const start = now;
  while (sent < 200) {
    if (pacer.ready(now)) {
      pacer.sent(SEGMENT);
      sent++;
    } else {
      assert.ok(pacer.readyAt() > now);
      now = pacer.readyAt();
    }
  }
  const rate = ((sent - 10) * SEGMENT) / (now - start);
  assert.ok(rate > 1200 && rate < 1350, `${rate} bytes per ms`);
  pacer.setRate(125 * SEGMENT, 1);
  for (let i = 0; i < 1000; i++) pacer.sent(SEGMENT);
  assert.equal(pacer.ready(now), true);
});
