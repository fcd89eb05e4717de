/**
 * Goodput of one stream on a path of 100 Mbit/s with delay and loss, beside the kernel's TCP on the same path: our two
 * applications, their daemons and the encryption against a bare TCP connection. Then fairness, and how long the queue
 * is meanwhile. Linux and root.
 */
import type { Contender } from './contender.ts';
import { median } from './measure.ts';
import { number, type RunOptions } from './options.ts';
import { type Goal, type Group, type Metric, machine, Sheet } from './record.ts';
import { RATE_MBPS, ShapedPath, whyNoShapedPath } from './shaped-path.ts';

const ROUND_TRIPS = [1, 30, 100, 300];
const LOSSES = [0, 0.005, 0.02, 0.05];
const FAIR_ROUND_TRIP = 30;
/** Two round trips. In a queue of many, CUBIC takes minutes to come to terms even with itself. */
const FAIR_QUEUE = 60;
/** A share is taken over so many times the length of a flow: some sawteeth of CUBIC. */
const FAIR_LENGTHS = 6;

interface Runners {
  readonly path: ShapedPath;
  readonly pilot: Contender;
  /** CUBIC first; BBR where the kernel has it. */
  readonly kernel: readonly Contender[];
  readonly probe: Contender;
}

export async function link(options: RunOptions): Promise<Group[]> {
  const reason = whyNoShapedPath();
  if (reason !== undefined) {
    console.error(`Not measured: paths with delay and loss: ${reason}`);
    return [];
  }
  const path = new ShapedPath();
  try {
    const pilot = await path.pilot();
    const kernel = [await path.kernel('cubic'), await path.kernel('bbr')].filter(
      (each) => each !== undefined,
    );
    const runners = { path, pilot, kernel, probe: await path.prober() };
    const groups: Group[] = [];
    for (const roundTrip of options.short ? [30] : ROUND_TRIPS) {
      groups.push(await goodput(runners, roundTrip, options));
    }
    groups.push(await fairness(runners, options));
    return groups;
  } finally {
    await path.down();
  }
}

/** Kernel connections take the congestion control that is set when they begin. */
async function flow(
  runners: Runners,
  who: Contender,
  seconds: number,
  channels = 1,
): Promise<readonly number[]> {
  if (who !== runners.pilot) runners.path.use(who.id === 'bbr' ? 'bbr' : 'cubic');
  return who.flow(seconds, channels);
}

function length(options: RunOptions): number {
  return number('flow', options.short ? 3 : 10);
}

async function goodput(runners: Runners, roundTrip: number, options: RunOptions): Promise<Group> {
  const sheet = new Sheet();
  const seconds = length(options);
  const all = [...runners.kernel, runners.pilot];
  for (const loss of options.short ? [0, 0.02] : LOSSES) {
    runners.path.set(roundTrip, loss);
    for (let run = 0; run < options.runs; run++) {
      for (const who of all) {
        const [rate] = await flow(runners, who, seconds).catch(() => [0]);
        sheet.add(who.id, `loss-${loss}`, rate!);
        console.error(`${roundTrip} ms, ${loss * 100} %: ${who.name} ${rate!.toFixed(1)} Mbit/s`);
      }
    }
  }
  return {
    ...{
      id: `link-${roundTrip}`,
      title: `${RATE_MBPS} Mbit/s, ${roundTrip} ms`,
      command: 'npm run bench-link',
    },
    about: `Mbit/s that reached the application in the first ${seconds} s of a new stream, ${options.runs} runs; loss in each direction.`,
    machine: machine(),
    metrics: LOSSES.map((loss) => ({
      ...{ id: `loss-${loss}`, title: `${loss * 100} % loss`, digits: 1 },
      ...{ better: 'higher', yardstick: 'cubic' },
    })),
    subjects: all.map(({ id, name }) => ({ id, name })),
    measured: sheet.measured(),
    goals: goals(sheet, runners),
    notes: [],
  };
}

function goals(sheet: Sheet, { kernel }: Runners): Goal[] {
  const clean = kernel.map(({ id }) => sheet.ratio('loss-0', 'pilot', id) ?? Number.POSITIVE_INFINITY);
  const half = sheet.ratio('loss-0.02', 'pilot', 'cubic');
  return [
    { text: 'without loss: × the better TCP', value: Math.min(...clean), bound: 0.9, better: 'higher' },
    { text: '2 % loss: × CUBIC', value: half, bound: 2, better: 'higher' },
  ];
}

const FAIR_METRICS: readonly Metric[] = [
  { id: 'jain', title: 'Jain index of 8 streams', better: 'higher', digits: 3 },
  { id: 'sum', title: 'their sum, Mbit/s', better: 'higher', digits: 1 },
  { id: 'share', title: '% beside one CUBIC', better: 'higher', digits: 0 },
  { id: 'queue', title: 'delay of one stream, ms', better: 'lower', digits: 0 },
];

async function fairness(runners: Runners, options: RunOptions): Promise<Group> {
  const { path, pilot, kernel, probe } = runners;
  const seconds = 2 * length(options);
  const together = FAIR_LENGTHS * length(options);
  const sheet = new Sheet();
  path.set(FAIR_ROUND_TRIP, 0);
  const idle = median(await probe.probe(2));
  for (let run = 0; run < options.runs; run++) {
    for (const who of [...kernel, pilot]) {
      const rates = await flow(runners, who, seconds, 8);
      sheet.add(who.id, 'jain', jain(rates));
      sheet.add(
        who.id,
        'sum',
        rates.reduce((sum, rate) => sum + rate, 0),
      );
      const [, delays] = await Promise.all([flow(runners, who, seconds), probe.probe(seconds - 1)]);
      // The first second is how a stream finds its rate.
      sheet.add(who.id, 'queue', median(delays.slice(20)) - idle);
    }
  }
  path.set(FAIR_ROUND_TRIP, 0, FAIR_QUEUE);
  path.use('cubic');
  const second = await path.kernel('cubic');
  for (let run = 0; run < options.runs; run++) {
    for (const [id, who] of [
      ['pilot', pilot],
      ['cubic', second!],
    ] as const) {
      const rates = await Promise.all([who, kernel[0]!].map((each) => each.flow(together)));
      const [own, other] = rates.map(([rate]) => rate!);
      sheet.add(id, 'share', (own! / (own! + other!)) * 100);
    }
  }
  const share = sheet.median('pilot', 'share');
  return {
    ...{ id: 'link-fair', title: 'Fairness and delay', command: 'npm run bench-link' },
    about: `${RATE_MBPS} Mbit/s, ${FAIR_ROUND_TRIP} ms, no loss, ${seconds} s, ${options.runs} runs. Share: what one stream has of the line beside one CUBIC connection of the kernel over ${together} s, with a queue of ${FAIR_QUEUE} ms before the line. Delay: what small datagrams on the same line take longer while one stream fills it; the queue holds 300 ms.`,
    machine: machine(),
    metrics: FAIR_METRICS,
    subjects: [...kernel, pilot].map(({ id, name }) => ({ id, name })),
    measured: sheet.measured(),
    goals: [
      { text: 'Jain index of 8 streams', value: sheet.median('pilot', 'jain'), bound: 0.9, better: 'higher' },
      { text: 'beside CUBIC, at least, %', value: share, bound: 30, better: 'higher' },
      { text: 'beside CUBIC, at most, %', value: share, bound: 70, better: 'lower' },
    ],
    notes: [],
  };
}

/** 1 when all have the same, 1/n when one has all. */
function jain(rates: readonly number[]): number {
  const sum = rates.reduce((total, rate) => total + rate, 0);
  const squares = rates.reduce((total, rate) => total + rate * rate, 0);
  return squares === 0 ? 0 : sum ** 2 / (rates.length * squares);
}
