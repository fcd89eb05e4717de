import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failuresOf, type Measured, merged, page, percentile, rowsOf } from './record.ts';

const one = (time: number | null, change: Partial<Measured> = {}): Measured => ({
  group: 'switch',
  name: 'v4 → v6 on A',
  time,
  allowed: undefined,
  path: 'direct → direct',
  note: '',
  ...change,
});

describe('the record of scenarios', () => {
  it('puts runs of the same scenario into one row', () => {
    const rows = rowsOf([one(100), one(300), one(200, { name: 'other' })]);
    assert.deepEqual(
      rows.map(({ name, times }) => [name, times]),
      [
        ['v4 → v6 on A', [100, 300]],
        ['other', [200]],
      ],
    );
  });

  it('takes new rows for old ones, or adds to them, and keeps the rest', () => {
    const before = rowsOf([one(100), one(200, { name: 'other' })]);
    const rows = rowsOf([one(300)]);
    const times = (add: boolean) => merged(before, rows, add).map((row) => [row.name, row.times]);
    assert.deepEqual(times(false), [
      ['other', [200]],
      ['v4 → v6 on A', [300]],
    ]);
    assert.deepEqual(times(true), [
      ['other', [200]],
      ['v4 → v6 on A', [100, 300]],
    ]);
  });

  it('counts a run that never came back as longer than all others', () => {
    assert.equal(percentile([3, 1, 2], 0.5), 2);
    assert.equal(percentile([3, 1, null], 0.5), 3);
    assert.equal(percentile([3, 1, null], 1), null);
    assert.equal(percentile([], 0.5), null);
  });

  it('says what falls short of the acceptance', () => {
    assert.deepEqual(failuresOf(rowsOf([one(100), one(200)])), []);
    assert.equal(failuresOf(rowsOf([one(null)])).length, 2);
    assert.equal(failuresOf(rowsOf(Array.from({ length: 19 }, () => one(10)).concat(one(4000)))).length, 0);
    assert.equal(failuresOf(rowsOf(Array.from({ length: 18 }, () => one(10)).concat(one(4000)))).length, 1);
    assert.equal(failuresOf(rowsOf([one(6000, { group: 'outage', allowed: 5000 })])).length, 1);
  });

  it('shows each row with its figures', () => {
    const text = page(
      rowsOf([one(1234), one(null, { group: 'outage', name: 'NAT reboots', allowed: 5000 })]),
    );
    assert.match(text, /\| v4 → v6 on A \| 1 \| 1\.23 s \| 1\.23 s \|/);
    assert.match(text, /\| NAT reboots \| 1 \| never \| never \| 5\.00 s \|/);
    assert.match(text, /1 of 1 transfers complete/);
  });
});
