import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from './registry.testkit.ts';
import { type Holder, Turns } from './turns.ts';

/** A client that always has another frame. */
function busy(turns: Turns, holder: Holder, cost: number, served: Map<Holder, number>): void {
  const client = {
    turn: () => {
      served.set(holder, (served.get(holder) ?? 0) + cost);
      turns.wait(holder, client);
      return cost;
    },
  };
  turns.wait(holder, client);
}

describe('turns', () => {
  it('let everybody go on while there is time, and nobody once a slice is spent', async () => {
    const clock = new ManualClock();
    const turns = new Turns(clock);
    assert.equal(turns.free, true);
    turns.spend(7);
    assert.equal(turns.free, true);
    turns.spend(2);
    assert.equal(turns.free, false);
    await clock.advance(31);
    assert.equal(turns.free, false);
    await clock.advance(1);
    assert.equal(turns.free, true);
    assert.equal(clock.timers, 0);
  });

  it('are shared by holder, however many clients and however dear the frames of one are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0.05, max: 3, noNaN: true }),
        (crowd, dear) => {
          const slices: (() => void)[] = [];
          const clock = new ManualClock();
          clock.at = (_when, run) => {
            slices.push(run);
            return { cancel() {} };
          };
          const turns = new Turns(clock);
          const served = new Map<Holder, number>();
          for (let client = 0; client < crowd; client++) busy(turns, 'flood', dear, served);
          for (const node of [1, 2, 3]) busy(turns, node, 0.1, served);
          for (let slice = 0; slice < 400; slice++) slices.shift()!();
          const [flood, quiet] = [served.get('flood')!, served.get(2)!];
          // Nobody is ahead by more than a quantum and one frame.
          assert.ok(Math.abs(flood - quiet) < 1 + dear + 1.1, `${flood} against ${quiet}`);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('work in slices, and tell the longest wait of each', async () => {
    const clock = new ManualClock();
    const waits: number[] = [];
    const turns = new Turns(clock, (wait) => waits.push(wait));
    let done = 0;
    const turn = (): number => {
      done++;
      return 1;
    };
    for (let client = 0; client < 100; client++) turns.wait('a', { turn });
    assert.equal(turns.waiting, 100);
    await clock.advance(0);
    assert.equal(done, 100);
    assert.equal(turns.waiting, 0);
    assert.equal(waits.length, Math.ceil(100 / 8));
  });
});
