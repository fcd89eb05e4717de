import { equal } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import { isCarrier, sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { type BeaconMessage, encodeDiscover } from '../../wire/beacon.ts';
import { discoverSignedBytes } from '../../wire/beacon-extension.ts';
import type { BeaconFacts } from '../path/node-facts.ts';
import {
  answers,
  homesOf,
  isOver,
  LOST_AFTER,
  MAX_HOMES,
  measured,
  observedBy,
  type Registration,
  ranked,
  registrationAt,
  repeatAfter,
} from './beacon-registration.ts';
import { BeaconSurvey, type FreshSockets, factsOf, mainQuestion } from './beacon-survey.ts';
import { Silence } from './silence.ts';
import type { TunnelEvent } from './types.ts';
import { type Observation, Vantage } from './vantage.ts';

// Chosen.

/** Beacons other than the best are heard this often, or as often as the NAT wants it. */
const OTHERS_EVERY: Millis = 20_000;
const MEASURE_EVERY: Millis = 300_000;
/** Least time between registrations that silent peers cause. */
const REFRESH_PAUSE: Millis = 1_500;
/** Least time between registrations when the host moves: one move is often told in several parts. */
const MOVED_PAUSE: Millis = 100;
/** Challenges answered per registration: a beacon that keeps asking is not obeyed. */
const MAX_PROOFS = 2;
/** Beacons of peers where we register, of one peer and of all. */
const VISITS_PER_PEER = 2;
const MAX_VISITS = 16;
/** Relays of peers that we are registered at. */
const MAX_OFFERS = 4;

type DiscoverReply = Extract<BeaconMessage, { type: 'discoverReply' }>;

export interface BeaconsOptions {
  readonly random: Random;
  readonly identity: SigningKey;
  /** How often the best beacon is heard. */
  readonly every: Millis;
  transmit(to: Endpoint, data: Uint8Array, via?: number): void;
  event(event: TunnelEvent): void;
  /** Relays came or went, or are preferred differently. */
  changed?(now: Instant): void;
  /** For tests of the filter; without them it stays unknown. */
  readonly sockets?: FreshSockets;
  /** The answer to `askLate` came. */
  late?(beacon: Endpoint, via: number, now: Instant): void;
}

/**
 * Keeps our node registered at its beacons and, as a visitor, at those of its peers; measures them; learns our endpoint
 * as they see it. spec/04 §2.2, §3.2
 */
export class Beacons {
  readonly #options: BeaconsOptions;
  readonly #random: Random;
  readonly #vantage: Vantage;
  readonly #survey: BeaconSurvey;
  #identity: SigningKey;
  #node: NodeId = 0;
  #othersEvery = OTHERS_EVERY;
  #registrations: Registration[] = [];
  /** Beacons of peers. */
  #visits: Registration[] = [];
  /** Byte streams to beacons that are up. */
  #carriers: Endpoint[] = [];
  /** Ours where we are registered, the best first. */
  #homes: readonly Registration[] = [];
  #usable: readonly Endpoint[] = [];
  #lastHomes: readonly Endpoint[] = [];
  readonly #silence = new Silence();

  constructor(options: BeaconsOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#identity = options.identity;
    this.#vantage = new Vantage(options.random.fork('tokens'));
    this.#survey = new BeaconSurvey(
      this.#vantage,
      (to, data, via) => options.transmit(to, data, via),
      options.sockets,
    );
  }

  /** Used from the next registration on. */
  setIdentity(identity: SigningKey): void {
    this.#identity = identity;
    for (const one of this.#all()) one.signed = undefined;
  }

  setNode(node: NodeId): void {
    this.#node = node;
    this.#visits = [];
    for (const one of this.#registrations) {
      one.signed = undefined;
      one.nextAt = 0;
    }
  }

  /** Replaces the list; beacons that stay keep their state. Byte streams are told by `setCarrier`. */
  set(endpoints: readonly Endpoint[], now: Instant): void {
    const before = this.#registrations;
    this.#registrations = endpoints
      .filter((endpoint) => !isCarrier(endpoint))
      .map((endpoint) => {
        const known = this.#find(endpoint) ?? registrationAt(endpoint, now);
        known.visitedAt = undefined;
        return known;
      });
    for (const one of before) if (!this.#registrations.includes(one)) this.#survey.release(one);
    this.#visits = this.#visits.filter((one) => !this.#registrations.includes(one));
    this.#rank(now);
    this.#listen(now);
    this.#options.changed?.(now);
  }

  /** A byte stream to a beacon opened or closed. While open it is one more beacon, for relaying only. */
  setCarrier(endpoint: Endpoint, up: boolean, now: Instant): void {
    this.#carriers = this.#carriers.filter((one) => !sameEndpoint(one, endpoint));
    if (up) this.#carriers.push(endpoint);
    this.#rank(now);
    this.#options.changed?.(now);
  }

  /** How long the NAT keeps a mapping that is not used: beacons other than the best are heard as often. */
  setKeepAlive(every: Millis): void {
    this.#othersEvery = every;
  }

  /** True for a beacon of ours or one that we visit, and for a byte stream to one. */
  has(endpoint: Endpoint): boolean {
    return this.#find(endpoint) !== undefined || this.#carriers.some((one) => sameEndpoint(one, endpoint));
  }

  /** A frame of a peer came by this beacon: a visit there goes on. */
  used(endpoint: Endpoint, now: Instant): void {
    if (this.#visits.length === 0) return;
    const visit = this.#visits.find((one) => sameEndpoint(one.endpoint, endpoint));
    if (visit !== undefined) visit.visitedAt = now;
  }

  /** A byte stream to a beacon is open. */
  hasStream(): boolean {
    return this.#carriers.length > 0;
  }

  /** True for the second port of a beacon of ours. */
  isAlternate(endpoint: Endpoint): boolean {
    return this.#alternateOf(endpoint) !== undefined;
  }

  /** Beacons to relay through, the best first: those that answer, or all while none does. */
  usable(): readonly Endpoint[] {
    return this.#usable;
  }

  /** Where we are registered and can be reached, the best first; while that is nowhere, where it was last. */
  homes(): readonly Endpoint[] {
    return this.#lastHomes;
  }

  /**
   * Where frames for a peer with these beacons can be relayed, the best first: common ones, or, when there are none,
   * its own, where with `visit` we register for it; then the rest of ours, which may know more than we do.
   */
  relaysFor(beacons: readonly Endpoint[], now: Instant, visit: boolean): readonly Endpoint[] {
    if (beacons.length === 0) return this.#usable;
    const isTheirs = (endpoint: Endpoint): boolean => beacons.some((one) => sameEndpoint(one, endpoint));
    const common = this.#usable.filter(isTheirs);
    const works = common.some((endpoint) => isCarrier(endpoint) || this.#find(endpoint)?.lost === false);
    const visited =
      works || (this.#silence.silent && this.hasStream()) ? [] : this.#visited(beacons, now, visit);
    return [...common, ...visited, ...this.#usable.filter((endpoint) => !isTheirs(endpoint))];
  }

  /** The peer offers to relay, at this endpoint, or does so no longer. Its relay stands behind our beacons. */
  offer(peer: NodeId, endpoint: Endpoint | undefined, now: Instant): void {
    for (const one of this.#visits) if (one.offeredBy === peer) one.offeredBy = undefined;
    const offers = this.#visits.filter(({ offeredBy }) => offeredBy !== undefined).length;
    if (endpoint !== undefined && offers < MAX_OFFERS) {
      this.#visited([endpoint], now, true);
      const one = this.#visits.find((visit) => sameEndpoint(visit.endpoint, endpoint));
      if (one !== undefined) one.offeredBy = peer;
    }
    if (this.#rank(now)) this.#options.changed?.(now);
  }

  /** Beacons and open byte streams, as far as they are known to work. */
  facts(): BeaconFacts[] {
    const stream = { usable: true, observed: undefined, rtt: undefined };
    return [
      ...this.#registrations.map((one) => ({ ...one, usable: answers(one) })).map(factsOf),
      ...this.#carriers.map((endpoint) => ({ endpoint, ...stream })),
    ];
  }

  /** Our endpoint as the best beacon sees it, over IPv4 where there is one: old peers know no other. */
  observed(): Endpoint | undefined {
    const seen = ranked(this.#registrations.filter(answers), this.#usable[0]).map((one) => one.observed!);
    return seen.find(({ host }) => !host.includes(':')) ?? seen[0];
  }

  /** As every beacon sees us, best first, each endpoint once. */
  observedAll(): readonly Endpoint[] {
    return observedBy(this.#registrations);
  }

  /** What was asked of the beacons about our sockets, and what they saw. */
  observations(): readonly Observation[] {
    return this.#vantage.all();
  }

  /**
   * Asks how a socket looks from a beacon, by default the best that answers; `observations` has the answer once it
   * came. `unsolicited`: the answer shall come from its second port. False when there is no beacon to ask.
   */
  ask(via: number, now: Instant, beacon?: Endpoint, unsolicited = false): boolean {
    const one = this.#askable(beacon);
    if (one === undefined || (unsolicited && one.alternatePort === 0)) return false;
    this.#survey.ask(one, { alternate: false, unsolicited, via }, now);
    return true;
  }

  /**
   * Asks for an answer `seconds` later, at most 300: whether it arrives tells whether the mapping of the socket still
   * lived. False when no beacon can do that.
   */
  askLate(via: number, seconds: number, now: Instant, beacon?: Endpoint): boolean {
    const one = this.#askable(beacon);
    if (one?.repeatsTokens !== true) return false;
    this.#survey.askLate(one, via, seconds, now);
    return true;
  }

  /** A socket is closed. */
  forgetSocket(via: number): void {
    this.#vantage.forget(via);
  }

  /** Asks the beacons with a second port how our main socket is mapped and filtered, again. */
  survey(now: Instant): void {
    for (const one of this.#registrations) this.#survey.begin(one, now);
  }

  /** Takes an answer; true when this beacon saw us at another endpoint before. */
  discoverReply(from: Endpoint, reply: DiscoverReply, now: Instant, via = 0): boolean {
    const { endpoint, answer, challenge } = reply;
    const one = this.#find(from) ?? this.#alternateOf(from);
    if (one === undefined) return false;
    if (answer === undefined) {
      if (one.repeatsTokens || via !== 0 || !sameEndpoint(one.endpoint, from)) return false;
      this.#vantage.answeredPlainly(mainQuestion(one), endpoint, now);
      if (one.unanswered === 1) measured(one, now - one.sentAt);
      return this.#answered(one, endpoint, challenge, undefined, now);
    }
    const late = this.#vantage.answeredLate(answer.token, via, now);
    if (late !== undefined) {
      this.#options.late?.(late, via, now);
      return false;
    }
    const seen = this.#vantage.answered(answer.token, via, endpoint, now);
    if (seen === undefined || !sameEndpoint(seen.beacon, one.endpoint)) return false;
    one.repeatsTokens = true;
    if (one.alternatePort !== answer.alternatePort) {
      one.alternatePort = answer.alternatePort;
      if (via === 0) this.#survey.begin(one, now, true);
    }
    if (via !== 0 || seen.alternate || seen.unsolicited) return false;
    measured(one, seen.rtt);
    if (answer.settled) one.signed = undefined;
    const moved = this.#answered(one, endpoint, challenge, answer.mark, now);
    if (moved) this.#survey.begin(one, now, true);
    return moved;
  }

  /** Registers again soon: relaying does not seem to work. `moved`: we may have changed networks. */
  refresh(now: Instant, moved = false): void {
    const noneAnswers = !this.#registrations.some(answers);
    for (const one of this.#all()) {
      if (moved && one.unanswered > LOST_AFTER) one.unanswered = LOST_AFTER;
      const worth = moved || noneAnswers || !one.lost;
      if (worth && now - one.sentAt >= REFRESH_PAUSE && one.nextAt > now) one.nextAt = now;
    }
  }

  /** The host is on another network: what was asked from the old one says nothing, so all are asked anew, at once. */
  hostMoved(now: Instant): void {
    for (const one of this.#all()) {
      if (now - one.sentAt < MOVED_PAUSE) continue;
      one.unanswered = 0;
      one.nextAt = Math.min(one.nextAt, now);
    }
  }

  handleTimeout(now: Instant): void {
    for (const one of this.#all()) {
      if (this.#survey.due(one) <= now) this.#survey.advance(one, now);
      if (one.nextAt > now) continue;
      if (isOver(one, now)) {
        this.#visits = this.#visits.filter((visit) => visit !== one);
        this.#options.changed?.(now);
        continue;
      }
      if (one.unanswered >= LOST_AFTER && !one.lost) this.#lose(one, now);
      one.proofs = 0;
      this.#register(one, now);
    }
    this.#listen(now);
  }

  nextTimeout(): Instant {
    let next = this.#silence.due;
    for (const one of this.#all()) next = Math.min(next, one.nextAt, this.#survey.due(one));
    return next;
  }

  #answered(
    one: Registration,
    observed: Endpoint,
    challenge: Uint8Array | undefined,
    mark: Uint8Array | undefined,
    now: Instant,
  ): boolean {
    const wasAnswering = answers(one);
    one.askedAt = undefined;
    this.#listen(now);
    const moved = one.observed !== undefined && !sameEndpoint(one.observed, observed);
    const isNews = one.observed === undefined || moved;
    one.observed = observed;
    one.lost = false;
    if (one.unanswered > 0) {
      one.unanswered = 0;
      one.nextAt = now + this.#vary(this.#everyOf(one));
    }
    const isOurs = one.visitedAt === undefined || one.offeredBy !== undefined;
    const isReordered = isOurs && this.#rank(now);
    if (isReordered || !wasAnswering) this.#options.changed?.(now);
    if (isNews) this.#options.event({ name: 'beacon.observed', beacon: one.endpoint, endpoint: observed });
    if (mark !== undefined) one.mark = mark.slice();
    if (challenge !== undefined) this.#prove(one, challenge, mark !== undefined, now);
    return moved;
  }

  #listen(now: Instant): void {
    if (!this.#silence.changed(this.#registrations, now)) return;
    this.#rank(now);
    this.#options.event({ name: this.#silence.silent ? 'beacon.silent' : 'beacon.answered' });
    this.#options.changed?.(now);
  }

  #lose(one: Registration, now: Instant): void {
    one.lost = true;
    one.observed = undefined;
    one.rtt = undefined;
    one.repeatsTokens = false;
    one.signed = undefined;
    this.#options.event({ name: 'beacon.lost', beacon: one.endpoint });
    this.#rank(now);
    this.#options.changed?.(now);
  }

  /** Registers, and again soon if no answer comes: a proof that is lost leaves us where we were before. */
  #register(one: Registration, now: Instant): void {
    one.sentAt = now;
    one.unanswered++;
    one.askedAt ??= now;
    const othersAnswer = one.visitedAt !== undefined || this.#registrations.some(answers);
    one.nextAt = now + this.#vary(repeatAfter(one.unanswered, othersAnswer));
    const question = { token: this.#vantage.asked(mainQuestion(one), now), elsewhere: false };
    const { signed } = one;
    const node = this.#isHome(one) ? this.#node : 0;
    // A beacon that repeats no tokens takes a proof only in its own form.
    const message =
      signed?.named === false ? encodeDiscover(node, signed) : encodeDiscover(node, signed, question);
    this.#options.transmit(one.endpoint, message);
  }

  /** Of the beacons of a peer those where we are, or with `go` where we now go. */
  #visited(beacons: readonly Endpoint[], now: Instant, go: boolean): Endpoint[] {
    const wanted = beacons.filter(
      (one) => !isCarrier(one) && !this.#usable.some((own) => sameEndpoint(own, one)),
    );
    const found: Endpoint[] = [];
    for (const endpoint of wanted) {
      if (found.length >= VISITS_PER_PEER) break;
      const known = this.#find(endpoint);
      if (known !== undefined) {
        if (known.visitedAt === undefined || known.lost) continue;
        if (go) known.visitedAt = now;
        found.push(endpoint);
      } else if (go && this.#makeRoom(now)) {
        const visit = { ...registrationAt(endpoint, now), visitedAt: now };
        this.#visits.push(visit);
        // At once, so that it arrives before what is to be relayed.
        this.#register(visit, now);
        visit.unanswered = 1;
        visit.nextAt = now + this.#vary(repeatAfter(1, true));
        found.push(endpoint);
      }
    }
    return found;
  }

  /** The visit unused for longest gives way, unless all were used just now. */
  #makeRoom(now: Instant): boolean {
    if (this.#visits.length < MAX_VISITS) return true;
    const guests = this.#visits.filter(({ offeredBy }) => offeredBy === undefined);
    const oldest = guests.reduce((a, b) => ((a.visitedAt ?? 0) <= (b.visitedAt ?? 0) ? a : b));
    if (now - (oldest.visitedAt ?? 0) < 10_000) return false;
    this.#visits = this.#visits.filter((one) => one !== oldest);
    return true;
  }

  #prove(one: Registration, challenge: Uint8Array, named: boolean, now: Instant): void {
    if (this.#node === 0 || one.proofs >= MAX_PROOFS || !this.#isHome(one)) return;
    if (one.visitedAt !== undefined && !(named && this.#isItself(one))) return;
    if (one.signed !== undefined && one.signed.named === named && equal(one.signed.challenge, challenge))
      return;
    one.proofs++;
    const kept = challenge.slice();
    const content = discoverSignedBytes(this.#node, kept, named ? one.mark : undefined);
    const signature = this.#identity.sign(content);
    const { publicKey } = this.#identity;
    one.signed = { challenge: kept, signature, named, ...(named && { key: publicKey }) };
    this.#register(one, now);
  }

  /** A visited beacon that shows the mark of another could use our proof there. */
  #isItself(one: Registration): boolean {
    for (const other of this.#all())
      if (other !== one && other.mark !== undefined && equal(other.mark, one.mark!)) return false;
    return true;
  }

  /** The beacon named, else the best that answers. */
  #askable(beacon: Endpoint | undefined): Registration | undefined {
    if (beacon !== undefined) return this.#find(beacon);
    return this.#homes.find(answers) ?? this.#registrations[0];
  }

  #find(endpoint: Endpoint): Registration | undefined {
    const here = (one: Registration): boolean => sameEndpoint(one.endpoint, endpoint);
    return this.#registrations.find(here) ?? this.#visits.find(here);
  }

  #alternateOf({ host, port }: Endpoint): Registration | undefined {
    if (port === 0) return undefined;
    return this.#registrations.find((one) => one.endpoint.host === host && one.alternatePort === port);
  }

  #all(): readonly Registration[] {
    return this.#visits.length === 0 ? this.#registrations : [...this.#registrations, ...this.#visits];
  }

  /** Whether we are registered there, not only measure it. */
  #isHome(one: Registration): boolean {
    return one.visitedAt !== undefined || this.#homes.includes(one);
  }

  #everyOf(one: Registration): Millis {
    if (!this.#isHome(one)) return MEASURE_EVERY;
    return one === this.#homes[0] ? this.#options.every : Math.max(this.#othersEvery, this.#options.every);
  }

  #vary(pause: Millis): Millis {
    return pause * (0.9 + 0.2 * this.#random.fraction());
  }

  /** Chooses anew; true when others than before are to be preferred. */
  #rank(now: Instant): boolean {
    const homes = homesOf(this.#registrations, this.#homes[0]?.endpoint);
    for (const one of homes) {
      // Until now it was only measured.
      if (one.observed !== undefined && !this.#homes.includes(one)) one.nextAt = Math.min(one.nextAt, now);
    }
    this.#homes = homes.length > 0 ? homes : this.#registrations.slice(0, MAX_HOMES);
    const offered = this.#visits.filter((one) => one.offeredBy !== undefined && answers(one));
    const found = [...homes.filter(answers), ...offered].map((one) => one.endpoint);
    if (found.length > 0) this.#lastHomes = found.slice(0, MAX_HOMES);
    const isStreamAlone = this.#silence.silent && this.hasStream();
    const udp = isStreamAlone ? [] : [...homes, ...offered].map((one) => one.endpoint);
    const usable = [...udp, ...this.#carriers];
    const before = this.#usable;
    this.#usable = usable.length > 0 ? usable : this.#registrations.map((one) => one.endpoint);
    return this.#usable.some((one, at) => before[at] === undefined || !sameEndpoint(one, before[at]));
  }
}
