import { NOT_ACCELERATED } from '../api/acceleration.ts';
import type { Bytes, Endpoint, Instant, NodeId, UnixMillis } from '../base/units.ts';
import { Memberships } from '../core/network/memberships.ts';
import { PilotNode } from '../core/node.ts';
import type { NodeOutput } from '../core/node-types.ts';
import { Directory } from '../directory/directory.ts';
import type { Registered } from '../directory/types.ts';
import { drive } from '../runtime/drive.ts';
import { Carriers } from './carriers/carriers.ts';
import { CarrierHomes } from './carriers/homes.ts';
import type { DaemonConfig } from './config.ts';
import { DirectoryAnswers } from './directory-answers.ts';
import { Explanations } from './explanations.ts';
import { Identities } from './identities.ts';
import type { Traffic } from './info.ts';
import { KnownPeers } from './known-peers.ts';
import { MessageDesk } from './message-desk.ts';
import { Networks } from './networks.ts';
import type { DaemonOptions } from './options.ts';
import { OwnState } from './own-state.ts';
import type { Parts } from './parts.ts';
import { PersistGate } from './persist-gate.ts';
import { Pings } from './pings.ts';
import { PortMapper } from './port-mapper.ts';
import { Registration } from './registration.ts';
import type { RegistryClient } from './registry-client.ts';
import { Sockets } from './sockets.ts';
import { NODE_FILE, type NodeState, saveNodeState } from './state-file.ts';
import { StreamTable } from './streams.ts';
import { Surroundings } from './surroundings.ts';
import { Targets } from './targets.ts';
import { TrustEffects } from './trust-effects.ts';

/** What the daemon itself decides on, beyond its parts. */
export interface AssemblyHost {
  onOutput(output: NodeOutput): void;
  registered(result: Registered): Promise<void>;
  trustChanged(peer: NodeId): void;
}

/** Everything of a running daemon, wired together and not yet started. */
export type Assembly = ReturnType<typeof assemble>;

/** Builds the parts of a daemon. They refer to each other only in calls, so the order here is free. */
export function assemble(options: DaemonOptions, opened: Parts, host: AssemblyHost) {
  const { clock, random, crypto, log, net, storage, config } = options;
  const { identity, socket, ipc } = opened;
  const sockets = new Sockets({ net, clock, log, main: socket });
  const now = (): Instant => clock.now();
  const wall = (at: Instant): UnixMillis => clock.wallNow() + (at - clock.now());

  const transport = config.transport ?? 'udp';
  // By byte streams alone nothing goes to peers directly, and nobody needs to know where we are.
  const relayOnly = config.relayOnly === true || transport === 'compat';
  const memberships = new Memberships({ wall });
  const node = new PilotNode({
    crypto,
    random: random.fork('node'),
    identity,
    wall,
    memberships,
    beacons: [],
    trains: true,
    public: opened.state.public,
    ...(opened.trust !== undefined && { trust: opened.trust }),
    ...(relayOnly && { relayOnly: true }),
    ...(config.congestion && { congestion: config.congestion }),
    ...(config.relayForPeers && !relayOnly && { relayForPeers: config.relayForPeers }),
  });
  const driver = drive(node, clock, (output) => host.onOutput(output));
  const run = (mutation: () => void): void => driver.run(mutation);

  const stateGate = new PersistGate<NodeState>({
    save: (saved) => saveNodeState(storage, saved),
    clock,
    log,
    name: NODE_FILE,
  });
  const registry: RegistryClient =
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
  const own: OwnState = new OwnState(
    {
      node,
      registry,
      run,
      now,
      untold: () => registration.tellAgain(),
      changed: () => identities.record.changed(),
    },
    stateGate,
    opened.state,
    log,
  );
  const messages = new MessageDesk(() => own.address);
  const known = new KnownPeers({
    storage,
    clock,
    log,
    peers: opened.peers,
    pins: opened.pins,
    isKept: (peer) => isAcquainted(node, peer),
    isTrusted: (peer) => node.isTrusted(peer),
  });
  const identities: Identities = new Identities({
    identity,
    staged: opened.staged,
    pins: known.pins,
    storage,
    crypto,
    random: random.fork('rotation'),
    clock,
    log,
    registry,
    host: {
      node,
      own,
      run,
      now,
      locate: (peer) => answers.handle({ ask: 'endpoints', peer }),
      place: () => (registration.isRegistered ? JSON.stringify([reachedAt(), surroundings.lan]) : undefined),
    },
  });
  const streams = new StreamTable({
    node,
    run,
    now,
    address: () => own.address,
    unresolved: (peer, detail) => answers.unresolved(peer, detail),
  });
  const networks = new Networks({
    registry,
    clock,
    log,
    storage,
    memberships,
    node,
    run,
    self: () => own.nodeId,
    known: opened.networks,
    warnings: identities.warnings,
    acceptsAll: config.acceptMemberships ?? false,
  });
  const pings = new Pings({ node, clock, run });
  const answers: DirectoryAnswers = new DirectoryAnswers({
    registry,
    book: known.book,
    keys: identities.keys,
    clock,
    log,
    receiver: {
      key: (peer, key, claimed) => run(() => node.answerKey(peer, key, now(), claimed)),
      endpoints: (peer, found, detail) => {
        run(() => node.answerEndpoints(peer, found, now(), detail));
        if (found === undefined && node.peer(peer)?.established !== true) {
          pings.failed(peer, answers.unresolved(peer, detail));
        }
      },
      recallTrust: (peer) => trustEffects.recall(peer),
    },
  });
  const trustEffects: TrustEffects = new TrustEffects({
    host: {
      node,
      run,
      now,
      changed: (peer) => host.trustChanged(peer),
      book: known.book,
      networkName: (network) => networks.nameOf(network),
    },
    registry,
    storage,
    revocations: opened.revocations,
    rules: config.autoApprove ?? [],
    crypto,
    clock,
    log,
  });
  const targets = new Targets({
    registry,
    book: known.book,
    keys: identities.keys,
    clock,
    isMember: (network) => networks.own.some((joined) => joined.network === network),
    own: () => {
      const { nodeId, hostname, current } = own;
      const { fingerprint } = identities;
      return { node: nodeId, hostname, public: current.public, fingerprint };
    },
  });
  const surroundings: Surroundings = new Surroundings({
    net,
    clock,
    log,
    node,
    run,
    local: socket.local,
    ...(config.pathMtu !== 'off' && { oversize: socket.dontFragment ? 'refused' : 'learned' }),
    ...(typeof config.pathMtu === 'number' && { largestPacket: config.pathMtu }),
    onMoved: () => {
      registry.networkChanged();
      portMapper.look();
      carriers.again();
      registration.presenceChanged();
    },
  });
  const portMapper: PortMapper = new PortMapper({
    mode: relayOnly || needsNoPort(config) ? 'off' : (config.portMapping ?? 'auto'),
    net,
    clock,
    random: random.fork('port mapping'),
    log,
    crypto,
    identity,
    local: socket.local,
    changed: (external) => {
      run(() => node.setMapped(external === undefined ? [] : [external], now()));
      registration.presenceChanged();
    },
  });
  /** Where others send to us: a mapped port is open to all, if it leads to the address that beacons see. */
  const reachedAt = (): Endpoint | undefined => {
    const observed = node.observed();
    const mapped = portMapper.external;
    return observed === undefined || mapped?.host === observed.host ? (mapped ?? observed) : observed;
  };
  const registration: Registration = new Registration({
    registry,
    clock,
    random: random.fork('registration'),
    log,
    heartbeatInterval: config.heartbeatInterval,
    host: {
      presence: () => ({
        listenEndpoint: reachedAt() ?? { host: '0.0.0.0', port: socket.local.port },
        lan: surroundings.lan,
        beacons: carrierHomes.all.length > 0 ? carrierHomes.all : node.homes(),
        hostname: own.current.hostname,
        public: own.current.public,
        tags: own.current.tags,
        version: config.version,
        owner: config.owner,
        relayOnly,
      }),
      ready: () => identities.rotation.settle(),
      registered: (result) => host.registered(result),
      told: () => {
        identities.registered();
        networks.refresh();
        trustEffects.registered();
      },
      poll: () => void Promise.all([trustEffects.poll(), identities.keys.recheck()]),
    },
  });
  const knownBeacons = (): readonly Endpoint[] =>
    config.beacons?.length ? config.beacons : own.current.beacons;
  const explanations = new Explanations({
    ...{ node, net, clock, run, own, registry, networks },
    keys: identities.keys,
    acceleration: options.acceleration ?? NOT_ACCELERATED,
    ...{ config, random: random.fork('netcheck'), portMapper },
    carriers: { status: () => carriers.status() },
    beacons: knownBeacons,
  });
  const received = (from: Endpoint, data: Uint8Array, via = 0): void => {
    traffic.packetsReceived++;
    traffic.bytesReceived += data.length;
    run(() => node.handleDatagram(from, data, now(), via));
  };
  const receivedTrain = (train: Uint8Array, segment: number, from: Endpoint, via: number): void => {
    traffic.packetsReceived += Math.ceil(train.length / segment);
    traffic.bytesReceived += train.length;
    run(() => node.handleTrain(from, train, segment, now(), via));
  };
  const tooLong = (to: Endpoint, bytes: Bytes): void => run(() => node.refusedSize(to, bytes, now()));
  const carrierHomes = new CarrierHomes(net, knownBeacons, () => registration.presenceChanged());
  const carriers: Carriers = new Carriers({
    ...{ net, clock, log, transport },
    random: random.fork('carriers'),
    host: {
      node: () => own.nodeId,
      identity: () => identities.identity,
      hasBeacons: () => surroundings.beacons.length > 0,
      proxy: () => options.proxy?.(),
      up: (endpoint, up) => {
        run(() => node.setCarrier(endpoint, up, now()));
        carrierHomes.up(endpoint, up);
      },
      received: (from, data) => received(from, data),
    },
  });
  const traffic: Traffic = { bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0 };
  return {
    ...{ node, driver, sockets, ipc, registry, stateGate, own, known, identities, streams, networks },
    ...{ pings, explanations, answers, trustEffects, targets, surroundings, registration, messages, traffic },
    ...{ portMapper },
    ...{ carriers, received, receivedTrain, tooLong },
  };
}

/** Nobody is to reach it directly, or nobody from outside this machine. */
function needsNoPort({ relayOnly, registries }: DaemonConfig): boolean {
  return relayOnly === true || registries.every(({ host }) => /^(?:127\.|::1$|localhost$)/.test(host));
}

/** Trusted, or asking or asked for trust. */
export function isAcquainted(node: PilotNode, peer: NodeId): boolean {
  return (
    node.isTrusted(peer) ||
    node.pending().some((request) => request.node === peer) ||
    node.outgoing().some((request) => request.node === peer)
  );
}
