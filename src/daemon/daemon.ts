import { NOT_ACCELERATED } from '../api/acceleration.ts';
import { asPilotError } from '../api/errors.ts';
import type { StreamHost } from '../api/stream.ts';
import type { Instant, NodeId } from '../base/units.ts';
import type { Registered } from '../directory/types.ts';
import type { Info } from '../ipc/methods.ts';
import { type Assembly, assemble, isAcquainted } from './assemble.ts';
import { daemonBackend } from './backend.ts';
import { infoOf } from './info.ts';
import { Metrics, mappedBy } from './metrics/metrics.ts';
import type { DaemonOptions } from './options.ts';
import { Outputs } from './outputs.ts';
import { openParts, type Parts } from './parts.ts';
import { type Services, startServices } from './services.ts';
import type { NodeState } from './state-file.ts';
import { streamHost } from './stream-host.ts';

const DEFAULT_START_WAIT = 3_000;
/** How long a stop waits for streams to deliver what they hold. */
const STOP_WAIT = 5_000;
/** From a change of trust to the look-up of the peer's endpoints. */
const REMEMBER_DELAY = 1_000;
/** How long the start waits for the names of beacons. */
const RESOLVE_WAIT = 500;

/** A node as a background process: owns the sockets, the identity and the state files, and serves local programs. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #parts: Assembly;
  readonly #metrics: Metrics;
  readonly #trustListeners = new Set<() => void>();
  readonly #started: Instant;
  #services: Services | undefined;
  #stopped: Promise<void> | undefined;

  /**
   * Starts a node and serves its socket. Does not fail because the registry is away. Errors: `identity_invalid` and
   * `state_corrupt` (both name the file and leave it), `socket_in_use`, `port_in_use`, `io_error`, `disk_full`.
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(options, await openParts(options));
    try {
      await daemon.#begin();
      return daemon;
    } catch (error) {
      await daemon.stop();
      throw error;
    }
  }

  private constructor(options: DaemonOptions, opened: Parts) {
    this.#metrics = new Metrics(options.log, options.clock);
    this.#options = { ...options, log: this.#metrics.log };
    this.#started = options.clock.now();
    this.#parts = assemble(this.#options, opened, {
      onOutput: (output) => outputs.handle(output),
      registered: (result) => this.#registered(result),
      trustChanged: (peer) => this.#trustChanged(peer),
    });
    const outputs = new Outputs(this.#parts, this.#options.log);
    this.#metrics.watch(this.#parts.node);
  }

  /** Streams for programs in this process, without the local socket. */
  get streams(): StreamHost {
    return streamHost(this.#parts.streams);
  }

  info(): Info {
    const { clock, config, storage, acceleration = NOT_ACCELERATED } = this.#options;
    const { networks, streams, surroundings, sockets } = this.#parts;
    return infoOf({
      ...this.#parts,
      networks: networks.own,
      config,
      storage,
      uptime: clock.now() - this.#started,
      ports: streams.listenerCount + 1,
      beacons: surroundings.beacons,
      listenEndpoint: sockets.local,
      acceleration,
    });
  }

  /** Finishes what streams hold, saves everything and lets go of the sockets. Later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #begin(): Promise<void> {
    const { clock, config, log } = this.#options;
    const { own, identities, networks, registry, registration, surroundings, portMapper, ipc } = this.#parts;
    this.#receive();
    for (const message of config.warnings ?? []) identities.warnings.add('home.opened', message);
    surroundings.start();
    portMapper.look();
    const { node } = own.current;
    if (node !== undefined) this.#becomeNode(node);
    const beaconsReady = this.#useBeacons();
    this.#listenToRegistry();
    networks.start();
    registry.start();
    // A slow resolver must not hold the registration up.
    await Promise.race([beaconsReady, clock.sleep(RESOLVE_WAIT)]);
    registration.start(node !== undefined && surroundings.beacons.length > 0);
    this.#saveOwnState();
    this.#services = startServices(this.#options, this.#parts.streams, this.#parts.messages);
    await registration.whenRegistered(config.startWait ?? DEFAULT_START_WAIT);
    ipc.serve(this.#backend());
    log.event('info', 'daemon.started', {
      node: own.nodeId,
      registered: registration.isRegistered,
      socket: config.socketPath,
    });
  }

  #receive(): void {
    const { sockets, surroundings, received, receivedTrain, tooLong } = this.#parts;
    sockets.listen({
      received: (data, from, via) => received(from, data, via),
      receivedTrain,
      unreachable: () => surroundings.refused(),
      tooLong: (to, bytes) => tooLong(to, bytes),
    });
  }

  #listenToRegistry(): void {
    const { registry, identities, networks, answers, trustEffects, registration } = this.#parts;
    registry.onPush((push) => {
      if (identities.onPush(push) || networks.pushed(push)) return;
      if (push.event === 'peer_moved' && push.from !== undefined) void answers.moved(push.from);
      else trustEffects.onPush(push);
    });
    registry.onState((state) => {
      this.#options.log.event('info', `registry.${state}`);
      if (state !== 'connected') return;
      for (const part of [registration, networks, trustEffects]) part.reconnected();
    });
  }

  async #end(): Promise<void> {
    const { clock, log } = this.#options;
    const { ipc, registration, identities, surroundings, trustEffects, streams, driver } = this.#parts;
    log.event('info', 'daemon.stopping');
    await ipc.close();
    await this.#services?.stop();
    for (const part of [registration, identities, surroundings, trustEffects]) part.stop();
    const deadline = clock.now() + STOP_WAIT;
    while (streams.unfinishedCount > 0 && clock.now() < deadline) await clock.sleep(20);
    streams.abortAll();
    this.#parts.carriers.stop();
    driver.stop();
    this.#parts.registry.close();
    const saved = await Promise.allSettled([
      trustEffects.close(),
      this.#parts.stateGate.close(),
      this.#parts.known.close(),
      this.#parts.networks.stop(),
    ]);
    await this.#parts.portMapper.stop();
    await this.#parts.sockets.stop();
    for (const result of saved) {
      if (result.status === 'rejected') {
        log.event('error', 'daemon.state_lost', { message: asPilotError(result.reason).message });
      }
    }
    log.event('info', 'daemon.stopped');
  }

  #becomeNode(id: NodeId): void {
    const { own, driver, node } = this.#parts;
    const { hostname } = own;
    driver.run(() => node.setNode(id, hostname === '' ? undefined : hostname, this.#options.clock.now()));
    this.#parts.carriers.again();
  }

  async #registered(result: Registered): Promise<void> {
    const { log } = this.#options;
    const { own } = this.#parts;
    const { node: before } = own.current;
    own.granted(result.hostnameError);
    if (before !== undefined && before !== result.node) {
      log.event('warn', 'node.id_changed', { before, now: result.node });
    }
    const { node, beacons = own.current.beacons, carriers = own.current.carriers } = result;
    this.#saveOwnState({ node, beacons, carriers });
    if (before !== node) this.#becomeNode(node);
    await this.#useBeacons();
  }

  /** Those that are configured, else those of the registry. */
  async #useBeacons(): Promise<void> {
    const { beacons, carriers, transport } = this.#options.config;
    const { own, surroundings } = this.#parts;
    const known = beacons?.length ? beacons : own.current.beacons;
    const inUse = surroundings.useBeacons(transport === 'compat' ? [] : known);
    this.#parts.carriers.use(carriers?.length ? carriers : own.current.carriers);
    // Where nothing but a proxy is in reach, a resolver takes long to say that it knows nothing.
    const patience = this.#options.clock.sleep(RESOLVE_WAIT);
    void Promise.race([inUse, patience]).then(() => this.#parts.carriers.settled());
    await inUse;
  }

  #trustChanged(peer: NodeId): void {
    const { node, targets, known, answers } = this.#parts;
    queueMicrotask(() => {
      const tell = (): void => [...this.#trustListeners].forEach((listener) => void listener());
      // Whoever waits for a peer by its name may learn only then who that is.
      if (isAcquainted(node, peer)) void targets.learnNames([peer]).then(tell);
      known.saveSoon();
      tell();
    });
    // The registry tells endpoints once it knows that both agree.
    const { clock } = this.#options;
    clock.at(clock.now() + REMEMBER_DELAY, () => {
      if (node.isTrusted(peer) && this.#stopped === undefined) void answers.remember(peer);
    });
  }

  /** A failure is logged, and saving is tried again; the registry knows all of it too. */
  #saveOwnState(change: Partial<NodeState> = {}): void {
    this.#parts.own.save(change).catch(() => {});
  }

  #backend(): ReturnType<typeof daemonBackend> {
    const { driver, known, registration } = this.#parts;
    return daemonBackend({
      ...this.#parts,
      version: this.#options.config.version,
      clock: this.#options.clock,
      book: known.book,
      run: (mutation) => driver.run(mutation),
      info: () => this.info(),
      metrics: () => this.#metrics.collect(this.#parts.node, this.info(), mappedBy(this.#parts.portMapper)),
      withdraw: () => registration.withdraw(),
      onTrustChange: (receiver) => {
        this.#trustListeners.add(receiver);
        return () => this.#trustListeners.delete(receiver);
      },
    });
  }
}
