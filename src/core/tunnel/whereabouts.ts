import { isCarrier, sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { encodePunchRequest } from '../../wire/beacon.ts';
import type { PeerEndpoints } from '../node-types.ts';
import { BURST, MAX_DIRECT, MAX_RELAYS } from '../path/constants.ts';
import type { PunchFacts } from '../path/facts.ts';
import { sameNetwork } from '../path/lan.ts';
import type { Path } from '../path/path.ts';
import type { PathChange, Paths } from '../path/paths.ts';
import { type Told, usableEndpoints } from '../path/usable.ts';
import { ENDPOINTS_PAUSE, MAX_PUNCH_BEACONS, PUNCH_ANSWER_TIME } from './constants.ts';
import type { PeerHost } from './peer-host.ts';
import type { Arrival } from './types.ts';

const NEVER = Number.POSITIVE_INFINITY;
const LONG_AGO = Number.NEGATIVE_INFINITY;
/** A series of probes, and the time for the last answer. */
const PUNCH_TIME: Millis = 2_500;
/** Without any for this long the next one begins anew. */
const PUNCH_PAUSE: Millis = 90_000;

/** Where one peer may be: asks the directory and the beacons, and makes candidates of their answers and of relays. */
export class Whereabouts {
  readonly #node: NodeId;
  readonly #host: PeerHost;
  readonly #paths: Paths;
  #lan: readonly Endpoint[] = [];
  #relayAt: Instant = NEVER;
  #askedAt: Instant = LONG_AGO;
  #punchedAt: Instant = LONG_AGO;
  /** The first of those that followed each other. */
  #beganAt: Instant = LONG_AGO;

  constructor(node: NodeId, host: PeerHost, paths: Paths) {
    this.#node = node;
    this.#host = host;
    this.#paths = paths;
  }

  /** True when the directory was asked: it is we who look for the peer. */
  get sought(): boolean {
    return this.#askedAt !== LONG_AGO;
  }

  /** Asks the directory, not too often. */
  ask(now: Instant): void {
    if (now - this.#askedAt < ENDPOINTS_PAUSE) return;
    this.#askedAt = now;
    this.#host.needEndpoints(this.#node);
  }

  /** Asks the beacons to name each side's endpoint to the other. */
  punch(now: Instant): void {
    if (now - this.#punchedAt > PUNCH_PAUSE || this.#paths.hasDirect(now)) this.#beganAt = now;
    this.#punchedAt = now;
    if (this.#host.config.relayOnly) return;
    const beacons = this.#host.relaysFor(this.#node, now, true).filter((one) => !isCarrier(one));
    for (const beacon of beacons.slice(0, MAX_PUNCH_BEACONS))
      this.#host.transmit(beacon, encodePunchRequest(this.#host.node, this.#node));
  }

  /** What asking for a punch and probing did, where nothing more was tried. */
  simpleFacts(now: Instant): PunchFacts | undefined {
    if (this.#punchedAt === LONG_AGO) return undefined;
    const direct = this.#paths.all.filter((path) => !path.relay);
    const isDirect = this.#paths.hasDirect(now);
    const outcome = isDirect ? 'direct' : now - this.#beganAt < PUNCH_TIME ? 'running' : 'no_answer';
    return {
      strategy: 'simple',
      at: this.#beganAt,
      packets: direct.reduce((sum, path) => sum + path.probes, 0),
      budget: MAX_DIRECT * BURST.length,
      outcome: this.#host.config.relayOnly ? 'refused' : outcome,
    };
  }

  /** The directory answered. */
  found(found: PeerEndpoints | undefined, now: Instant): void {
    const paths = this.#paths;
    if (found !== undefined) {
      paths.outdateNamed();
      if (found.endpoint !== undefined) paths.add('direct', found.endpoint, 'registered', now);
      const own = { observed: this.#host.observed(), lan: this.#host.place.lan };
      const seen: Told[] =
        found.endpoint === undefined ? [] : [{ origin: 'observed', endpoint: found.endpoint }];
      const hosts = found.lan.map((endpoint): Told => ({ origin: 'host', endpoint }));
      const usable = usableEndpoints(own, [...seen, ...hosts]);
      this.#lan = usable.filter(({ kind }) => kind === 'lan').map(({ endpoint }) => endpoint);
      for (const { kind, endpoint } of usable) paths.add(kind, endpoint, 'lan', now);
    }
    // Without a direct candidate there is nothing to wait for.
    if (this.#relayAt !== NEVER && !paths.all.some((path) => !path.relay)) this.#relayAt = now;
  }

  /** A beacon named an endpoint: true when we asked for this peer just now, and it became a candidate. */
  commanded(endpoint: Endpoint, now: Instant): boolean {
    if (now - this.#punchedAt > PUNCH_ANSWER_TIME) return false;
    this.#paths.add('direct', endpoint, 'commanded', now)?.burst(now);
    return true;
  }

  /** Relays become candidates at this instant; at once if it is now. */
  relayAt(when: Instant, now: Instant): void {
    this.#relayAt = when;
    if (when <= now) this.handleTimeout(now);
  }

  /**
   * Drops relays through beacons that are of no use any more, and where the peer `isUsed` takes new ones; undefined
   * when there is nothing to do.
   */
  beaconsChanged(isUsed: boolean, now: Instant): { readonly change: PathChange | undefined } | undefined {
    const relays = this.#host.relaysFor(this.#node, now, isUsed);
    const gone = (path: Path): boolean => {
      if (!path.relay) return false;
      const rank = relays.findIndex((one) => sameEndpoint(one, path.endpoint));
      // A better one needs the place.
      return rank < 0 || (rank >= MAX_RELAYS && path !== this.#paths.selected);
    };
    const lacks = (relay: Endpoint, rank: number): boolean =>
      rank < MAX_RELAYS && this.#paths.find(true, relay) === undefined;
    const isGone = this.#paths.all.some(gone);
    if (!isGone && !(isUsed && relays.some(lacks))) return undefined;
    const change = isGone ? this.#paths.remove(gone, now) : undefined;
    this.#relayAt = now;
    return { change };
  }

  kindOf({ relay, from }: Arrival): 'lan' | 'direct' | 'relay' {
    if (relay) return 'relay';
    const lan =
      this.#lan.some((one) => sameEndpoint(one, from)) ||
      this.#host.place.lan.some((own) => sameNetwork(own.host, from.host));
    return lan ? 'lan' : 'direct';
  }

  handleTimeout(now: Instant): void {
    if (this.#relayAt > now) return;
    this.#relayAt = NEVER;
    for (const relay of this.#host.relaysFor(this.#node, now, true))
      this.#paths.add('relay', relay, 'beacon', now);
  }

  nextTimeout(): Instant {
    return this.#relayAt;
  }
}
