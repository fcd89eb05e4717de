/**
 * Three registries on one PostgreSQL under a load of trust changes and registrations, while instances are killed and
 * cut from the database and the database is restarted. Checks that every client is served again soon, that what each
 * pair of nodes saw of its trust can have happened one change after the other, and that every node that was
 * acknowledged is there once, under one id: `node dist/test/e2e/registry-instances.js --operations 100000`.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { SigningKey } from '../../src/base/crypto.ts';
import { encodeBase64 } from '../../src/wire/base64.ts';
import { pause } from './children.testkit.ts';
import { firstUnexplained, type Model, type Operation } from './linearizable.ts';
import { crypto, isGone, RawClient, random } from './registry-client.testkit.ts';
import { type Instances, startInstances } from './registry-instances.testkit.ts';

const PAIRS = 24;
const REGISTRARS = 2;
/** A client that is not served within this long is lost. */
const PATIENCE = 20_000;
/** A client counts as served when it was within this long. */
const SERVED = 1000;
/** A cut is noticed only after a while. */
const WATCHED = 3000;
/** Between faults, so that what was away is there before the next. */
const REST = 1500;

export interface InstancesReport {
  readonly operations: number;
  /** Of those, answers that were lost. */
  readonly unknown: number;
  readonly registrations: number;
  /** Each with the longest time that a client was not served, from the fault on (for the database: from its being back), ms. */
  readonly faults: readonly { readonly fault: string; readonly worst: number; readonly median: number }[];
  readonly worst: number;
  readonly seconds: number;
}

type Side = 0 | 1;
interface Input {
  readonly does: 'report' | 'revoke' | 'check';
  readonly side: Side;
}
interface State {
  readonly paired: boolean;
  readonly words: readonly [boolean, boolean];
}

const NOTHING: State = { paired: false, words: [false, false] };
const PAIRED: State = { paired: true, words: [false, false] };

/** What docs/decisions/0003 says of reports and revocations without documents. */
const TRUST: Model<State, Input, boolean> = {
  initial: NOTHING,
  step(state, { does, side }) {
    switch (does) {
      case 'check':
        return { state, output: state.paired };
      case 'report': {
        if (state.paired || state.words[1 - side]) return { state: PAIRED, output: true };
        const words: readonly [boolean, boolean] =
          side === 0 ? [true, state.words[1]] : [state.words[0], true];
        return { state: { paired: false, words }, output: false };
      }
      case 'revoke':
        return { state: NOTHING, output: state.paired || state.words[0] || state.words[1] };
      default:
        return does satisfies never;
    }
  },
};

/** A client that goes to another instance when its own sends it away. */
class Roamer {
  readonly key: SigningKey;
  readonly #ports: readonly number[];
  #turn: number;
  #client: RawClient | undefined;
  node = 0;
  /** When it was served last, and the longest time without since somebody began to watch. */
  servedAt = 0;
  worst = 0;

  constructor(ports: readonly number[], turn: number, key = crypto.signingKey(random.bytes(32))) {
    this.key = key;
    this.#ports = ports;
    this.#turn = turn;
  }

  async client(): Promise<RawClient> {
    const until = Date.now() + PATIENCE;
    while (this.#client === undefined) {
      assert.ok(Date.now() < until, `a client was not served for ${PATIENCE} ms`);
      try {
        const client = await RawClient.connect(this.#ports[this.#turn % this.#ports.length]!, this.key);
        const reply = await withDeadline(client.register(), client);
        if (this.node !== 0) assert.equal(reply.node_id, this.node, 'a node got another id');
        this.node = Number(reply.node_id);
        this.#client = client;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        this.#turn++;
        await pause(20 + Math.random() * 60);
      }
    }
    return this.#client;
  }
  /** The answer, or undefined when it was lost. */
  async ask(fields: (node: number) => object): Promise<Record<string, unknown> | Error | undefined> {
    const client = await this.client();
    try {
      const reply = await withDeadline(client.signed(fields(this.node) as never), client);
      this.served();
      return reply;
    } catch (error) {
      if (!isGone(error) && !isAway(error)) {
        this.served();
        return error as Error;
      }
      client.close();
      this.#client = undefined;
      this.#turn++;
      return undefined;
    }
  }
  served(): void {
    const now = Date.now();
    this.worst = Math.max(this.worst, now - this.servedAt);
    this.servedAt = now;
  }
  watch(): void {
    this.servedAt = Date.now();
    this.worst = 0;
  }
  close(): void {
    this.#client?.close();
  }
}

/** The registry answers, but not what it was asked: it has lost its database. */
function isAway(error: unknown): boolean {
  return error instanceof Error && /cannot do that now|took too long/.test(error.message);
}

/** A silent server is a lost one, as `src/directory` has it. */
function withDeadline<T>(answer: Promise<T>, client: RawClient): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error('it took too long'));
      client.close();
    }, 5000);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** Two nodes that change their mind, and what both saw of it. */
class Pair {
  readonly sides: readonly [Roamer, Roamer];
  readonly history: Operation<Input, boolean>[] = [];

  constructor(ports: readonly number[], n: number) {
    this.sides = [new Roamer(ports, n), new Roamer(ports, n + 1)];
  }
  async begin(): Promise<void> {
    for (const side of this.sides) {
      await side.client();
      // Seen by everybody, so that what it is told does not depend on the trust.
      await side.ask((node) => ({ type: 'set_visibility', node_id: node, public: true }));
    }
  }
  async run(side: Side, goesOn: () => boolean): Promise<void> {
    const own = this.sides[side];
    const peer = this.sides[1 - side]!.node;
    while (goesOn()) {
      const dice = Math.random();
      const does = dice < 0.4 ? 'report' : dice < 0.65 ? 'revoke' : 'check';
      await own.client();
      const begin = performance.now();
      const answer = await own.ask((node) => ({ type: `${does}_trust`, node_id: node, peer_id: peer }));
      const end = answer === undefined ? Number.POSITIVE_INFINITY : performance.now();
      this.history.push({ input: { does, side }, output: outputOf(does, answer), begin, end });
    }
  }
}

function outputOf(
  does: Input['does'],
  answer: Record<string, unknown> | Error | undefined,
): boolean | undefined {
  if (answer === undefined) return undefined;
  if (answer instanceof Error) {
    if (does === 'revoke' && /no trust pair/.test(answer.message)) return false;
    throw answer;
  }
  return does === 'revoke' ? true : answer.trusted === true;
}

/** Makes nodes with names, and knows which were acknowledged. */
class Registrar {
  readonly made: { readonly id: number; readonly key: SigningKey; readonly hostname: string }[] = [];
  readonly #ports: readonly number[];
  readonly #name: string;

  constructor(ports: readonly number[], name: string) {
    this.#ports = ports;
    this.#name = name;
  }
  async run(goesOn: () => boolean): Promise<void> {
    for (let n = 0; goesOn(); n++) {
      const key = crypto.signingKey(random.bytes(32));
      const hostname = `${this.#name}-${n}`;
      // The same key at two instances at once: it must get one id.
      const ids = await Promise.all([n, n + 1].map((turn) => this.#register(turn, key, hostname)));
      const known = ids.filter((id) => id !== undefined);
      assert.ok(new Set(known).size <= 1, 'two instances gave one key two ids');
      if (known[0] !== undefined) this.made.push({ id: known[0], key, hostname });
      await pause(5);
    }
  }
  async #register(turn: number, key: SigningKey, hostname: string): Promise<number | undefined> {
    let client: RawClient | undefined;
    try {
      client = await RawClient.connect(this.#ports[turn % this.#ports.length]!, key);
      return Number((await withDeadline(client.register({ hostname }), client)).node_id);
    } catch {
      return undefined;
    } finally {
      client?.close();
    }
  }
}

interface Fault {
  readonly name: string;
  /** Resolves when there is somebody who can serve again. */
  inflict(instances: Instances): Promise<void>;
  repair(instances: Instances): Promise<void>;
}

const FAULTS: readonly Fault[] = [
  ...[0, 1, 2].map((n) => ({
    name: `instance ${n + 1} killed`,
    inflict: ({ all }: Instances) => all[n]!.kill(),
    repair: ({ all }: Instances) => all[n]!.start(),
  })),
  {
    name: 'database killed and started',
    async inflict({ database }) {
      await database.kill();
      await database.start();
    },
    repair: async () => undefined,
  },
  ...[1, 2].map((n) => ({
    name: `instance ${n + 1} cut from the database`,
    inflict: async ({ all }: Instances) => all[n]!.way.cut(),
    repair: async ({ all }: Instances) => all[n]!.way.heal(),
  })),
  {
    name: 'database stopped and started',
    async inflict({ database }) {
      await database.stop();
      await database.start();
    },
    repair: async () => undefined,
  },
];

/** Rejects with what was lost, done twice, or cannot have happened. */
export async function withFaults(
  operations: number,
  rounds: number,
  onProgress: (line: string) => void = () => undefined,
): Promise<InstancesReport> {
  const startedAt = Date.now();
  const instances = await startInstances(3);
  const pairs = Array.from({ length: PAIRS }, (_, n) => new Pair(instances.ports, n));
  const registrars = Array.from({ length: REGISTRARS }, (_, n) => new Registrar(instances.ports, `made${n}`));
  const roamers = pairs.flatMap(({ sides }) => sides);
  const faults: { fault: string; worst: number; median: number }[] = [];
  try {
    await Promise.all(pairs.map((pair) => pair.begin()));
    let stop = false;
    const done = (): number => pairs.reduce((sum, { history }) => sum + history.length, 0);
    const load = Promise.all([
      ...pairs.flatMap((pair) => ([0, 1] as const).map((side) => pair.run(side, () => !stop))),
      ...registrars.map((registrar) => registrar.run(() => !stop)),
    ]);
    load.catch(() => {
      stop = true;
    });
    for (let round = 0; !stop && (round < rounds || done() < operations); round++) {
      const fault = FAULTS[round % FAULTS.length]!;
      if (round < rounds) {
        faults.push({ fault: fault.name, ...(await inflict(fault, instances, roamers)) });
        onProgress(`${done()} operations; ${JSON.stringify(faults.at(-1))}`);
      }
      await pause(REST);
    }
    stop = true;
    await load;
    onProgress('checking what was seen');
    const unexplained = pairs.flatMap(({ history }) => firstUnexplained(TRUST, history) ?? []);
    assert.deepEqual(unexplained, [], 'trust changed in a way that cannot have happened');
    onProgress('looking up all nodes');
    const registrations = await verify(registrars, instances);
    return {
      operations: done(),
      unknown: pairs.flatMap(({ history }) => history).filter(({ output }) => output === undefined).length,
      registrations,
      faults,
      worst: Math.max(0, ...faults.map(({ worst }) => worst)),
      seconds: Math.round((Date.now() - startedAt) / 1000),
    };
  } finally {
    for (const roamer of roamers) roamer.close();
    await instances.close();
  }
}

/** The longest time each client was not served, from the moment on in which somebody could serve it, ms. */
async function inflict(
  fault: Fault,
  instances: Instances,
  roamers: readonly Roamer[],
): Promise<{ worst: number; median: number }> {
  await fault.inflict(instances);
  const since = Date.now();
  for (const roamer of roamers) roamer.watch();
  const isServed = ({ servedAt }: Roamer): boolean => servedAt > Date.now() - SERVED;
  do await pause(20);
  while (Date.now() < since + WATCHED || (Date.now() < since + PATIENCE && !roamers.every(isServed)));
  const lost = roamers.filter((roamer) => !isServed(roamer)).length;
  assert.equal(lost, 0, `${fault.name}: ${lost} clients were not served again within ${PATIENCE} ms`);
  const times = roamers.map(({ worst }) => worst).sort((a, b) => a - b);
  await fault.repair(instances);
  return { worst: times.at(-1)!, median: times[Math.floor(times.length / 2)]! };
}

/** Every node that was acknowledged is at every instance, under its own id and name. */
async function verify(registrars: readonly Registrar[], { ports }: Instances): Promise<number> {
  const made = registrars.flatMap(({ made }) => made);
  assert.equal(new Set(made.map(({ id }) => id)).size, made.length, 'an id was given twice');
  const clients = ports.map((_, n) => new Roamer(ports, n));
  for (const [index, { id, key, hostname }] of made.entries()) {
    const public_key = encodeBase64(key.publicKey);
    const reply = await untilAnswered(clients[index % clients.length]!, {
      type: 'lookup',
      node_id: id,
      public_key,
    });
    assert.equal(reply.public_key, public_key, `node ${id} is somebody else`);
    if (index % 10 !== 0) continue;
    const owner = new Roamer(ports, index + 1, key);
    const again = await untilAnswered(owner, { type: 'lookup', node_id: id, public_key });
    assert.deepEqual([owner.node, again.hostname], [id, hostname]);
    owner.close();
  }
  for (const client of clients) client.close();
  return made.length;
}

async function untilAnswered(client: Roamer, fields: object): Promise<Record<string, unknown>> {
  for (;;) {
    const answer = await client.ask(() => fields);
    if (answer instanceof Error) throw answer;
    if (answer !== undefined) return answer;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      operations: { type: 'string', default: '100000' },
      rounds: { type: 'string', default: '14' },
      short: { type: 'boolean', default: false },
    },
  });
  const progress = (line: string): void => console.error(line);
  const report = values.short
    ? await withFaults(2000, 7, progress)
    : await withFaults(Number(values.operations), Number(values.rounds), progress);
  console.log(JSON.stringify(report, null, 2));
}
