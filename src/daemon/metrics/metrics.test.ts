import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TIME_BUCKETS } from '../../api/metrics.ts';
import { EventCounts } from './event-counts.ts';
import { TimeHistogram } from './histogram.ts';

describe('counted events', () => {
  it('are those of the catalogue, at any level, and reach the log as they were', () => {
    const logged: unknown[] = [];
    const seen: string[] = [];
    const counts = new EventCounts({ event: (...event) => logged.push(event) }, (name) => seen.push(name));
    counts.event('debug', 'beacon.lost', { beacon: 'x' });
    counts.event('info', 'tunnel.rekeyed');
    counts.event('info', 'tunnel.rekeyed');
    counts.event('info', 'not.in_the_catalogue', { a: 1 });
    assert.equal(logged.length, 4);
    assert.deepEqual(logged[0], ['debug', 'beacon.lost', { beacon: 'x' }]);
    assert.deepEqual(seen, ['beacon.lost', 'tunnel.rekeyed', 'tunnel.rekeyed']);
    const all = new Map(counts.all());
    assert.equal(all.get('tunnel.rekeyed'), 2);
    assert.equal(all.get('tunnel.unreachable'), 0);
    assert.equal(all.has('not.in_the_catalogue'), false);
  });
});

describe('a histogram of times', () => {
  it('counts every time once in each bucket that holds it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 50 }), (times) => {
        const histogram = new TimeHistogram();
        for (const time of times) histogram.observe(time);
        const samples = histogram.samples();
        for (const bound of TIME_BUCKETS) {
          const bucket = samples.find(({ labels }) => labels.le === String(bound));
          assert.equal(bucket?.value, times.filter((time) => time / 1000 <= bound).length);
        }
        assert.equal(samples.find(({ labels }) => labels.le === '+Inf')?.value, times.length);
        assert.equal(samples.at(-1)?.value, times.length);
        const sum = times.reduce((all, time) => all + time, 0) / 1000;
        assert.ok(Math.abs(samples.at(-2)!.value - sum) < 1e-3);
      }),
    );
  });
});
