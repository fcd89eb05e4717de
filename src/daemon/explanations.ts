import type { Acceleration } from '../api/acceleration.ts';
import { asPilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, Millis, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import { type Explanation, explain } from '../core/path/explain.ts';
import type { PathFacts } from '../core/path/facts.ts';
import type { AboutPeer, OwnFacts } from '../core/path/node-facts.ts';
import type { PortMappingStatus } from '../core/port-mapping/types.ts';
import type { NodeInfo } from '../directory/types.ts';
import type { CarrierRow, MappingRow, NetcheckReport } from '../ipc/methods.ts';
import type { Abort, Clock, Net } from '../runtime/ports.ts';
import type { CarriersStatus } from './carriers/carriers.ts';
import type { DaemonConfig } from './config.ts';
import { netcheck } from './netcheck/netcheck.ts';
import type { Networks } from './networks.ts';
import type { OwnState } from './own-state.ts';
import type { PeerKeys } from './peer-keys.ts';
import type { RegistryClient } from './registry-client.ts';

/** How often the paths are looked at while the outcome is waited for. */
const LOOK: Millis = 100;
/** How long the registry may take to tell of the peer, once the paths are settled. */
const PATIENCE: Millis = 2_000;
/** These pass by themselves. */
const PASSING: ReadonlySet<string> = new Set(['connecting', 'punching', 'direct_lost', 'idle']);
/** Nothing is worth trying: no packet would be answered, or none may be sent. */
const HOPELESS: ReadonlySet<string> = new Set(['this_node', 'not_trusted', 'trust_pending', 'no_such_peer']);

export interface ExplanationParts {
  readonly node: PilotNode;
  readonly net: Net;
  readonly clock: Clock;
  readonly registry: RegistryClient;
  readonly networks: Networks;
  readonly keys: PeerKeys;
  readonly own: OwnState;
  readonly config: DaemonConfig;
  readonly carriers: { status(): CarriersStatus };
  readonly portMapper: { status(): PortMappingStatus };
  readonly random: Random;
  readonly acceleration: Acceleration;
  /** In use, or asked for. */
  beacons(): readonly Endpoint[];
  run(mutation: () => void): void;
}

export interface Explained {
  readonly explanation: Explanation;
  readonly paths: PathFacts | undefined;
}

const NOTHING_KNOWN: AboutPeer = {
  relation: 'unknown',
  directory: 'unknown',
  online: undefined,
  relayOnly: false,
  identityChanged: false,
  speaksPaths: undefined,
};

/** Gathers what there is to know of the way to a peer and lets the core explain it. */
export class Explanations {
  readonly #parts: ExplanationParts;

  constructor(parts: ExplanationParts) {
    this.#parts = parts;
  }

  /** Looks for paths to the peer and waits until the outcome is settled, at most `wait`. */
  async of(peer: NodeId, name: string, wait: Millis, signal: Abort): Promise<Explained> {
    const { node, clock, run } = this.#parts;
    let about: AboutPeer = this.#relation(peer, NOTHING_KNOWN, undefined);
    const asked = this.#ask(peer).then((known) => {
      about = known;
    });
    const deadline = clock.now() + wait;
    let found = this.#look(peer, name, about);
    if (wait > 0 && !HOPELESS.has(found.explanation.cause)) run(() => node.connectPeer(peer, clock.now()));
    while (PASSING.has(found.explanation.cause) && clock.now() < deadline) {
      await clock.sleep(Math.min(LOOK, deadline - clock.now()), signal);
      found = this.#look(peer, name, about);
    }
    await Promise.race([asked, clock.sleep(PATIENCE, signal)]);
    return this.#look(peer, name, about);
  }

  #look(peer: NodeId, name: string, about: AboutPeer): Explained {
    const { node, clock } = this.#parts;
    const paths = node.pathFacts(peer, clock.now());
    const own = this.ownFacts();
    const known = { ...about, speaksPaths: paths?.ours ?? about.speaksPaths };
    return { explanation: explain({ peer: name, own, about: known, paths }, clock.now()), paths };
  }

  ownFacts(): OwnFacts {
    const { node, net, own, registry, config } = this.#parts;
    return {
      registered: own.nodeId !== 0,
      relayOnly: config.relayOnly ?? false,
      streamsOnly: this.#parts.carriers.status().transport === 'compat',
      registry: registry.state === 'connected' ? 'connected' : 'unreachable',
      beacons: node.beacons(),
      addresses: net.localAddresses(),
      carrierProblem: this.#parts.carriers.status().problem,
    };
  }

  /** Measures how the network treats this node. */
  netcheck(signal: Abort): Promise<NetcheckReport> {
    const { node, net, clock, random, config, beacons, carriers, portMapper, acceleration } = this.#parts;
    return netcheck(
      {
        ...{ net, clock, random, beacons: beacons(), tls: config.tls },
        registry: config.registries[0],
        acceleration,
        live: {
          ...{ nat: node.nat(), endpoint: node.observed(), beacons: node.beacons() },
          ...{ mapping: mappingRow(portMapper.status()), carrier: carrierRow(carriers.status()) },
        },
      },
      signal,
    );
  }

  /** What the registry tells of the peer. Never fails. */
  async #ask(peer: NodeId): Promise<AboutPeer> {
    const { registry, keys, node, own, networks } = this.#parts;
    if (peer === own.nodeId || registry.state === 'disconnected')
      return this.#relation(peer, NOTHING_KNOWN, undefined);
    const [info, place, shared] = await Promise.all([
      registry.lookup(peer, keys.pinnedKey(peer)).catch((thrown) => asPilotError(thrown).code),
      registry.resolve(peer).catch(() => undefined),
      node.isTrusted(peer)
        ? undefined
        : networks.relation(peer).then(
            (relation) => relation.shared.length > 0,
            () => undefined,
          ),
    ]);
    const refused = info === 'not_found' || info === 'permission_denied';
    const told = typeof info === 'string' ? undefined : info;
    const about: AboutPeer = {
      ...NOTHING_KNOWN,
      directory: told !== undefined || place !== undefined ? 'found' : refused ? 'refused' : 'unknown',
      online: told?.online,
      relayOnly: place !== undefined && place.endpoint === undefined,
    };
    return this.#relation(peer, about, shared === true ? 'allowed' : told);
  }

  #relation(peer: NodeId, about: AboutPeer, told: NodeInfo | 'allowed' | undefined): AboutPeer {
    const { node, own, keys } = this.#parts;
    const identityChanged = keys.shown(peer).identity_changed;
    const asked = [...node.outgoing(), ...node.pending()].some((request) => request.node === peer);
    const relation = (): AboutPeer['relation'] => {
      if (peer === own.nodeId) return 'self';
      if (node.isTrusted(peer) || told === 'allowed' || told?.public === true) return 'allowed';
      if (asked) return 'asked';
      return told === undefined && about.directory === 'unknown' ? 'unknown' : 'none';
    };
    return { ...about, relation: relation(), identityChanged };
  }
}

function mappingRow(status: PortMappingStatus): MappingRow {
  return {
    mode: status.mode,
    method: status.method ?? '',
    external: status.external === undefined ? '' : formatEndpoint(status.external),
    gateway: status.gateway ?? '',
    problem: status.problem ?? '',
  };
}

function carrierRow(status: CarriersStatus): CarrierRow {
  return {
    transport: status.transport,
    in_use: status.inUse,
    proxy: status.proxy ?? '',
    problem: status.problem ?? '',
    detail: status.detail ?? '',
  };
}
