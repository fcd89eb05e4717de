import { PilotError } from '../../api/errors.ts';
import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { Log } from '../../runtime/ports.ts';
import { type Claim, claim, isClaim } from '../background/run-file.ts';
import type { Home } from '../home.ts';
import type { Host } from '../host.ts';
import { accepts, probeRegistry } from '../registry-probe.ts';
import { isReserved, mayServe, storeLock } from './handover.ts';
import { announce, announced, type LocalRegistry, remember, remembered, withdraw } from './records.ts';

const LOOPBACK = '127.0.0.1';
/** For one question to a registry on this machine. */
const PROBE: Millis = 2000;
/** How often a daemon that joined looks whether the registry is still served. */
const WATCH: Millis = 2000;
/** How long another process may take from claiming the store to serving it. */
const STARTING: Millis = 5000;
/** How long the holder of the usual ports may take to answer as a registry. */
const FOUNDING: Millis = 1500;
const ASK_AGAIN: Millis = 100;
/** After stepping back, time for another process to take the store. */
const STEP_BACK: Millis = 10_000;

/** A running registry and beacon. */
export interface Serving {
  readonly registry: Endpoint;
  readonly beacon: Endpoint;
  readonly fingerprint: string;
  close(): Promise<void>;
}

/** Starts a registry and beacon on a store. Errors: `port_in_use`, and those of the store. */
export type Serve = (store: string, registry: Endpoint, beacon: Endpoint) => Promise<Serving>;

export interface LocalNetworkOptions {
  readonly host: Host;
  readonly home: Home;
  readonly log: Log;
  readonly serve: Serve;
  readonly registryPort: number;
  readonly beaconPort: number;
  /** Remarks for the person who starts the daemon. */
  readonly note: (text: string) => void;
  /** Called when this process begins or ceases to host. */
  readonly onRole?: (role: 'hosting' | 'joined') => void;
}

/**
 * The network of the daemons of one machine for which no registry is configured. One of them hosts registry and
 * beacon on loopback; when it ends, another that may read the store takes over on the same ports, so that the
 * network lives as long as any of them, and who starts first does not matter.
 */
export class LocalNetwork {
  readonly #options: LocalNetworkOptions;
  #network: LocalRegistry;
  #hosting: { serving: Serving; lock: Claim } | undefined;
  #notBefore = 0;
  #stopped = new AbortController();
  #watching: Promise<void> = Promise.resolve();

  /** Joins the network this home belongs to, else any of this machine, else founds one. Errors: those of the store. */
  static async enter(options: LocalNetworkOptions): Promise<LocalNetwork> {
    const { host, home, note } = options;
    let known = await remembered(host, home);
    if (known !== undefined && (await isGone(host, known.store))) {
      note(`the network of this machine is gone with its store ${known.store}; starting over`);
      known = undefined;
    }
    const answering = await findServed(options, known);
    const joined =
      known === undefined ? answering[0] : answering.find((one) => one.fingerprint === known.fingerprint);
    const network = new LocalNetwork(options, joined ?? known ?? foundingAt(options));
    if (joined === undefined && !(await network.#host())) {
      if (known === undefined) throw new PilotError('unavailable', 'Cannot start a registry on this machine');
      note(`the registry of this machine is served by another user, and away now; trying again`);
    }
    if (network.fingerprint === '') {
      throw new PilotError(
        'unavailable',
        'Another process has the registry of this machine, but does not serve it',
        {
          hint: 'try again, or stop what holds it: pilotctl rendezvous status',
        },
      );
    }
    await remember(host, home, network.#network);
    network.#watching = network.#watch();
    return network;
  }

  private constructor(options: LocalNetworkOptions, network: LocalRegistry) {
    this.#options = options;
    this.#network = network;
  }

  get registry(): Endpoint {
    return this.#network.registry;
  }
  get beacon(): Endpoint {
    return this.#network.beacon;
  }
  get fingerprint(): string {
    return this.#network.fingerprint;
  }
  get role(): 'hosting' | 'joined' {
    return this.#hosting === undefined ? 'joined' : 'hosting';
  }

  /** Lets another process serve the store; this one takes over again when nobody does. */
  async stepBack(): Promise<void> {
    this.#notBefore = this.#options.host.clock.now() + STEP_BACK;
    await this.#release();
    this.#options.onRole?.('joined');
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#watching;
    await this.#release();
  }

  async #release(): Promise<void> {
    const hosting = this.#hosting;
    this.#hosting = undefined;
    if (hosting === undefined) return;
    await hosting.serving.close();
    await withdraw(this.#options.host, this.#network);
    await hosting.lock.release();
    this.#options.log.event('info', 'local_network.released');
  }

  /** Serves the store, unless another process does or begins to. False: this user may not. */
  async #host(): Promise<boolean> {
    const { host, log } = this.#options;
    const { store } = this.#network;
    if (store === '') return false;
    // A founder makes its store; one that vanished held a key that no new store can have.
    if (await isGone(host, store)) {
      if (this.#network.fingerprint !== '') return false;
    } else if (!(await mayServe(host, store))) return false;
    if (await isReserved(host, store)) return this.#joinStarting();
    const lock = await claim(host, storeLock(store), { program: 'daemon', home: this.#options.home.root });
    if (!isClaim(lock)) return this.#joinStarting();
    try {
      const serving = await this.#serveSomewhere(store);
      if (!('close' in serving)) {
        this.#network = serving;
        await lock.release();
        return true;
      }
      const { registry, beacon, fingerprint } = serving;
      this.#hosting = { serving, lock };
      this.#network = { registry, beacon, fingerprint, store };
      await announce(host, this.#network).catch((error: unknown) =>
        log.event('warn', 'local_network.not_announced', { error }),
      );
      log.event('info', 'local_network.hosting', { port: registry.port, store });
      this.#options.onRole?.('hosting');
      return true;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /**
   * The ports of before, else the usual ones, else any: other daemons find them in the announcement.
   * A founder that loses the usual ports to another founder joins that one instead.
   */
  async #serveSomewhere(store: string): Promise<Serving | LocalRegistry> {
    const { serve, registryPort, beaconPort } = this.#options;
    const { registry, beacon, fingerprint } = this.#network;
    const before = [registry.port, beacon.port] as const;
    const usual = [registryPort, beaconPort] as const;
    const same = registry.port === registryPort && beacon.port === beaconPort;
    for (const [at, beaconAt] of [...(same ? [] : [before]), usual, [0, 0] as const]) {
      try {
        return await serve(store, { host: LOOPBACK, port: at }, { host: LOOPBACK, port: beaconAt });
      } catch (thrown) {
        if (!(thrown instanceof PilotError) || thrown.code !== 'port_in_use' || at === 0) throw thrown;
      }
      const other = fingerprint === '' ? await this.#answersSoon(() => true, FOUNDING) : undefined;
      if (other !== undefined) return other;
    }
    throw new PilotError('port_in_use', 'No free port for the registry');
  }

  /** Another process has the store and is about to serve it. */
  async #joinStarting(): Promise<boolean> {
    const { store, fingerprint } = this.#network;
    const ours = (one: LocalRegistry): boolean => one.store === store || one.fingerprint === fingerprint;
    this.#network = (await this.#answersSoon(ours, STARTING)) ?? this.#network;
    return true;
  }

  /** The first registry on this machine that answers and is wanted, within a while. */
  async #answersSoon(
    wanted: (one: LocalRegistry) => boolean,
    patience: Millis,
  ): Promise<LocalRegistry | undefined> {
    const { clock } = this.#options.host;
    const until = clock.now() + patience;
    for (;;) {
      const found = await findServed(
        this.#options,
        this.#network.fingerprint === '' ? undefined : this.#network,
      );
      const match = found.find(wanted);
      if (match !== undefined) return match;
      if (clock.now() >= until || this.#stopped.signal.aborted) return undefined;
      await clock.sleep(ASK_AGAIN);
    }
  }

  async #watch(): Promise<void> {
    const { host, log } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await host.clock.sleep(WATCH, signal).catch(() => {});
      if (signal.aborted || this.#hosting !== undefined || host.clock.now() < this.#notBefore) continue;
      if (await accepts(host.net, this.#network.registry, PROBE)) continue;
      const before = this.#network.registry;
      try {
        await this.#host();
      } catch (error) {
        log.event('warn', 'local_network.not_served', { error });
      }
      if (!sameEndpoint(before, this.#network.registry)) {
        await remember(host, this.#options.home, this.#network);
        log.event('warn', 'local_network.moved', { port: this.#network.registry.port });
      }
    }
  }
}

function foundingAt({ home, registryPort, beaconPort }: LocalNetworkOptions): LocalRegistry {
  return {
    registry: { host: LOOPBACK, port: registryPort },
    beacon: { host: LOOPBACK, port: beaconPort },
    fingerprint: '',
    store: home.registry,
  };
}

/** True when the directory does not exist; one that may not be looked at does. */
async function isGone(host: Host, store: string): Promise<boolean> {
  if (store === '') return false;
  return (await host.files.info(store).catch(() => 'hidden')) === undefined;
}

/** Registries that answer on this machine: the usual port, the announced ones, and the known one. */
async function findServed(
  options: LocalNetworkOptions,
  known: LocalRegistry | undefined,
): Promise<LocalRegistry[]> {
  const usual = foundingAt(options);
  const records = await announced(options.host);
  const candidates = [...(known === undefined ? [] : [known]), usual, ...records];
  const asked = candidates.filter(
    (one, at) => candidates.findIndex((other) => sameEndpoint(one.registry, other.registry)) === at,
  );
  const answers = await Promise.all(asked.map((candidate) => ask(options, candidate, [...candidates])));
  return answers.filter((one) => one !== undefined);
}

async function ask(
  { host }: LocalNetworkOptions,
  candidate: LocalRegistry,
  records: readonly LocalRegistry[],
): Promise<LocalRegistry | undefined> {
  try {
    const facts = await probeRegistry(host, candidate.registry, { tls: true, timeout: PROBE });
    const { fingerprint = '' } = facts;
    const record = records.find((one) => one.fingerprint === fingerprint);
    const beacon = facts.beacons[0] ?? record?.beacon ?? candidate.beacon;
    return { registry: candidate.registry, beacon, fingerprint, store: record?.store ?? '' };
  } catch {
    return undefined;
  }
}
