/** What the scenarios measured, kept row by row, judged, and written as tables. */

/** One row of a table, over all its runs. Times in ms. */
export interface Row {
  readonly group: Group;
  readonly name: string;
  /** Silence or recovery of each run; null: traffic did not come back. */
  readonly times: readonly (number | null)[];
  /** What each of them may be; undefined: told only. */
  readonly allowed: number | undefined;
  /** Paths, in use before and after, or what else was seen; of the last run. */
  readonly path: string;
  readonly note: string;
}

export type Group = 'switch' | 'stranded' | 'outage' | 'blocked';
export type Measured = Omit<Row, 'times'> & { readonly time: number | null };

/** Acceptance: the gap of a transfer at the 95th percentile over all switches. */
export const SWITCH_P95 = 3_000;

const COMMAND = 'npm run roaming';

/** Runs of the same row under one another. */
export function rowsOf(measured: readonly Measured[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { time, ...row } of measured) {
    const times = [...(rows.get(row.name)?.times ?? []), time];
    rows.set(row.name, { ...row, times });
  }
  return [...rows.values()];
}

/** The record with new rows in place of the old ones of that name; with `add` they hold the old runs, too. */
export function merged(before: readonly Row[], rows: readonly Row[], add: boolean): Row[] {
  const kept = before.filter((row) => !rows.some(({ name }) => name === row.name));
  const times = (row: Row): Row['times'] => [
    ...(add ? (before.find(({ name }) => name === row.name)?.times ?? []) : []),
    ...row.times,
  ];
  return [...kept, ...rows.map((row) => ({ ...row, times: times(row) }))];
}

/** The value below which that share lies; a run that never came back is longer than all others. */
export function percentile(times: readonly (number | null)[], share: number): number | null {
  const sorted = times.map((time) => time ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  return value === undefined || value === Number.POSITIVE_INFINITY ? null : value;
}

/** What falls short of the acceptance, in words; nothing when all is well. */
export function failuresOf(rows: readonly Row[]): string[] {
  const failures: string[] = [];
  for (const { name, times, allowed, note } of rows) {
    if (times.includes(null)) failures.push(`${name}: traffic did not come back ${note}`.trim());
    else if (allowed !== undefined && Math.max(...times.map(Number)) > allowed) {
      failures.push(`${name}: ${seconds(percentile(times, 1))}, allowed ${seconds(allowed)}`);
    }
  }
  const gaps = rows.filter(({ group }) => group === 'switch').flatMap(({ times }) => times);
  const p95 = percentile(gaps, 0.95);
  if (gaps.length > 0 && (p95 === null || p95 > SWITCH_P95)) {
    failures.push(`gap of a switch at the 95th percentile: ${seconds(p95)}, allowed ${seconds(SWITCH_P95)}`);
  }
  return failures;
}

/** For people at a terminal. */
export function lineOf({ name, time, path, note }: Measured): string {
  return `${seconds(time).padStart(8)}  ${name}${path === '' ? '' : `  [${path}]`}${note === '' ? '' : `  (${note})`}`;
}

export function seconds(time: number | null): string {
  return time === null ? 'never' : `${(time / 1000).toFixed(2)} s`;
}

/** The page with all tables. */
export function page(rows: readonly Row[]): string {
  const of = (group: Group): readonly Row[] => rows.filter((row) => row.group === group);
  const gaps = of('switch').flatMap(({ times }) => times);
  return `# Roaming and outages, measured

Written by \`${COMMAND}\`, which needs Linux, root, a C compiler, iproute2, nftables and conntrack. Real daemons in network namespaces, real kernel NAT; a registry and two beacons in processes of their own. Every router is 15 ms from the servers, so the hosts are 60 ms apart, there and back. Topology: \`lab/uplinks.ts\`.

## Uplink switches during a file transfer

A sends B a file; its network carries 24 Mbit/s. When a quarter has arrived, the link in use goes down with its addresses and another one, behind another router, comes up. *Gap* is the longest time during which the file at B did not grow, from that moment to the end. A run counts only if the one command that sends the file succeeds and the SHA-256 at B is right. The side that stays has IPv4 and IPv6. NATs are port-restricted; IPv6 is behind a stateful firewall.

${table(of('switch'), 'gap')}

All switches together: median ${seconds(percentile(gaps, 0.5))}, 95th percentile ${seconds(percentile(gaps, 0.95))} (allowed ${seconds(SWITCH_P95)}), worst ${seconds(percentile(gaps, 1))}; ${gaps.filter((gap) => gap !== null).length} of ${gaps.length} transfers complete with the right checksum.

Afterwards without a common family, so that only a beacon joins the two:

${table(of('stranded'), 'gap')}

## Routers, beacons and the registry

*Recovery* is the gap of a transfer, or the time until the first of a row of pings is answered.

${table(of('outage'), 'recovery')}

## UDP blocked, and nothing but a proxy

${table(of('blocked'), 'time')}
`;
}

function table(rows: readonly Row[], what: string): string {
  if (rows.length === 0) return 'Not measured.';
  return [
    `| scenario | runs | ${what}: median | worst | allowed | seen |`,
    '|---|---|---|---|---|---|',
    ...rows.map(({ name, times, allowed, path, note }) =>
      [
        `| ${name}`,
        times.length,
        seconds(percentile(times, 0.5)),
        seconds(percentile(times, 1)),
        allowed === undefined ? '' : seconds(allowed),
        `${[path, note].filter((text) => text !== '').join('; ')} |`,
      ].join(' | '),
    ),
  ].join('\n');
}
