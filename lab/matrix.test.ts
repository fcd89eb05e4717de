/** The short form of `npm run nat-matrix`: a few cells that between them need every part, against the record. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CELLS } from './cells.ts';
import { firstByteLimit, type MatrixRecord } from './matrix-record.ts';
import { measure, type Run } from './measure.ts';
import { possible } from './oracle.ts';
import { whyNoShaper } from './shaper.ts';
import { whyNoNamespaces } from './shell.ts';
import { Site } from './site.ts';
import { PROJECT } from './stage.ts';

const skip = whyNoNamespaces() ?? whyNoShaper() ?? false;
/** Machines that run other tests at the same time are late; the matrix itself is strict. */
const LATE_MS = 1500;
const SHORT = [
  'port-restricted × port-restricted',
  'full-cone × symmetric',
  'symmetric × symmetric',
  'ipv6 only × dual',
];

describe('the matrix, in short', { skip }, () => {
  const record = JSON.parse(readFileSync(join(PROJECT, 'docs', 'nat-matrix.json'), 'utf8')) as MatrixRecord;
  let site: Site;

  before(async () => {
    site = new Site(`q${process.pid % 10000}`);
    await site.open();
  });

  after(() => site.close());

  for (const id of SHORT) {
    const cell = CELLS.find((candidate) => candidate.id === id)!;
    const known = record.cells.find((candidate) => candidate.id === id)!;
    it(`${id}: as good as on record`, async (t) => {
      await site.enter(cell);
      let run: Run | undefined;
      try {
        run = await measure(site, cell);
      } finally {
        await site.stop();
      }
      t.diagnostic(JSON.stringify(run));
      const { path, causes } = possible(cell);
      if (known.connected === known.runs) assert.ok(run.connected, run.failure);
      if (known.reached === known.runs) assert.equal(run.path, path);
      if (known.whyTrue === known.runs) assert.ok(causes.includes(run.why ?? ''), `why says ${run.why}`);
      if (known.misreported === 0) assert.equal(run.misreported, false, 'the daemon knows its path');
      assert.ok(
        (run.firstByte ?? 0) < firstByteLimit(cell) + LATE_MS,
        `first byte after ${run.firstByte} ms`,
      );
    });
  }
});
