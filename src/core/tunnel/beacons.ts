import { equal } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import { isCarrier, sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { type BeaconMessage, encodeDiscover } from '../../wire/beacon.ts';
import { type DiscoverProof, discoverSignedBytes } from '../../wire/beacon-extension.ts';
import type { BeaconFacts } from '../path/node-facts.ts';
import { Silence } from './silence.ts';
import type { TunnelEvent } from './types.ts';
import { type Observation, Vantage } from './vantage.ts';

// Chosen.

/** Registrations without an answer after which a beacon counts as lost. */
const LOST_AFTER = 3;
/** An unanswered registration is repeated sooner than the next regular one. */
const REPEAT: readonly Millis[] = [500, 1_000, 2_000, 5_000];
/** Least time between registrations that silent peers cause. */
const REFRESH_PAUSE: Millis = 1_500;
/** Challenges answered per registration: a beacon that keeps asking is not obeyed. */
const MAX_PROOFS = 2;
/** The filter is asked about first: a question to the second port opens it. Times count from the first answer. */
const SURVEY: readonly { readonly after: Millis; readonly alternate: boolean }[] = [
  { after: 0, alternate: false },
  { after: 250, alternate: false },
  { after: 700, alternate: false },
  { after: 1_500, alternate: true },
  { after: 2_000, alternate: true },
];
/** A filter that a question of ours opened is taken to be closed again after this. */
const FILTER_LIFETIME: Millis = 300_000;
const NEVER = Number.POSITIVE_INFINITY;
const LONG_AGO = Number.NEGATIVE_INFINITY;

type DiscoverReply = Extract<BeaconMessage, { type: 'discoverReply' }>;

interface Registration {
  readonly endpoint: Endpoint;
  observed: Endpoint | undefined;
  lost: boolean;
  unanswered: number;
  proofs: number;
  /** It repeats our tokens: nothing without one is believed. */
  repeatsTokens: boolean;
  /** By what it tells itself apart from other beacons. */
  mark: Uint8Array | undefined;
  alternatePort: number;
  /** Proof for the last challenge, until the beacon needs none. */
  signed: Signed | undefined;
  sentAt: Instant;
  /** When the first registration was sent that is not answered yet. */
  askedAt: Instant | undefined;
  nextAt: Instant;
  /** Next step of `SURVEY`, when it began, and when it last opened the filter. */
  step: number;
  surveyAt: Instant;
  openedAt: Instant;
}

interface Signed extends DiscoverProof {
  /** The proof names the beacon, and is for one that repeats tokens. */
  readonly named: boolean;
}

/** Keeps our node registered at each beacon and learns our endpoint as they see it. spec/04 §2.2, §3.2 */
export class Beacons {
  readonly #random: Random;
  #identity: SigningKey;
  readonly #every: Millis;
  readonly #transmit: (to: Endpoint, data: Uint8Array, via?: number) => void;
  readonly #event: (event: TunnelEvent) => void;
  readonly #late: (beacon: Endpoint, via: number, now: Instant) => void;
  readonly #vantage: Vantage;
  #node: NodeId = 0;
  #registrations: Registration[] = [];
  /** Byte streams to beacons that are up. */
  #carriers: Endpoint[] = [];
  readonly #silence = new Silence();
  #usable: readonly Endpoint[] = [];

  constructor(parts: {
    random: Random;
    identity: SigningKey;
    every: Millis;
    transmit: (to: Endpoint, data: Uint8Array, via?: number) => void;
    event: (event: TunnelEvent) => void;
    /** The answer to `askLate` came. */
    late?: (beacon: Endpoint, via: number, now: Instant) => void;
  }) {
    this.#random = parts.random;
    this.#identity = parts.identity;
    this.#every = parts.every;
    this.#transmit = parts.transmit;
    this.#event = parts.event;
    this.#late = parts.late ?? (() => {});
    this.#vantage = new Vantage(parts.random.fork('tokens'));
  }

  /** Used from the next registration on. */
  setIdentity(identity: SigningKey): void {
    this.#identity = identity;
    for (const one of this.#registrations) one.signed = undefined;
  }

  setNode(node: NodeId): void {
    this.#node = node;
    for (const one of this.#registrations) {
      one.signed = undefined;
      one.nextAt = 0;
    }
  }

  /** Replaces the list; beacons that stay keep their state. Byte streams are told by `setCarrier`. */
  set(endpoints: readonly Endpoint[], now: Instant): void {
    this.#registrations = endpoints
      .filter((endpoint) => !isCarrier(endpoint))
      .map((endpoint) => this.#find(endpoint) ?? registrationAt(endpoint, now));
    this.#rank();
    this.#listen(now);
  }

  /** A byte stream to a beacon opened or closed. While open it is one more beacon, for relaying only. */
  setCarrier(endpoint: Endpoint, up: boolean): void {
    this.#carriers = this.#carriers.filter((one) => !sameEndpoint(one, endpoint));
    if (up) this.#carriers.push(endpoint);
    this.#rank();
  }

  /** True for a beacon of ours, or a byte stream to one. */
  has(endpoint: Endpoint): boolean {
    return this.#find(endpoint) !== undefined || this.#carriers.some((one) => sameEndpoint(one, endpoint));
  }

  /** A byte stream to a beacon is open. */
  hasStream(): boolean {
    return this.#carriers.length > 0;
  }

  /** True for the second port of a beacon of ours. */
  isAlternate(endpoint: Endpoint): boolean {
    return this.#alternateOf(endpoint) !== undefined;
  }

  /** Beacons to relay through: those that answer first. */
  usable(): readonly Endpoint[] {
    return this.#usable;
  }

  /** Beacons and open byte streams, as far as they are known to work. */
  facts(): BeaconFacts[] {
    const answers = this.#registrations.map(({ endpoint, lost, observed }) => ({
      endpoint,
      usable: !lost && observed !== undefined,
      observed,
      rtt: undefined,
    }));
    const streams = this.#carriers.map((endpoint) => ({
      endpoint,
      usable: true,
      observed: undefined,
      rtt: undefined,
    }));
    return [...answers, ...streams];
  }

  /** Our endpoint as the best beacon sees it; any answer counts, also before we have a node id. */
  observed(): Endpoint | undefined {
    return this.#registrations.find((one) => one.observed !== undefined && !one.lost)?.observed;
  }

  /** As every beacon sees us, best first, each endpoint once. */
  observedAll(): readonly Endpoint[] {
    const found: Endpoint[] = [];
    for (const { observed, lost } of this.#registrations) {
      if (observed === undefined || lost) continue;
      if (!found.some((one) => sameEndpoint(one, observed))) found.push(observed);
    }
    return found;
  }

  /** What was asked of the beacons about our sockets, and what they saw. */
  observations(): readonly Observation[] {
    return this.#vantage.all();
  }

  /**
   * Asks how a socket looks from a beacon, by default the best that answers; `observations` has the answer once it
   * came. False when there is no beacon to ask.
   */
  ask(via: number, now: Instant, beacon?: Endpoint): boolean {
    const one = this.#askable(beacon);
    if (one === undefined) return false;
    this.#ask(one, { alternate: false, unsolicited: false, via }, now);
    return true;
  }

  /**
   * Asks for an answer `seconds` later, at most 300: whether it arrives tells whether the mapping of the socket still
   * lived. False when no beacon can do that.
   */
  askLate(via: number, seconds: number, now: Instant, beacon?: Endpoint): boolean {
    const one = this.#askable(beacon);
    if (one?.repeatsTokens !== true) return false;
    const token = this.#vantage.askedLate(one.endpoint, via, 1000 * seconds, now);
    this.#transmit(
      one.endpoint,
      encodeDiscover(0, undefined, { token, elsewhere: false, delay: seconds }),
      via,
    );
    return true;
  }

  /** A socket is closed. */
  forgetSocket(via: number): void {
    this.#vantage.forget(via);
  }

  /** Asks the beacons with a second port how our main socket is mapped and filtered, again. */
  survey(now: Instant): void {
    for (const one of this.#registrations) this.#beginSurvey(one, now);
  }

  /** Takes an answer; true when this beacon saw us at another endpoint before. */
  discoverReply(from: Endpoint, reply: DiscoverReply, now: Instant, via = 0): boolean {
    const { endpoint, answer, challenge } = reply;
    const one = this.#find(from) ?? this.#alternateOf(from);
    if (one === undefined) return false;
    if (answer === undefined) {
      if (one.repeatsTokens || via !== 0 || !sameEndpoint(one.endpoint, from)) return false;
      this.#vantage.answeredPlainly(mainQuestion(one), endpoint, now);
      return this.#answered(one, endpoint, challenge, undefined, now);
    }
    const late = this.#vantage.answeredLate(answer.token, via, now);
    if (late !== undefined) {
      this.#late(late, via, now);
      return false;
    }
    const seen = this.#vantage.answered(answer.token, via, endpoint, now);
    if (seen === undefined || !sameEndpoint(seen.beacon, one.endpoint)) return false;
    one.repeatsTokens = true;
    if (one.alternatePort !== answer.alternatePort) {
      one.alternatePort = answer.alternatePort;
      one.step = SURVEY.length;
      if (via === 0) this.#beginSurvey(one, now);
    }
    if (via !== 0 || seen.alternate || seen.unsolicited) return false;
    if (answer.settled) one.signed = undefined;
    const moved = this.#answered(one, endpoint, challenge, answer.mark, now);
    if (moved) this.#beginSurvey(one, now);
    return moved;
  }

  #answered(
    one: Registration,
    observed: Endpoint,
    challenge: Uint8Array | undefined,
    mark: Uint8Array | undefined,
    now: Instant,
  ): boolean {
    one.askedAt = undefined;
    this.#listen(now);
    if (one.unanswered > 0) {
      one.unanswered = 0;
      one.nextAt = now + this.#every * (0.9 + 0.2 * this.#random.fraction());
    }
    if (one.lost) {
      one.lost = false;
      this.#rank();
    }
    const moved = one.observed !== undefined && !sameEndpoint(one.observed, observed);
    if (one.observed === undefined || moved) {
      one.observed = observed;
      this.#event({ name: 'beacon.observed', beacon: one.endpoint, endpoint: observed });
    }
    if (mark !== undefined) one.mark = mark.slice();
    if (challenge !== undefined) this.#prove(one, challenge, mark !== undefined, now);
    return moved;
  }

  /** Registers again soon: relaying does not seem to work, our endpoint may have changed. */
  refresh(now: Instant): void {
    for (const one of this.#registrations) {
      if (now - one.sentAt >= REFRESH_PAUSE && one.nextAt > now) one.nextAt = now;
    }
  }

  handleTimeout(now: Instant): void {
    for (const one of this.#registrations) {
      if (surveyDue(one) <= now) this.#survey(one, now);
      if (one.nextAt > now) continue;
      if (one.unanswered >= LOST_AFTER && !one.lost) {
        one.lost = true;
        one.observed = undefined;
        one.repeatsTokens = false;
        this.#rank();
        this.#event({ name: 'beacon.lost', beacon: one.endpoint });
      }
      this.#register(one, now);
      one.sentAt = now;
      one.askedAt ??= now;
      one.proofs = 0;
      const pause = REPEAT[Math.min(one.unanswered, REPEAT.length - 1)]!;
      one.unanswered++;
      one.nextAt = now + pause * (0.9 + 0.2 * this.#random.fraction());
    }
    this.#listen(now);
  }

  nextTimeout(): Instant {
    let next = this.#silence.due;
    for (const one of this.#registrations) next = Math.min(next, one.nextAt, surveyDue(one));
    return next;
  }

  #listen(now: Instant): void {
    if (!this.#silence.changed(this.#registrations, now)) return;
    this.#rank();
    this.#event({ name: this.#silence.silent ? 'beacon.silent' : 'beacon.answered' });
  }

  #register(one: Registration, now: Instant): void {
    const question = { token: this.#vantage.asked(mainQuestion(one), now), elsewhere: false };
    const { signed } = one;
    if (signed?.named === false) {
      // A beacon that repeats no tokens takes a proof only in its own form.
      this.#transmit(one.endpoint, encodeDiscover(this.#node, signed));
    } else this.#transmit(one.endpoint, encodeDiscover(this.#node, signed, question));
  }

  #prove(one: Registration, challenge: Uint8Array, named: boolean, now: Instant): void {
    if (this.#node === 0 || one.proofs >= MAX_PROOFS) return;
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

  #beginSurvey(one: Registration, now: Instant): void {
    if (one.alternatePort === 0 || one.step < SURVEY.length) return;
    one.surveyAt = now;
    one.step = now - one.openedAt < FILTER_LIFETIME ? SURVEY.findIndex(({ alternate }) => alternate) : 0;
  }

  #survey(one: Registration, now: Instant): void {
    const { alternate } = SURVEY[one.step]!;
    one.step++;
    if (alternate) one.openedAt = now;
    this.#ask(one, { alternate, unsolicited: !alternate, via: 0 }, now);
  }

  #ask(
    one: Registration,
    about: { readonly alternate: boolean; readonly unsolicited: boolean; readonly via: number },
    now: Instant,
  ): void {
    const token = this.#vantage.asked({ beacon: one.endpoint, ...about }, now);
    const to = about.alternate ? { host: one.endpoint.host, port: one.alternatePort } : one.endpoint;
    this.#transmit(to, encodeDiscover(0, undefined, { token, elsewhere: about.unsolicited }), about.via);
  }

  /** The beacon named, else the best that answers. */
  #askable(beacon: Endpoint | undefined): Registration | undefined {
    if (beacon !== undefined) return this.#find(beacon);
    const answering = this.#registrations.find(({ lost, observed }) => !lost && observed !== undefined);
    return answering ?? this.#registrations[0];
  }

  #find(endpoint: Endpoint): Registration | undefined {
    for (const one of this.#registrations) if (sameEndpoint(one.endpoint, endpoint)) return one;
    return undefined;
  }

  #alternateOf({ host, port }: Endpoint): Registration | undefined {
    if (port === 0) return undefined;
    return this.#registrations.find((one) => one.endpoint.host === host && one.alternatePort === port);
  }

  #rank(): void {
    const isStreamAlone = this.#silence.silent && this.hasStream();
    const answering = this.#registrations.filter(({ lost }) => !lost && !isStreamAlone);
    const usable = [...answering.map(({ endpoint }) => endpoint), ...this.#carriers];
    this.#usable = usable.length > 0 ? usable : this.#registrations.map((one) => one.endpoint);
  }
}

function registrationAt(endpoint: Endpoint, now: Instant): Registration {
  return {
    endpoint,
    observed: undefined,
    lost: false,
    unanswered: 0,
    proofs: 0,
    repeatsTokens: false,
    mark: undefined,
    alternatePort: 0,
    signed: undefined,
    sentAt: LONG_AGO,
    askedAt: undefined,
    nextAt: now,
    step: SURVEY.length,
    surveyAt: 0,
    openedAt: LONG_AGO,
  };
}

function mainQuestion({ endpoint }: Registration): {
  beacon: Endpoint;
  alternate: false;
  unsolicited: false;
  via: 0;
} {
  return { beacon: endpoint, alternate: false, unsolicited: false, via: 0 };
}

function surveyDue({ step, surveyAt }: Registration): Instant {
  const next = SURVEY[step];
  return next === undefined ? NEVER : surveyAt + next.after;
}
