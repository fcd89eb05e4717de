/** Puts measured groups into docs/performance.md, between `<!-- bench:ID -->` and `<!-- /bench:ID -->`. */
import { median } from './measure.ts';
import { type Goal, type Group, type Metric, ratioOf, valuesOf } from './record.ts';

/** A group as Markdown: what it is, its table, its goals. */
export function section(group: Group): string {
  return [
    `\`${group.command}\`: ${group.about} Taken on ${group.machine}.`,
    '',
    ...markdownTable(rowsOf(group)),
    ...(group.goals.length === 0 ? [] : ['', ...markdownTable(goalRows(group.goals))]),
    ...group.notes.flatMap((note) => ['', note]),
  ].join('\n');
}

/** The page with the blocks of these groups replaced. Throws when the page has no place for one. */
export function withGroups(page: string, groups: readonly Group[]): string {
  let text = page;
  for (const group of groups) {
    const open = `<!-- bench:${group.id} -->`;
    const close = `<!-- /bench:${group.id} -->`;
    const from = text.indexOf(open);
    const to = text.indexOf(close);
    if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${open}`);
    text = `${text.slice(0, from + open.length)}\n${section(group)}\n${text.slice(to)}`;
  }
  return text;
}

/** Heading and rows: each metric with its spread, and the ratio to its yardstick where it has one. */
export function rowsOf(group: Group): string[][] {
  const used = group.metrics.filter(({ id }) => group.measured.some(({ metric }) => metric === id));
  const names = new Map(group.subjects.map(({ id, name }) => [id, name]));
  const heading = used.flatMap((metric) => [
    metric.title,
    ...(metric.yardstick === undefined
      ? []
      : [`× ${short(names.get(metric.yardstick) ?? metric.yardstick)}`]),
  ]);
  const rows = group.subjects
    .filter(({ id }) => group.measured.some(({ subject }) => subject === id))
    .map(({ id, name }) => [
      name,
      ...used.flatMap((metric) => {
        const cells = [spread(valuesOf(group, id, metric.id), metric)];
        if (metric.yardstick !== undefined) cells.push(figure(ratioOf(group, id, metric)));
        return cells;
      }),
    ]);
  return [['', ...heading], ...rows];
}

export function goalRows(goals: readonly Goal[]): string[][] {
  return [
    ['goal', 'measured', 'wanted', ''],
    ...goals.map(({ text, value, bound, better }) => [
      text,
      figure(value),
      `${better === 'higher' ? '≥' : '≤'} ${bound}`,
      value === undefined ? 'not measured' : met(value, bound, better) ? 'met' : '**missed**',
    ]),
  ];
}

function met(value: number, bound: number, better: 'higher' | 'lower'): boolean {
  return better === 'higher' ? value >= bound : value <= bound;
}

function spread(values: readonly number[], { digits }: Metric): string {
  if (values.length === 0) return '';
  const [low, middle, high] = [Math.min(...values), median(values), Math.max(...values)].map((value) =>
    value.toFixed(digits),
  );
  return values.length === 1 ? middle! : `${middle} (${low}–${high})`;
}

function figure(value: number | undefined): string {
  return value === undefined ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

function short(name: string): string {
  return name.split(' (')[0]!;
}

function markdownTable(rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(rows[0]!), `|${rows[0]!.map(() => '---').join('|')}|`, ...rows.slice(1).map(line)];
}
