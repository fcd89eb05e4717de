import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PilotError } from '../api/errors.ts';
import { ManualClock, settle } from '../services/data-exchange/exchange.testkit.ts';
import { PersistGate } from './persist-gate.ts';

/** A disk whose writes end when told. */
class SlowDisk {
  readonly clock = new ManualClock();
  readonly saved: number[] = [];
  failing = false;
  readonly gate: PersistGate<number>;
  #finish: (() => void)[] = [];

  constructor() {
    this.gate = new PersistGate({
      save: (value) =>
        new Promise((resolve, reject) => {
          this.#finish.push(() => {
            if (this.failing) reject(new PilotError('disk_full', 'no space left'));
            else {
              this.saved.push(value);
              resolve();
            }
          });
        }),
      clock: this.clock,
      log: { event: () => {} },
      name: 'test.json',
    });
  }

  async finish(): Promise<void> {
    this.#finish.shift()?.();
    await settle(3);
  }
}

describe('the persist gate', () => {
  test('holds effects until what they follow from is saved', async () => {
    const disk = new SlowDisk();
    const seen: string[] = [];
    disk.gate.after(() => seen.push('before'));
    disk.gate.put(1);
    disk.gate.after(() => seen.push('after'));
    assert.deepEqual(seen, ['before']);
    await disk.finish();
    assert.deepEqual(seen, ['before', 'after']);
    await disk.gate.settled();
  });

  test('writes only the newest of what piles up, one at a time', async () => {
    const disk = new SlowDisk();
    for (const value of [1, 2, 3, 4]) disk.gate.put(value);
    const settled = disk.gate.settled();
    await disk.finish();
    await disk.finish();
    await settled;
    assert.deepEqual(disk.saved, [1, 4]);
  });

  test('reports a failure, lets effects go, and saves once the disk works', async () => {
    const disk = new SlowDisk();
    const seen: string[] = [];
    disk.failing = true;
    disk.gate.put(1);
    disk.gate.after(() => seen.push('effect'));
    const settled = disk.gate.settled();
    settled.catch(() => {});
    await disk.finish();
    await assert.rejects(settled, { code: 'disk_full' });
    assert.deepEqual(seen, ['effect']);
    await assert.rejects(disk.gate.settled(), { code: 'disk_full' });
    disk.failing = false;
    await disk.clock.advance(1_000);
    await disk.finish();
    await disk.gate.settled();
    assert.deepEqual(disk.saved, [1]);
  });

  test('tries once more when it is closed', async () => {
    const disk = new SlowDisk();
    disk.failing = true;
    disk.gate.put(1);
    await disk.finish();
    disk.failing = false;
    const closing = disk.gate.close();
    await disk.finish();
    await closing;
    assert.deepEqual(disk.saved, [1]);
  });

  test('never shows an effect before its cause is on disk, and ends with the last value', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('put', 'effect', 'finish'), { maxLength: 40 }),
        async (steps) => {
          const disk = new SlowDisk();
          let last = 0;
          for (const step of steps) {
            if (step === 'put') disk.gate.put(++last);
            else if (step === 'finish') await disk.finish();
            else {
              const cause = last;
              disk.gate.after(() => assert.ok(cause === 0 || disk.saved.some((value) => value >= cause)));
            }
          }
          for (let i = 0; i < 3; i++) await disk.finish();
          await disk.gate.settled();
          assert.equal(disk.saved.at(-1) ?? 0, last);
        },
      ),
      { numRuns: 100 },
    );
  });
});
