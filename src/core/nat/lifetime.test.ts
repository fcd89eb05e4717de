import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lifetime } from './lifetime.ts';

const STANDARD = 20_000;
const HOUR = 3_600_000;

interface Nat {
  /** Milliseconds of silence that a mapping survives. */
  lifetime: number;
  /** Late answers lost, by their number. */
  lost?: ReadonlySet<number>;
  knowsLate?: boolean;
  sockets?: number;
}

/** A lifetime behind a NAT, run by its timers. */
function behind(nat: Nat): {
  lifetime: Lifetime;
  run(until: number): void;
  open: Set<number>;
  questions: number[];
  told: number[];
} {
  const open = new Set<number>();
  const questions: number[] = [];
  const told: number[] = [];
  let due: { at: number; via: number }[] = [];
  let last = 0;
  let now = 0;
  const lifetime = new Lifetime(
    {
      open() {
        if (open.size >= (nat.sockets ?? 10)) return undefined;
        open.add(++last);
        return last;
      },
      close: (via) => void open.delete(via),
      ask: () => true,
      askLate(via, seconds, at) {
        if (nat.knowsLate === false) return false;
        questions.push(seconds);
        const arrives = seconds * 1_000 <= nat.lifetime && !nat.lost?.has(questions.length);
        if (arrives) due.push({ at: at + seconds * 1_000 + 50, via });
        return true;
      },
      changed: (keepAlive) => void told.push(keepAlive),
    },
    STANDARD,
  );
  const run = (until: number): void => {
    for (; now < until; now += 500) {
      if (now % 10_000 === 0) lifetime.needed(now);
      for (const { via } of due.filter(({ at }) => at <= now)) lifetime.answered(via, now);
      due = due.filter(({ at }) => at > now);
      if (lifetime.nextTimeout() <= now) lifetime.handleTimeout(now);
    }
  };
  return { lifetime, run, open, questions, told };
}

test('what is found is never longer than the truth, and no shorter than the step below it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 5_000, max: 900_000 }), (truth) => {
      const { lifetime, run, open } = behind({ lifetime: truth });
      assert.equal(lifetime.keepAlive, STANDARD);
      run(HOUR);
      assert.ok(lifetime.isMeasured);
      assert.equal(open.size, 0);
      const steps = [0, 30_000, 60_000, 120_000, 180_000, 300_000];
      const expected = steps.filter((step) => step <= truth).at(-1);
      assert.equal(lifetime.survived, expected);
      if (truth >= 15_000) assert.ok(lifetime.keepAlive <= truth);
    }),
  );
});

test('one lost answer is no short lifetime', () => {
  const { lifetime, run } = behind({ lifetime: 130_000, lost: new Set([1, 3]) });
  run(HOUR);
  assert.equal(lifetime.survived, 120_000);
});

test('another network is measured anew, once it has lasted', () => {
  const nat: Nat = { lifetime: 400_000 };
  const { lifetime, run, open, told } = behind(nat);
  run(HOUR);
  assert.equal(lifetime.survived, 300_000);
  assert.deepEqual(told, [48_000, 96_000, 144_000, 240_000]);
  nat.lifetime = 35_000;
  lifetime.networkChanged(HOUR);
  assert.equal(lifetime.keepAlive, STANDARD);
  assert.equal(told.at(-1), STANDARD);
  assert.equal(open.size, 0);
  run(2 * HOUR);
  assert.equal(lifetime.survived, 30_000);
});

test('without sockets, or a beacon that answers late, the standard stays and little is tried', () => {
  for (const nat of [
    { lifetime: 400_000, knowsLate: false },
    { lifetime: 400_000, sockets: 0 },
  ]) {
    const { lifetime, run, questions, open } = behind(nat);
    run(HOUR);
    assert.equal(lifetime.keepAlive, STANDARD);
    assert.equal(open.size, 0);
    assert.deepEqual(questions, []);
  }
});

test('a whole measurement asks few questions', () => {
  const { run, questions } = behind({ lifetime: 900_000 });
  run(5 * HOUR);
  assert.deepEqual(questions, [60, 120, 180, 300]);
});
