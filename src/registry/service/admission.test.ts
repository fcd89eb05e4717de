import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Admission, type Place } from './admission.ts';

/** Daemons that come at 0 and ask again when they are told to; when each was let in, ms. */
function stampede(
  admission: Admission,
  sources: readonly string[],
  felt: (now: number) => number = () => 0,
): number[] {
  const admitted: number[] = [];
  const due = new Map<number, { place: Place | undefined; index: number }[]>();
  due.set(
    0,
    sources.map((source, index) => ({ place: admission.take(source, 0), index })),
  );
  for (let now = 0; Object.keys(admitted).length < sources.length && now < 600_000; now += 10) {
    admission.felt(felt(now));
    for (const { place, index } of due.get(now) ?? []) {
      const wait = place === undefined ? 0 : admission.wait(place, now);
      assert.ok(wait <= 15_000);
      if (wait === 0) admitted[index] = now;
      else {
        const at = now + Math.ceil(wait / 10) * 10;
        due.set(at, [...(due.get(at) ?? []), { place, index }]);
      }
    }
    due.delete(now);
  }
  return admitted;
}

describe('admission', () => {
  it('asks nobody to wait while few come', () => {
    const admission = new Admission();
    for (let now = 1000; now < 60_000; now += 10)
      assert.equal(admission.wait(admission.take('a', now)!, now), 0);
  });

  it('lets those who come at once in one after another, at a rate that grows while all is well', () => {
    const admitted = stampede(
      new Admission(),
      Array.from({ length: 20_000 }, (_, i) => `host ${i % 500}`),
    );
    assert.equal(admitted.filter((at) => at >= 0).length, 20_000);
    for (let second = 0; second < 3; second++) {
      const here = admitted.filter((at) => at >= second * 1000 && at < second * 1000 + 1000).length;
      assert.ok(here > 100 && here < 400 * 1.1 ** (4 * second + 5), `${here} in second ${second}`);
    }
    assert.ok(Math.max(...admitted) < 20_000, `${Math.max(...admitted)}`);
    // Whoever came first is let in first, but for how long each was told to wait.
    const half = (from: number): number =>
      admitted.slice(from, from + 10_000).reduce((a, b) => a + b, 0) / 10_000;
    assert.ok(half(0) < half(10_000));
  });

  it('lets nobody in while clients wait far too long for their turn, and fewer after that', () => {
    const admission = new Admission();
    const admitted = stampede(
      admission,
      Array.from({ length: 2000 }, (_, i) => `${i}`),
      (now) => (now > 500 && now < 10_000 ? 2000 : 0),
    );
    assert.equal(admitted.filter((at) => at > 1000 && at < 10_000).length, 0);
    assert.equal(admitted.filter((at) => at >= 10_000).length > 1000, true);
    assert.equal(admitted.filter((at) => at >= 0).length, 2000);
  });

  it('lets no single source delay the others by more than its share', () => {
    const admission = new Admission();
    for (let i = 0; i < 500_000; i++) admission.take('flood', 0);
    const place = admission.take('fleet', 0)!;
    let now = 0;
    for (let wait = admission.wait(place, now); wait > 0; wait = admission.wait(place, now)) now += wait;
    assert.ok(now <= 20_000, `${now}`);
  });

  it('keeps lines of its own for a bounded number of sources', () => {
    const admission = new Admission();
    for (let source = 0; source < 3; source++) {
      for (let i = 0; i < 9000; i++) admission.take(`${source}`, 0);
    }
    const fleet = admission.take('0', 0)!;
    assert.ok(admission.wait(fleet, 0) > 0);
    let now = 0;
    for (let wait = admission.wait(fleet, now); wait > 0; wait = admission.wait(fleet, now)) now += wait;
    assert.ok(now < 10_000, `${now}`);
  });
});
