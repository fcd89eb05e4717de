import { asPilotError } from '../api/errors.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, Instant, NodeId, UnixMillis } from '../base/units.ts';
import { Memberships } from '../core/network/memberships.ts';
import { PilotNode } from '../core/node.ts';
import type { NodeOutput } from '../core/node-types.ts';
import { Directory } from '../directory/directory.ts';
import type { Registered } from '../directory/types.ts';
import type { Info } from '../ipc/methods.ts';
import type { IpcServer } from '../ipc/server.ts';
import { drive } from '../runtime/drive.ts';
import type { Clock, Log, Net, Storage, UdpSocket } from '../runtime/ports.ts';
import { daemonBackend } from './backend.ts';
import type { DaemonConfig } from './config.ts';
import { DirectoryAnswers } from './directory-answers.ts';
import { Identities } from './identities.ts';
import { infoOf, type Traffic } from './info.ts';
import { KnownPeers } from './known-peers.ts';
import { MessageDesk } from './message-desk.ts';
import { Networks } from './networks.ts';
import { OwnState } from './own-state.ts';
import { openParts, type Parts } from './parts.ts';
import { PersistGate } from './persist-gate.ts';
import { Pings } from './pings.ts';
import { Registration } from './registration.ts';
import type { RegistryClient } from './registry-client.ts';
import { type Services, startServices } from './services.ts';
import { NODE_FILE, type NodeState, saveNodeState } from './state-file.ts';
import { StreamTable } from './streams.ts';
import { Surroundings } from './surroundings.ts';
import { Targets } from './targets.ts';
import { TrustEffects } from './trust-effects.ts';

const DEFAULT_START_WAIT = 3_000;
const DEFAULT_HEARTBEAT = 30_000;
/** How long a stop waits for streams to deliver what they hold. */
const STOP_WAIT = 5_000;
/** From a change of trust to the look-up of the peer's endpoints. */
const REMEMBER_DELAY = 1_000;
/** How long the start waits for the names of beacons. */
const RESOLVE_WAIT = 500;

export interface DaemonOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  /** The daemon's own directory. */
  readonly storage: Storage;
  readonly config: DaemonConfig;
  /** Replaces the client of the registry, in tests. */
  readonly registry?: RegistryClient;
}

/** A node as a background process: owns the sockets, the identity and the state files, and serves local programs. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #identities: Identities;
  readonly #socket: UdpSocket;
  readonly #ipc: IpcServer;
  readonly #own: OwnState;
  readonly #node: PilotNode;
  readonly #driver: { run(mutation: () => void): void; stop(): void };
  readonly #registry: RegistryClient;
  readonly #stateGate: PersistGate<NodeState>;
  readonly #trustEffects: TrustEffects;
  readonly #answers: DirectoryAnswers;
  readonly #registration: Registration;
  readonly #streams: StreamTable;
  readonly #pings: Pings;
  readonly #networks: Networks;
  readonly #messages = new MessageDesk(() => this.#own.address);
  readonly #targets: Targets;
  readonly #known: KnownPeers;
  readonly #surroundings: Surroundings;
  readonly #traffic: Traffic = { bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0 };
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

  private constructor(options: DaemonOptions, parts: Parts) {
    const { clock, random, crypto, log, net, storage, config } = options;
    const { identity, socket } = parts;
    this.#options = options;
    this.#socket = socket;
    this.#ipc = parts.ipc;
    this.#started = clock.now();
    const wall = (now: Instant): UnixMillis => clock.wallNow() + (now - clock.now());
    const memberships = new Memberships({ wall });
    this.#node = new PilotNode({
      crypto,
      random: random.fork('node'),
      identity,
      wall,
      memberships,
      beacons: [],
      public: parts.state.public,
      ...(parts.trust !== undefined && { trust: parts.trust }),
      ...(config.relayOnly === true && { relayOnly: true }),
    });
    this.#driver = drive(this.#node, clock, (output) => this.#onOutput(output));
    const run = (mutation: () => void): void => this.#driver.run(mutation);
    const now = (): Instant => clock.now();

    const gate = <Value>(name: string, save: (value: Value) => Promise<void>): PersistGate<Value> =>
      new PersistGate({ save, clock, log, name });
    this.#stateGate = gate(NODE_FILE, (saved: NodeState) => saveNodeState(storage, saved));

    this.#registry =
      options.registry ??
      new Directory({
        net,
        clock,
        random: random.fork('directory'),
        crypto,
        log,
        identity,
        addresses: config.registries,
        ...(config.tls !== undefined && { tls: config.tls }),
      });
    this.#own = new OwnState(
      {
        node: this.#node,
        registry: this.#registry,
        run,
        now,
        untold: () => this.#registration.tellAgain(),
        changed: () => this.#identities.record.changed(),
      },
      this.#stateGate,
      parts.state,
      log,
    );
    this.#known = new KnownPeers({
      storage,
      clock,
      log,
      peers: parts.peers,
      pins: parts.pins,
      isKept: (node) => this.#isAcquainted(node),
      isTrusted: (node) => this.#node.isTrusted(node),
    });
    this.#identities = new Identities({
      identity,
      staged: parts.staged,
      pins: this.#known.pins,
      storage,
      crypto,
      random: random.fork('rotation'),
      clock,
      log,
      registry: this.#registry,
      host: {
        node: this.#node,
        own: this.#own,
        run,
        now,
        locate: (peer) => this.#answers.handle({ ask: 'endpoints', peer }),
        place: () =>
          this.#registration.isRegistered
            ? JSON.stringify([this.#node.observed(), this.#surroundings.lan])
            : undefined,
      },
    });
    this.#streams = new StreamTable({
      node: this.#node,
      run,
      now,
      address: () => this.#own.address,
      unresolved: (peer, detail) => this.#answers.unresolved(peer, detail),
    });
    this.#networks = new Networks({
      registry: this.#registry,
      clock,
      log,
      storage,
      memberships,
      node: this.#node,
      run,
      self: () => this.#own.nodeId,
      known: parts.networks,
      warnings: this.#identities.warnings,
      acceptsAll: config.acceptMemberships ?? false,
    });
    this.#pings = new Pings({ node: this.#node, clock, run });
    this.#answers = new DirectoryAnswers({
      registry: this.#registry,
      book: this.#known.book,
      keys: this.#identities.keys,
      clock,
      log,
      receiver: {
        key: (peer, key, claimed) => run(() => this.#node.answerKey(peer, key, now(), claimed)),
        endpoints: (peer, found, detail) => {
          run(() => this.#node.answerEndpoints(peer, found, now(), detail));
          if (found === undefined && this.#node.peer(peer)?.established !== true) {
            this.#pings.failed(peer, this.#answers.unresolved(peer, detail));
          }
        },
        recallTrust: (peer) => this.#trustEffects.recall(peer),
      },
    });
    this.#trustEffects = new TrustEffects({
      host: {
        node: this.#node,
        run,
        now,
        changed: (peer) => this.#trustChanged(peer),
        book: this.#known.book,
        networkName: (network) => this.#networks.nameOf(network),
      },
      registry: this.#registry,
      storage,
      revocations: parts.revocations,
      rules: config.autoApprove ?? [],
      crypto,
      clock,
      log,
    });
    this.#targets = new Targets({
      registry: this.#registry,
      book: this.#known.book,
      keys: this.#identities.keys,
      clock,
      isMember: (network) => this.#networks.own.some((own) => own.network === network),
      own: () => {
        const { nodeId, hostname, current } = this.#own;
        const { fingerprint } = this.#identities;
        return { node: nodeId, hostname, public: current.public, fingerprint };
      },
    });
    this.#surroundings = new Surroundings({
      net,
      clock,
      log,
      node: this.#node,
      run,
      local: socket.local,
      onMoved: () => this.#registration.presenceChanged(),
    });
    this.#registration = new Registration({
      registry: this.#registry,
      clock,
      random: random.fork('registration'),
      log,
      heartbeatInterval: config.heartbeatInterval ?? DEFAULT_HEARTBEAT,
      host: {
        presence: () => ({
          listenEndpoint: this.#node.observed() ?? { host: '0.0.0.0', port: socket.local.port },
          lan: this.#surroundings.lan,
          hostname: this.#own.current.hostname,
          public: this.#own.current.public,
          tags: this.#own.current.tags,
          version: config.version,
          owner: config.owner,
          relayOnly: config.relayOnly ?? false,
        }),
        ready: () => this.#identities.rotation.settle(),
        registered: (result) => this.#registered(result),
        told: () => {
          this.#identities.registered();
          this.#networks.refresh();
          this.#trustEffects.registered();
        },
        poll: () => void Promise.all([this.#trustEffects.poll(), this.#identities.keys.recheck()]),
      },
    });
  }

  info(): Info {
    const { clock, config, storage } = this.#options;
    return infoOf({
      node: this.#node,
      own: this.#own,
      identities: this.#identities,
      networks: this.#networks.own,
      config,
      storage,
      registration: this.#registration,
      registry: this.#registry,
      uptime: clock.now() - this.#started,
      ports: this.#streams.listenerCount + 1,
      traffic: this.#traffic,
      beacons: this.#surroundings.beacons,
      listenEndpoint: this.#socket.local,
    });
  }

  /** Finishes what streams hold, saves everything and lets go of the sockets. Later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #begin(): Promise<void> {
    const { clock, config, log } = this.#options;
    this.#socket.onDatagram((data, from) => {
      this.#traffic.packetsReceived++;
      this.#traffic.bytesReceived += data.length;
      this.#driver.run(() => this.#node.handleDatagram(from, data, clock.now()));
    });
    for (const message of config.warnings ?? []) this.#identities.warnings.add('home.opened', message);
    this.#surroundings.start();
    const { node, beacons } = this.#own.current;
    if (node !== undefined) this.#becomeNode(node);
    const beaconsReady = this.#surroundings.useBeacons(config.beacons?.length ? config.beacons : beacons);
    this.#registry.onPush((push) => {
      if (this.#identities.onPush(push) || this.#networks.pushed(push)) return;
      if (push.event === 'peer_moved' && push.from !== undefined) void this.#answers.moved(push.from);
      else this.#trustEffects.onPush(push);
    });
    this.#registry.onState((state) => {
      log.event('info', `registry.${state}`);
      if (state !== 'connected') return;
      for (const part of [this.#registration, this.#networks, this.#trustEffects]) part.reconnected();
    });
    this.#networks.start();
    this.#registry.start();
    // A slow resolver must not hold the registration up.
    await Promise.race([beaconsReady, clock.sleep(RESOLVE_WAIT)]);
    this.#registration.start(node !== undefined && this.#surroundings.beacons.length > 0);
    this.#saveOwnState();
    this.#services = startServices(this.#options, this.#streams, this.#messages);
    await this.#registration.whenRegistered(config.startWait ?? DEFAULT_START_WAIT);
    this.#ipc.serve(this.#backend());
    log.event('info', 'daemon.started', {
      node: this.#own.nodeId,
      registered: this.#registration.isRegistered,
      socket: config.socketPath,
    });
  }

  async #end(): Promise<void> {
    const { clock, log } = this.#options;
    log.event('info', 'daemon.stopping');
    await this.#ipc.close();
    await this.#services?.stop();
    for (const part of [this.#registration, this.#identities, this.#surroundings, this.#trustEffects])
      part.stop();
    const deadline = clock.now() + STOP_WAIT;
    while (this.#streams.unfinishedCount > 0 && clock.now() < deadline) await clock.sleep(20);
    this.#streams.abortAll();
    this.#driver.stop();
    this.#registry.close();
    const saved = await Promise.allSettled([
      this.#trustEffects.close(),
      this.#stateGate.close(),
      this.#known.close(),
      this.#networks.stop(),
    ]);
    await this.#socket.close();
    for (const result of saved) {
      if (result.status === 'rejected') {
        log.event('error', 'daemon.state_lost', { message: asPilotError(result.reason).message });
      }
    }
    log.event('info', 'daemon.stopped');
  }

  #onOutput(output: NodeOutput): void {
    switch (output.type) {
      case 'transmit':
        if (!this.#trustEffects.isHolding) this.#transmit(output.to, output.data);
        else this.#trustEffects.hold(() => this.#transmit(output.to, output.data));
        return;
      case 'query':
        if (output.query.ask === 'relation') this.#networks.ask(output.query.peer);
        else this.#answers.handle(output.query);
        return;
      case 'trust':
        this.#trustEffects.handle(output.output);
        return;
      case 'datagram':
        this.#ipc.deliver({
          source: output.from,
          sourcePort: output.fromPort,
          destinationPort: output.toPort,
          data: output.payload,
        });
        return;
      case 'pong':
        this.#pings.onPong(output.token, output.rtt);
        return;
      case 'event':
        this.#onEvent(output.event);
        return;
      default:
        this.#streams.onOutput(output);
    }
  }

  #onEvent(event: Extract<NodeOutput, { type: 'event' }>['event']): void {
    const { name, ...fields } = event;
    this.#options.log.event(name.startsWith('tunnel.') ? 'info' : 'debug', name, fields);
    if (event.name === 'trust.delivered') queueMicrotask(() => this.#trustEffects.delivered(event.peer));
    if (event.name === 'tunnel.path_changed' && event.path !== 'relay') {
      this.#known.book.seenAt(event.peer, event.path, event.endpoint);
    }
    if (event.name === 'tunnel.established') this.#identities.established(event.peer);
    if (name === 'beacon.observed') queueMicrotask(() => this.#registration.presenceChanged());
  }

  #transmit(to: Endpoint, data: Uint8Array): void {
    this.#traffic.packetsSent++;
    this.#traffic.bytesSent += data.length;
    this.#socket.send(data, to);
  }

  #becomeNode(node: NodeId): void {
    const { hostname } = this.#own;
    this.#driver.run(() =>
      this.#node.setNode(node, hostname === '' ? undefined : hostname, this.#options.clock.now()),
    );
  }

  async #registered(result: Registered): Promise<void> {
    const { log, config } = this.#options;
    const { node: before, beacons: known } = this.#own.current;
    this.#own.granted(result.hostnameError);
    if (before !== undefined && before !== result.node) {
      log.event('warn', 'node.id_changed', { before, now: result.node });
    }
    const beacons = result.beacons ?? known;
    this.#saveOwnState({ node: result.node, beacons });
    if (before !== result.node) this.#becomeNode(result.node);
    if (!config.beacons?.length) await this.#surroundings.useBeacons(beacons);
  }

  #isAcquainted(node: NodeId): boolean {
    return (
      this.#node.isTrusted(node) ||
      this.#node.pending().some((request) => request.node === node) ||
      this.#node.outgoing().some((request) => request.node === node)
    );
  }

  #trustChanged(peer: NodeId): void {
    queueMicrotask(() => {
      const tell = (): void => [...this.#trustListeners].forEach((listener) => void listener());
      // Whoever waits for a peer by its name may learn only then who that is.
      if (this.#isAcquainted(peer)) void this.#targets.learnNames([peer]).then(tell);
      this.#known.saveSoon();
      tell();
    });
    // The registry tells endpoints once it knows that both agree.
    const { clock } = this.#options;
    clock.at(clock.now() + REMEMBER_DELAY, () => {
      if (this.#node.isTrusted(peer) && this.#stopped === undefined) void this.#answers.remember(peer);
    });
  }

  /** A failure is logged, and saving is tried again; the registry knows all of it too. */
  #saveOwnState(change: Partial<NodeState> = {}): void {
    this.#own.save(change).catch(() => {});
  }

  #backend(): ReturnType<typeof daemonBackend> {
    return daemonBackend({
      version: this.#options.config.version,
      node: this.#node,
      clock: this.#options.clock,
      registry: this.#registry,
      own: this.#own,
      identities: this.#identities,
      targets: this.#targets,
      networks: this.#networks,
      book: this.#known.book,
      streams: this.#streams,
      messages: this.#messages,
      pings: this.#pings,
      trustEffects: this.#trustEffects,
      run: (mutation) => this.#driver.run(mutation),
      info: () => this.info(),
      withdraw: () => this.#registration.withdraw(),
      onTrustChange: (receiver) => {
        this.#trustListeners.add(receiver);
        return () => this.#trustListeners.delete(receiver);
      },
    });
  }
}
