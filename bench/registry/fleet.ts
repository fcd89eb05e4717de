/**
 * Many daemons in one process, as far as a registry sees them: the client and the registration of our own daemon, with
 * all their retries, and nothing else. `fleet.js PORT FIRST COUNT ROOM FINGERPRINT`; ROOM is how many may stay
 * connected: the others leave a second after they are back. Driven over IPC by `stampede.ts`.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Registration } from '../../src/daemon/registration.ts';
import { Directory } from '../../src/directory/index.ts';
import { nodeClock, nodeCrypto, nodeRandom } from '../../src/platform/index.ts';
import { keyOf } from './line.ts';
import { type Times, timedNet } from './timed-net.ts';

/** Told once everybody is back: milliseconds since the moment that the order named. */
export interface Back {
  readonly back: readonly number[];
  readonly requests: readonly number[];
  readonly connects: readonly number[];
  readonly failedConnects: number;
  /** From a user's question until its answer, for those users that asked meanwhile. */
  readonly asks: readonly number[];
  /** Longest time that this process itself was held up, ms: it is in the times above. */
  readonly longestStall: number;
}

/** `at`: from when to count, as `Date.now()`; `asking`: of how many daemons one has a user who asks. */
export interface Order {
  readonly at: number;
  readonly asking: number;
  /** Users ask at random within this time, ms. */
  readonly askingFor: number;
}

const STAY = 1000;
const SOURCES = 200;

const [port, first, count, room] = process.argv.slice(2, 6).map(Number) as [number, number, number, number];
const fingerprint = process.argv[6] ?? '';
const [clock, random, crypto] = [nodeClock(), nodeRandom(), nodeCrypto()];
const log = { event() {} };
let times: Times = { requests: [], connects: [], failedConnects: 0 };
const net = timedNet({
  get requests() {
    return times.requests;
  },
  get connects() {
    return times.connects;
  },
  get failedConnects() {
    return times.failedConnects;
  },
  set failedConnects(failed) {
    times.failedConnects = failed;
  },
});

class Simulated {
  readonly number: number;
  directory: Directory | undefined;
  #registration: Registration | undefined;
  back = false;

  constructor(number: number) {
    this.number = number;
  }

  start(): void {
    if (this.directory !== undefined) return;
    const directory = new Directory({
      net: net(`127.0.0.${1 + (this.number % SOURCES)}`),
      ...{ clock, random, crypto, log, identity: keyOf(this.number) },
      addresses: [{ host: '127.0.0.1', port }],
      ...(fingerprint !== '' && { tls: { fingerprint } }),
    });
    const registration = new Registration({
      ...{ registry: directory, clock, random, log },
      heartbeatInterval: undefined,
      host: {
        presence: () => ({
          listenEndpoint: { host: '0.0.0.0', port: 4000 },
          ...{ lan: [], beacons: [], hostname: `agent-${this.number}`, public: false, tags: [] },
          ...{ version: 'bench', owner: undefined, relayOnly: false },
        }),
        ready: async () => {},
        registered: async () => {},
        told: () => this.#isBack(),
        poll: () => void directory.pollHandshakes().catch(() => {}),
      },
    });
    directory.onState((state) => {
      if (state !== 'connected') return;
      registration.reconnected();
      if (directory.registered !== undefined) this.#isBack();
    });
    this.directory = directory;
    this.#registration = registration;
    registration.start(false);
  }

  stop(): void {
    this.#registration?.stop();
    this.directory?.close();
    this.directory = undefined;
  }

  #isBack(): void {
    if (this.back) return;
    this.back = true;
    arrived();
    if (this.number - first >= room) setTimeout(() => this.stop(), STAY);
  }
}

const fleet = Array.from({ length: count }, (_, index) => new Simulated(first + index));
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let order: Order | undefined;
let back: number[] = [];
let asks: number[] = [];
let asking = 0;

process.on('message', (message: Order | 'revive') => {
  // Whoever left for lack of room is there again, and finds the registry away like the others.
  if (message === 'revive') for (const daemon of fleet) daemon.start();
  else begin(message);
});
process.on('disconnect', () => process.exit(0));
process.send?.('there');

function begin(next: Order): void {
  order = next;
  delay.reset();
  times = { requests: [], connects: [], failedConnects: 0 };
  back = [];
  asks = [];
  for (const daemon of fleet) {
    daemon.back = false;
    daemon.start();
  }
  if (next.asking === 0) return;
  for (let index = 0; index < fleet.length; index += next.asking) {
    asking++;
    setTimeout(() => void ask(fleet[index]!), next.askingFor * random.fraction());
  }
}

/** A user who wants an answer, and asks again when there is none. */
async function ask(daemon: Simulated): Promise<void> {
  const began = performance.now();
  for (let answered = false; !answered; ) {
    daemon.directory?.hurry();
    answered = await (daemon.directory?.lookup(daemon.number) ?? Promise.resolve()).then(
      () => true,
      () => false,
    );
  }
  asks.push(performance.now() - began);
  asking--;
  finish();
}

function arrived(): void {
  back.push(Date.now() - order!.at);
  finish();
}

function finish(): void {
  if (back.length < fleet.length || asking > 0) return;
  process.send?.({ ...times, back, asks, longestStall: delay.max / 1e6 } satisfies Back);
}
