/**
 * Hosts that change networks, routers that forget, servers that die, UDP that is blocked: how long until traffic moves
 * again? Writes docs/roaming.md (and the figures behind it) and fails when a scenario falls short of its allowance.
 *
 * Usage: npm run roaming -- [--runs 3] [--groups switch,stranded,outage,blocked] [--only WORDS] [--registry-down 600]
 *   [--add] [--json] [--no-write] [--logs DIRECTORY]
 * With --groups or --only the rows that were not measured stay as they are in the record; with --add new runs join
 * those on record.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { blocked } from './scenarios/blocked.ts';
import { outages } from './scenarios/outages.ts';
import { failuresOf, lineOf, type Measured, merged, page, type Row, rowsOf } from './scenarios/record.ts';
import { RoamingWorld, type Servers } from './scenarios/roaming-world.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { switches } from './scenarios/switches.ts';
import { whyNoShaper } from './shaper.ts';
import { whyNoNamespaces } from './shell.ts';
import { PROJECT } from './stage.ts';

const RECORD = join(PROJECT, 'docs', 'roaming.json');
const PAGE = join(PROJECT, 'docs', 'roaming.md');
const BYTES = 6_000_000;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const PREFIX = `pr${process.pid % 10_000}`;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    groups: { type: 'string', default: 'switch,stranded,outage,blocked' },
    only: { type: 'string', default: '' },
    'registry-down': { type: 'string', default: '600' },
    add: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false },
    logs: { type: 'string', default: '' },
  },
});

const obstacle = whyNoNamespaces() ?? whyNoShaper();
if (obstacle !== undefined) {
  console.error(`Cannot run the scenarios: ${obstacle}`);
  process.exit(1);
}

const scenarios: Scenario[] = [
  ...switches(BYTES),
  ...outages(Number(values['registry-down']) * 1000),
  ...blocked(),
];
const groups = values.groups.split(',');
const chosen = scenarios.filter(
  ({ group, name }) =>
    groups.includes(group) &&
    (values.only === '' || values.only.split(',').some((word) => name.includes(word))),
);

const say = (text: string): void => {
  if (!values.json) console.log(text);
};
const measured: Measured[] = [];

async function runAll(servers: Servers): Promise<void> {
  const mine = chosen.filter((scenario) => (scenario.servers ?? 'apart') === servers);
  if (mine.length === 0) return;
  say(`building the network, starting servers and agents (${mine.length} scenarios)`);
  const world = new RoamingWorld(PREFIX, servers);
  const stop = (): void => {
    // What was measured so far counts.
    finish();
    void world.down().then(() => process.exit(1));
  };
  for (const signal of SIGNALS) process.once(signal, stop);
  try {
    await world.up({ a: { uplink: 1, kind: 'dual' }, b: { uplink: 1, kind: 'dual' } });
    for (let run = 0; run < Number(values.runs); run++) {
      for (const scenario of mine) {
        for (const result of await scenario.run(world)) {
          measured.push(result);
          say(lineOf(result));
        }
      }
    }
  } finally {
    if (values.logs !== '') world.saveLogs(values.logs);
    await world.down();
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}

function finish(): void {
  const rows = rowsOf(measured);
  const failures = failuresOf(rows);
  if (!values['no-write']) {
    const before = existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as Row[]) : [];
    const place = (row: Row): number =>
      scenarios.findIndex(({ group, name }) => group === row.group && row.name.startsWith(name));
    const all = merged(before, rows, values.add).sort((a, b) => place(a) - place(b));
    writeFileSync(
      RECORD,
      `${JSON.stringify(all, (_key, value) => (typeof value === 'number' ? Math.round(value) : value), 1)}\n`,
    );
    writeFileSync(PAGE, page(all));
  }
  if (values.json) console.log(JSON.stringify({ rows, failures }));
  for (const failure of failures) say(`FAILED ${failure}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

for (const servers of ['apart', 'together'] as const) await runAll(servers);
finish();
