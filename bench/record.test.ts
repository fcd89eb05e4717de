import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rowsOf, section, withGroups } from './page.ts';
import { type BenchRecord, type Group, lost, merge, ratioOf, Sheet } from './record.ts';

function group(id: string, figures: Readonly<Record<string, readonly number[]>>): Group {
  const sheet = new Sheet();
  for (const [subject, values] of Object.entries(figures)) sheet.add(subject, 'bulk', ...values);
  return {
    ...{ id, title: id, command: 'npm run bench', about: 'about', machine: 'a machine' },
    metrics: [{ id: 'bulk', title: 'MB/s', better: 'higher', digits: 1, yardstick: 'tls' }],
    subjects: Object.keys(figures).map((subject) => ({ id: subject, name: subject.toUpperCase() })),
    measured: sheet.measured(),
    goals: [{ text: 'half of TLS', value: sheet.ratio('bulk', 'app', 'tls'), bound: 0.5, better: 'higher' }],
    notes: [],
  };
}

function record(...groups: Group[]): BenchRecord {
  return { version: 1, groups };
}

describe('a record of the benchmark', () => {
  it('compares ratios of medians, not figures', () => {
    const before = record(group('bulk', { tls: [400, 500, 450], app: [225, 100, 400] }));
    assert.equal(ratioOf(before.groups[0]!, 'app', before.groups[0]!.metrics[0]!), 0.5);
    const halfTheMachine = record(group('bulk', { tls: [225], app: [112.5] }));
    assert.deepEqual(lost(before, halfTheMachine), []);
    const within = record(group('bulk', { tls: [100], app: [43] }));
    assert.deepEqual(lost(before, within), []);
    const beyond = record(group('bulk', { tls: [100], app: [42] }));
    assert.deepEqual(lost(before, beyond), [{ what: 'bulk: APP, MB/s', before: 0.5, now: 0.42 }]);
  });

  it('says nothing of what only one of both measured', () => {
    const before = record(group('bulk', { tls: [100], app: [50] }));
    assert.deepEqual(lost(before, record(group('bulk', { tls: [100], other: [1] }))), []);
    assert.deepEqual(lost(before, record(group('bulk', { app: [1] }))), []);
    assert.deepEqual(lost(before, record(group('else', { tls: [100], app: [1] }))), []);
  });

  it('keeps groups that were not measured again', () => {
    const kept = record(group('a', { tls: [1] }), group('b', { tls: [2] }));
    const merged = merge(kept, record(group('b', { tls: [3] })));
    assert.deepEqual(
      merged.groups.map(({ id, measured }) => [id, measured[0]!.values[0]]),
      [
        ['a', 1],
        ['b', 3],
      ],
    );
  });

  it('thins many figures out and keeps their least, median and most', () => {
    const sheet = new Sheet();
    sheet.add('app', 'rtt', ...Array.from({ length: 1001 }, (_, i) => i));
    const { values } = sheet.measured()[0]!;
    assert.equal(values.length, 61);
    assert.deepEqual([values[0], values[30], values[60]], [0, 500, 1000]);
  });
});

describe('the page of the benchmark', () => {
  it('shows medians with their spread, ratios, and which goals were missed', () => {
    const slow = group('bulk', { tls: [100], app: [40, 50, 45] });
    assert.deepEqual(rowsOf(slow), [
      ['', 'MB/s', '× TLS'],
      ['TLS', '100.0', '1.0'],
      ['APP', '45.0 (40.0–50.0)', '0.45'],
    ]);
    assert.match(section(slow), /\| half of TLS \| 0\.45 \| ≥ 0\.5 \| \*\*missed\*\* \|/);
    assert.match(section(group('bulk', { tls: [100] })), /half of TLS \| {2}\| ≥ 0\.5 \| not measured/);
  });

  it('changes nothing but the block of a group', () => {
    const page =
      'before\n<!-- bench:a -->\nold\n<!-- /bench:a -->\nbetween\n<!-- bench:b -->\nb\n<!-- /bench:b -->\n';
    const text = withGroups(page, [group('a', { tls: [1] })]);
    assert.ok(text.startsWith('before\n<!-- bench:a -->\n`npm run bench`: about Taken on a machine.\n'));
    assert.ok(text.endsWith('<!-- /bench:a -->\nbetween\n<!-- bench:b -->\nb\n<!-- /bench:b -->\n'));
    assert.ok(!text.includes('old'));
    assert.throws(() => withGroups(page, [group('c', { tls: [1] })]), /no place/);
  });
});
