/**
 * Bulk, processor time and round trips on loopback, beside what the machine can do and what others do, all in one run.
 * Every stack has two processes of its own; our daemons stand between them as processes of their own. Rounds go over
 * all stacks in turn. For round trips all processes of a stack share one core, as waking another core costs more than
 * all else and differs from run to run.
 */
import { join } from 'node:path';
import { Contender } from './contender.ts';
import { median, percentile } from './measure.ts';
import type { RunOptions } from './options.ts';
import type { ANSWER_EVERY } from './peer.ts';
import { pin } from './processes.ts';
import { type Goal, type Group, type Metric, machine, Sheet } from './record.ts';
import { Rig } from './rig.ts';
import { installRivals, RIVALS, rivalVersion } from './stacks/rival.ts';
import { environmentOf, NODE_TIERS, TIERS } from './tiers.ts';

const MB = 1_000_000 satisfies typeof ANSWER_EVERY;
const ECHOES = 1_000;

const METRICS: readonly Metric[] = [
  { id: 'bulk', title: 'MB/s', better: 'higher', digits: 1, yardstick: 'tls' },
  { id: 'cpu', title: 'CPU s/GB', better: 'lower', digits: 1, yardstick: 'tls' },
  { id: 'rtt', title: 'round trip p50, ms', better: 'lower', digits: 3, yardstick: 'udp' },
  { id: 'rtt99', title: 'p99, ms', better: 'lower', digits: 2 },
];

/** An IP packet of 1,400 bytes has 1,372 for the datagram. */
const YARDSTICKS = [
  {
    id: 'udp',
    name: 'UDP sockets of Node, 1,400 B, no encryption, nothing repeated',
    words: ['udp', '1372'],
  },
  { id: 'tcp', name: 'TCP sockets of Node, no encryption', words: ['tcp'] },
  { id: 'tls', name: 'TLS 1.3 of Node', words: ['tls'] },
  {
    id: 'sealed-1400',
    name: 'sealed UDP loop in TypeScript, 1,400 B, nothing repeated',
    words: ['sealed', '1372'],
  },
  {
    id: 'sealed-60000',
    name: 'sealed UDP loop in TypeScript, 60,000 B, nothing repeated',
    words: ['sealed', '60000'],
  },
];

export async function loopback(options: RunOptions): Promise<Group> {
  const field = new Field();
  try {
    await field.enterYardsticks();
    await field.enterRivals();
    for (const tier of TIERS) await field.enterRig(tier);
    for (const tier of NODE_TIERS) await field.enterNodes(tier);
    const sheet = new Sheet();
    const sizes = await calibrate(field, options);
    for (let run = 0; run < options.runs; run++) {
      for (const contender of field.contenders) {
        const bytes = sizes.get(contender.id);
        if (bytes !== undefined) await field.try(() => measure(contender, bytes, sheet, options));
      }
    }
    return {
      ...{ id: 'loopback', title: 'Bulk and round trips on loopback', command: 'npm run bench -- loopback' },
      about: `${options.runs} rounds of about ${options.seconds} s for each stack, medians with least and most. CPU: all processes that the bytes cross, user and system. Round trips: ${ECHOES} of 64 bytes on an open stream, all processes of a stack on one core.`,
      machine: machine(),
      metrics: METRICS,
      subjects: field.contenders.map(({ id, name }) => ({ id, name })),
      measured: sheet.measured(),
      goals: goals(sheet),
      notes: field.notes,
    };
  } finally {
    await field.close();
  }
}

async function measure(
  contender: Contender,
  bytes: number,
  sheet: Sheet,
  { short }: RunOptions,
): Promise<void> {
  const { megabytesPerSecond, cpuPerGigabyte } = await contender.bulk(bytes);
  sheet.add(contender.id, 'bulk', megabytesPerSecond);
  sheet.add(contender.id, 'cpu', cpuPerGigabyte);
  const cores = pin(contender.pids, '0') ? undefined : 'not pinned';
  try {
    const count = short ? 100 : ECHOES;
    const times = (await contender.echo(count)).slice(count / 10);
    if (cores !== undefined) return;
    sheet.add(contender.id, 'rtt', median(times));
    sheet.add(contender.id, 'rtt99', percentile(times, 0.99));
  } finally {
    pin(contender.pids, '0-1023');
  }
}

/** How many bytes take each stack about as long as was asked for. Warms it up, too. */
async function calibrate(field: Field, { seconds }: RunOptions): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const contender of field.contenders) {
    await field.try(async () => {
      await contender.bulk(4 * MB);
      const { megabytesPerSecond } = await contender.bulk(16 * MB);
      sizes.set(contender.id, Math.min(2_000, Math.max(4, Math.round(megabytesPerSecond * seconds))) * MB);
    });
  }
  return sizes;
}

function goals(sheet: Sheet): Goal[] {
  const atLeast = (text: string, subject: string, yardstick: string, bound: number): Goal => ({
    ...{ text, bound, better: 'higher', value: sheet.ratio('bulk', subject, yardstick) },
  });
  const within = (text: string, subject: string, yardstick: string, bound: number): Goal => ({
    ...{ text, bound, better: 'lower', value: sheet.ratio('rtt', subject, yardstick) },
  });
  return [
    atLeast('application to application, 1,400 B: × TLS', 'app-1400', 'tls', 0.5),
    atLeast('application to application, 1,400 B: × js-libp2p', 'app-1400', 'libp2p', 2),
    atLeast('daemon to daemon, 1,400 B: × TLS', 'node-1400', 'tls', 0.8),
    atLeast('pure TypeScript, 1,400 B: × sealed UDP loop of 1,400 B', 'app-plain-1400', 'sealed-1400', 0.8),
    atLeast('pure TypeScript, path discovered: × TLS', 'app-plain', 'tls', 0.5),
    within('round trip, daemon to daemon: × UDP sockets', 'node', 'udp', 2),
    within('round trip, application to application: × TLS', 'app', 'tls', 1.3),
  ];
}

/** Everyone who takes part, and what could not. */
class Field {
  readonly contenders: Contender[] = [];
  readonly notes: string[] = [];
  readonly #rigs: Rig[] = [];

  async enterYardsticks(): Promise<void> {
    for (const { id, name, words } of YARDSTICKS) {
      await this.try(() => this.#enter({ id, name, server: words, client: words }));
    }
  }

  async enterRivals(): Promise<void> {
    const failed = installRivals();
    if (failed !== undefined) this.#note(failed);
    for (const { id, name } of RIVALS) {
      const found = rivalVersion(id);
      if ('absent' in found) this.#note(`${name}: ${found.absent}`);
      else {
        const words = ['rival', id];
        const full = `${name} ${found.version}`;
        await this.try(() => this.#enter({ id, name: full, server: words, client: words }), full);
      }
    }
  }

  async enterRig(tier: (typeof TIERS)[number]): Promise<void> {
    await this.try(async () => {
      const rig = new Rig();
      this.#rigs.push(rig);
      await rig.start({ relayOnly: tier.relayOnly === true, settings: tier.settings });
      await this.#enter({
        ...{ id: tier.id, name: tier.name },
        server: ['pilot', rig.socket(rig.b)],
        client: ['pilot', rig.socket(rig.a)],
        between: [rig.pid(rig.a), rig.pid(rig.b), ...(tier.relayOnly === true ? [rig.rendezvousPid] : [])],
      });
    }, tier.name);
  }

  async enterNodes(tier: (typeof NODE_TIERS)[number]): Promise<void> {
    await this.try(async () => {
      const rig = new Rig();
      this.#rigs.push(rig);
      rig.startRendezvous();
      const end = (name: string): string[] => ['node', join(rig.stage.directory, name), rig.registry];
      await this.#enter({
        ...{ id: tier.id, name: tier.name, environment: environmentOf(tier) },
        ...{ server: end('far'), client: end('near') },
      });
    }, tier.name);
  }

  /** What fails is said and left out. */
  async try(step: () => Promise<void>, what?: string): Promise<void> {
    try {
      await step();
    } catch (error) {
      const said = (error instanceof Error ? error.message : String(error)).trim().split('\n').slice(-1)[0]!;
      this.#note(what === undefined ? said : `${what}: ${said}`);
    }
  }

  async close(): Promise<void> {
    for (const contender of this.contenders) contender.stop();
    for (const rig of this.#rigs) await rig.stop();
  }

  async #enter(options: Parameters<typeof Contender.start>[0]): Promise<void> {
    this.contenders.push(await Contender.start(options));
  }

  #note(text: string): void {
    const note = `Not measured: ${text}`;
    if (!this.notes.includes(note)) this.notes.push(note);
    console.error(note);
  }
}
