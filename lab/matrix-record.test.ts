import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CELLS, type Cell } from './cells.ts';
import { matrixPage } from './matrix-page.ts';
import { type CellRecord, type MatrixRecord, regressions, summarize } from './matrix-record.ts';
import type { Run } from './measure.ts';
import { PROJECT } from './stage.ts';

const CELL: Cell = { id: 'x', a: { nat: 'port-restricted' }, b: { nat: 'port-restricted' } };
const GOOD: Run = {
  connected: true,
  path: 'direct',
  misreported: false,
  firstByte: 200,
  toDirect: 300,
  why: 'direct',
};
const LOST: Run = { connected: false, path: 'none', misreported: false, failure: 'no answer' };

const runs = (...groups: [count: number, run: Run][]): Run[] =>
  groups.flatMap(([count, run]) => new Array<Run>(count).fill(run));
const record = (...groups: [count: number, run: Run][]): CellRecord => summarize(CELL, runs(...groups));

describe('the record of a cell', () => {
  it('counts what was connected, best and explained', () => {
    const relayed: Run = { ...GOOD, path: 'relay', why: 'direct' };
    const { connected, reached, whyTrue, paths } = record([8, GOOD], [1, relayed], [1, LOST]);
    assert.deepEqual({ connected, reached, whyTrue }, { connected: 9, reached: 8, whyTrue: 8 });
    assert.deepEqual(paths, { direct: 8, none: 1, relay: 1 });
  });

  it('takes percentiles from the runs themselves', () => {
    const spread = summarize(
      CELL,
      Array.from({ length: 20 }, (_, i) => ({ ...GOOD, firstByte: 10 * (i + 1) })),
    ).firstByte;
    assert.deepEqual(spread, [100, 190, 200]);
  });

  it('is worse after one lost run where none was lost', () => {
    assert.deepEqual(regressions(CELL, record([20, GOOD]), record([20, GOOD])), []);
    const found = regressions(CELL, record([20, GOOD]), record([4, GOOD], [1, LOST]));
    assert.equal(found.length, 3);
    assert.match(found[0]!, /connected in 4 of 5 runs, on record 20 of 20/);
  });

  it('is not worse when chance explains it', () => {
    const relayed: Run = { ...GOOD, path: 'relay', why: 'symmetric_vs_port_restricted' };
    const was = record([16, GOOD], [4, relayed]);
    assert.deepEqual(regressions(CELL, was, record([3, GOOD], [2, relayed])), []);
    assert.match(regressions(CELL, was, record([6, GOOD], [14, relayed]))[0]!, /on the best path in 6 of 20/);
  });

  it('is worse when a limit that was kept is broken, not when milliseconds move', () => {
    const slow = (firstByte: number, toDirect: number): CellRecord =>
      record([5, { ...GOOD, firstByte, toDirect }]);
    assert.deepEqual(regressions(CELL, slow(100, 300), slow(280, 1900)), []);
    assert.equal(regressions(CELL, slow(280, 1900), slow(300, 2100)).length, 2);
    assert.deepEqual(regressions(CELL, slow(300, 2100), slow(900, 9000)), []);
  });
});

describe('docs/nat-matrix', () => {
  const file = join(PROJECT, 'docs', 'nat-matrix.json');

  it('has every cell, and the page says what the record says', () => {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as MatrixRecord;
    assert.deepEqual(
      kept.cells.map(({ id }) => id),
      CELLS.map(({ id }) => id),
    );
    assert.equal(readFileSync(join(PROJECT, 'docs', 'nat-matrix.md'), 'utf8'), matrixPage(kept));
  });
});
