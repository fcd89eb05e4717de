import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { BenchRecord } from '../../bench/record.ts';
import { PROJECT } from '../../lab/stage.ts';

const directory = mkdtempSync(join(tmpdir(), 'pilot-bench-'));
const record = join(directory, 'record.json');
after(() => rmSync(directory, { recursive: true, force: true }));

function bench(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const program = join(PROJECT, 'dist', 'bench', 'run.js');
  return spawnSync(process.execPath, [program, ...words], { encoding: 'utf8', timeout: 120_000 });
}

function read(): BenchRecord {
  return JSON.parse(readFileSync(record, 'utf8')) as BenchRecord;
}

describe('the benchmark', () => {
  it('prints a group, records it, and names the ratios that lost against a record', () => {
    const first = bench('packets', '--short', '--record', record);
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /AES-256-GCM seal/);
    const [group] = read().groups;
    assert.deepEqual([group!.id, group!.measured.length], ['packets', 6]);

    // As if CRC-32 had cost a thousandth, and all else a thousand times as much.
    const factor = (subject: string): number =>
      subject === 'crc32' ? 0.001 : subject === 'sha256' ? 1 : 1000;
    const measured = group!.measured.map((row) => ({
      ...row,
      values: row.values.map((value) => value * factor(row.subject)),
    }));
    writeFileSync(record, JSON.stringify({ version: 1, groups: [{ ...group, measured }] }));
    const second = bench('packets', '--short', '--against', record);
    assert.equal(second.status, 1);
    assert.match(second.stdout, /Lost more than 15 %:\n {2}packets: CRC-32, µs: .*\n$/);
  });

  it('refuses a group that it does not have', () => {
    const { status, stderr } = bench('no-such-group');
    assert.notEqual(status, 0);
    assert.match(stderr, /no such group: no-such-group/);
  });
});
