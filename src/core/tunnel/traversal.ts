import { endpointKey, isCarrier } from '../../base/endpoint.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { parseIp } from '../../wire/ip.ts';
import {
  type CandidatesMessage,
  encodePathMessage,
  MAX_TOLD_ENDPOINTS,
  MAX_TOLD_RELAYS,
  type ToldEndpoint,
} from '../../wire/path-message.ts';
import type { NatBehaviour } from '../nat/behaviour.ts';
import type { PathFacts, PunchFacts } from '../path/facts.ts';
import type { Path } from '../path/path.ts';
import type { Paths } from '../path/paths.ts';
import { LARGEST_DATAGRAM } from '../path/sizes.ts';
import { reachOf, usableEndpoints } from '../path/usable.ts';
import { Puncher } from '../punch/puncher.ts';
import { PathTalk } from './path-talk.ts';
import type { PeerHost } from './peer-host.ts';
import { TokenBucket } from './token-bucket.ts';

/** Endpoints the peer told that are probed: at once, and per second. Each costs a series of six small frames. */
const TOLD = { burst: 16, rate: 0.2 };
/** Series of probes that its messages start anew: at once, and per second. */
const BURSTS = { burst: 6, rate: 0.1 };
/** A host somebody named for this peer counts this long. */
const VOUCHED_FOR: Millis = 600_000;
const MAX_VOUCHED = 8;
/** A path over a socket of its own that was heard this recently may still be proven. */
const SESSION_BEGINS: Millis = 10_000;
const HEARD_LATELY: Millis = 5_000;

/** What traversal needs of its peer. */
interface TraversalHost {
  readonly paths: Paths;
  /** Sends a control packet under the key in use, by the best way; false while there is no key. */
  control(payload: Uint8Array, now: Instant): boolean;
  /** Sends a control packet that asks for nothing to an endpoint. */
  shoot(payload: Uint8Array, to: Endpoint, via: number, now: Instant): void;
  /** Asks the beacons to name the peer's endpoint. */
  seek(now: Instant): void;
  rearm(now: Instant): void;
}

/** Everything by which two nodes of ours find direct paths: what they tell each other, and the attempts it leads to. */
export class Traversal {
  readonly talk: PathTalk;
  readonly #host: PeerHost;
  readonly #peer: TraversalHost;
  readonly #puncher: Puncher;
  readonly #node: NodeId;
  #remembered: boolean | undefined;
  #between = '';
  #establishedAt: Instant = Number.NEGATIVE_INFINITY;
  readonly #endpoints = new TokenBucket(TOLD.rate, TOLD.burst);
  readonly #bursts = new TokenBucket(BURSTS.rate, BURSTS.burst);
  /** Endpoints at which beacons, the directory or frames of the peer itself place it, newest last. */
  readonly #vouched = new Map<string, { readonly endpoint: Endpoint; readonly at: Instant }>();

  constructor(node: NodeId, host: PeerHost, peer: TraversalHost) {
    this.#node = node;
    this.#host = host;
    this.#peer = peer;
    const random = host.random;
    const talk = new PathTalk(
      {
        candidates: () => this.#candidates(),
        send: (payload, now) => this.#mayTell(now) && peer.control(payload, now),
      },
      random.u32(),
    );
    this.talk = talk;
    this.#puncher = new Puncher(node, {
      random,
      budget: host.punchBudget,
      node: host.node,
      nat: () => host.place.nat(),
      peerNat: () => talk.told?.nat,
      observed: () => host.observed(),
      target: (now) => this.#target(now),
      vouched: (name, now) => this.#endpointAt(name, now) !== undefined,
      seek: (now) => peer.seek(now),
      wantsDirect: (now) => !host.config.relayOnly && this.#mayTell(now) && this.#wantsDirect(now),
      openSocket: () => host.openSocket(node),
      closeSocket: (via) => this.#closeSocket(via),
      usesSocket: (via, now) => this.#usesSocket(via, now),
      measure: (via, now) => host.measure(via, now),
      shoot: (to, via, now) => this.#shoot(to, via, now),
      tell: (message, now) => talk.punch(message, now),
      begun: (strategy) => host.event({ name: 'tunnel.punch_begun', peer: node, strategy }),
      ended: ({ strategy, outcome, packets }) =>
        host.event({ name: 'tunnel.punch_ended', peer: node, strategy, outcome, packets }),
    });
  }

  /** `simple`: the last attempt without more than probes. */
  facts(simple: PunchFacts | undefined): Pick<PathFacts, 'peer' | 'ours' | 'punch'> {
    const nat: NatBehaviour | undefined = this.talk.told?.nat;
    return { peer: nat, ours: this.talk.ours, punch: this.#puncher.facts() ?? simple };
  }

  /** There is a key: candidates are told, unless the peer knows them. */
  established(anew: boolean, now: Instant): void {
    if (anew) {
      this.talk.forgotten();
      this.#establishedAt = now;
    }
    this.changed(now);
  }

  /** Something about us, or the time for another attempt, came. */
  changed(now: Instant): void {
    this.#moved(now);
    this.talk.refresh(now);
    this.#puncher.consider(now);
    this.#peer.rearm(now);
  }

  /** Somebody but the peer says that it is there: the beacon, the directory, a frame that came from there. */
  vouch(endpoint: Endpoint, now: Instant): void {
    const key = endpointKey(endpoint);
    const isNew = this.#endpointAt(endpoint.host, now) === undefined;
    this.#vouched.delete(key);
    if (this.#vouched.size >= MAX_VOUCHED) {
      for (const oldest of this.#vouched.keys()) {
        this.#vouched.delete(oldest);
        break;
      }
    }
    this.#vouched.set(key, { endpoint, at: now });
    if (isNew) this.#puncher.vouchedAnew(now);
  }

  /** A ping of the peer: what to answer if it is a path message; undefined for any other ping. */
  received(payload: Uint8Array, now: Instant): { readonly answer: Uint8Array | undefined } | undefined {
    const received = this.talk.received(payload);
    if (received === undefined) return undefined;
    const { message, answer } = received;
    this.#learned();
    if (message.kind === 'candidates') this.#take(message, now);
    else if (message.kind === 'punch' && !this.#host.config.relayOnly) this.#puncher.told(message, now);
    this.#peer.rearm(now);
    return { answer };
  }

  /** A pong: true when it answers a path message. */
  answered(payload: Uint8Array): boolean {
    if (!this.talk.answered(payload)) return false;
    this.#learned();
    return true;
  }

  #learned(): void {
    const { ours } = this.talk;
    if (ours === undefined || ours === this.#remembered) return;
    this.#remembered = ours;
    this.#peer.paths.setOurs(ours);
    if (!ours) this.#peer.paths.setTheirs(0);
    this.#host.remember(this.#node, ours);
  }

  measured(via: number, endpoint: Endpoint, now: Instant): void {
    this.#puncher.measured(via, endpoint, now);
    this.#peer.rearm(now);
  }

  /** A probe proved this path. */
  proven(path: Path, now: Instant): void {
    if (path.relay) return;
    this.vouch(path.endpoint, now);
    this.#puncher.direct(now);
  }

  handleTimeout(now: Instant): void {
    this.talk.handleTimeout(now);
    this.#puncher.handleTimeout(now);
  }

  nextTimeout(): Instant {
    return Math.min(this.talk.nextTimeout(), this.#puncher.nextTimeout());
  }

  close(): void {
    this.#puncher.close();
  }

  #take(message: CandidatesMessage, now: Instant): void {
    this.#peer.paths.setTheirs(message.largest ?? 0);
    const beacons = message.relays.flatMap((relay) => ('endpoint' in relay ? [relay.endpoint] : []));
    if (beacons.length > 0) this.#host.toldRelays(this.#node, beacons, now);
    const offers = message.relays.some((relay) => 'node' in relay && relay.node === this.#node);
    this.#host.offersRelay(this.#node, offers ? relayEndpoint(message) : undefined, now);
    this.#moved(now);
    if (this.#host.config.relayOnly || message.relayOnly) return;
    const own = { observed: this.#host.observed(), lan: this.#host.place.lan };
    const { paths } = this.#peer;
    const again = this.#bursts.take(now);
    for (const { kind, endpoint } of usableEndpoints(own, message.endpoints)) {
      const known = paths.find(false, endpoint);
      if (known === undefined && !this.#endpoints.take(now)) break;
      const path = known ?? paths.add(kind, endpoint, 'told', now);
      if (again && path !== undefined && path.phase !== 'proven') path.burst(now);
    }
    this.changed(now);
  }

  /** What failed between other translators says nothing about these. */
  #moved(now: Instant): void {
    const { told } = this.talk;
    const theirs = told?.endpoints.find(({ origin }) => origin === 'observed')?.endpoint.host;
    const ours = this.#host.observed()?.host;
    const between = JSON.stringify([ours, this.#host.place.nat(), theirs, told?.nat]);
    if (between === this.#between) return;
    this.#between = between;
    this.#puncher.anew(now);
  }

  #candidates(): Omit<CandidatesMessage, 'kind' | 'sequence'> {
    const { config, place } = this.#host;
    const { lan, mapped } = place;
    const relayOnly = config.relayOnly;
    const endpoints: ToldEndpoint[] = [];
    if (!relayOnly) {
      for (const endpoint of mapped.slice(0, 4)) endpoints.push({ origin: 'mapped', endpoint });
      const seen = this.#host.observedAll();
      for (const endpoint of seen.slice(0, 4)) endpoints.push({ origin: 'observed', endpoint });
      for (const endpoint of lan)
        if (reachOf(endpoint.host) !== 'none') endpoints.push({ origin: 'host', endpoint });
    }
    const direct = this.#peer.paths.all.filter((path) => !path.relay && path.heardAt !== undefined);
    const seen = direct.sort((a, b) => b.heardAt! - a.heardAt!)[0]?.endpoint;
    return {
      relayOnly,
      nat: this.#host.place.nat(),
      seen: relayOnly ? undefined : seen,
      endpoints: endpoints.filter(({ endpoint }) => isSendable(endpoint)).slice(0, MAX_TOLD_ENDPOINTS),
      relays: [
        ...(config.relaysForPeers ? [{ node: this.#host.node }] : []),
        ...this.#host
          .relays()
          .filter((one) => isCarrier(one) || isSendable(one))
          .map((endpoint) => ({ endpoint })),
      ].slice(0, MAX_TOLD_RELAYS),
      largest: LARGEST_DATAGRAM,
    };
  }

  /** What everybody sees of the peer, as it says, if somebody else places it on that host; else where they place it. */
  #target(now: Instant): Endpoint | undefined {
    for (const { origin, endpoint } of this.talk.told?.endpoints ?? []) {
      if (origin !== 'observed' || endpoint.host.includes(':')) continue;
      if (this.#endpointAt(endpoint.host, now) !== undefined) return endpoint;
    }
    return [...this.#vouched.values()].findLast(({ at }) => now - at < VOUCHED_FOR)?.endpoint;
  }

  #endpointAt(host: string, now: Instant): Endpoint | undefined {
    for (const { endpoint, at } of this.#vouched.values())
      if (endpoint.host === host && now - at < VOUCHED_FOR) return endpoint;
    return undefined;
  }

  #shoot(to: Endpoint, via: number, now: Instant): void {
    const payload = encodePathMessage({ kind: 'probe', sequence: 0, nonce: 0 });
    this.#peer.shoot(payload, to, via, now);
  }

  /** Keys alone are no reason to tell anybody anything: it may have lost our trust since. */
  #mayTell(now: Instant): boolean {
    return this.#host.answersPings(this.#node, now);
  }

  /** A session that has just begun is about to be used. */
  #wantsDirect(now: Instant): boolean {
    const { paths } = this.#peer;
    return paths.wantsDirect(now) || (now - this.#establishedAt < SESSION_BEGINS && !paths.hasDirect(now));
  }

  #usesSocket(via: number, now: Instant): boolean {
    return this.#peer.paths.all.some(
      (path) =>
        path.via === via &&
        (path === this.#peer.paths.selected ||
          (path.phase === 'proven' && !path.stale(now)) ||
          now - (path.heardAt ?? 0) < HEARD_LATELY),
    );
  }

  #closeSocket(via: number): void {
    this.#peer.paths.closed(via);
    this.#host.closeSocket(via);
  }
}

function isSendable({ host, port }: Endpoint): boolean {
  return port > 0 && parseIp(host) !== undefined;
}

/** Where a peer that offers to relay is reached by others: at a mapped port, else as its beacon sees it. */
function relayEndpoint({ relayOnly, endpoints }: CandidatesMessage): Endpoint | undefined {
  if (relayOnly) return undefined;
  const found = ['mapped', 'observed'].flatMap((wanted) =>
    endpoints.filter(({ origin }) => origin === wanted),
  );
  return found[0]?.endpoint;
}
