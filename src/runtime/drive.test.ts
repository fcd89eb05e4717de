import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drive } from './drive.ts';
import type { Clock } from './ports.ts';

/** A clock moved by hand that counts the timers it is asked for. */
class Hand {
  time = 0;
  armed = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];
  readonly clock: Clock = {
    now: () => this.time,
    wallNow: () => this.time,
    at: (at, callback) => {
      this.armed++;
      const timer = { at, callback };
      this.#timers.push(timer);
      return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
    },
    sleep: () => Promise.reject(new Error('not here')),
  };

  get waiting(): number {
    return this.#timers.length;
  }

  advance(to: number): void {
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= to).sort((one, other) => one.at - other.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = to;
  }
}

function scene(): { hand: Hand; fired: number[]; setDeadline(at: number | undefined): void; stop(): void } {
  const hand = new Hand();
  const fired: number[] = [];
  let deadline: number | undefined;
  const driver = drive(
    {
      poll: () => undefined,
      nextTimeout: () => deadline,
      handleTimeout: (now) => {
        fired.push(now);
        deadline = undefined;
      },
    },
    hand.clock,
    () => {},
  );
  return {
    hand,
    fired,
    setDeadline: (at) => driver.run(() => void (deadline = at)),
    stop: () => driver.stop(),
  };
}

test('a deadline that moves to later is kept with one timer', () => {
  const { hand, fired, setDeadline } = scene();
  for (let at = 10; at < 110; at++) setDeadline(at);
  assert.equal(hand.armed, 1);
  hand.advance(200);
  assert.deepEqual(fired, [109]);
  assert.equal(hand.waiting, 0);
});

test('a deadline that moves to earlier is met, and one that is gone is not', () => {
  const { hand, fired, setDeadline } = scene();
  setDeadline(100);
  setDeadline(40);
  hand.advance(50);
  assert.deepEqual(fired, [40]);
  setDeadline(70);
  setDeadline(undefined);
  hand.advance(90);
  assert.deepEqual(fired, [40]);
  setDeadline(95);
  hand.advance(300);
  assert.deepEqual(fired, [40, 95]);
  assert.equal(hand.waiting, 0);
});

test('a deadline in the past is met at once, and none after the stop', () => {
  const { hand, fired, setDeadline, stop } = scene();
  hand.advance(50);
  setDeadline(20);
  hand.advance(50);
  assert.deepEqual(fired, [50]);
  setDeadline(60);
  stop();
  hand.advance(500);
  assert.deepEqual(fired, [50]);
});
