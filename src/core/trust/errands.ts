import type { Random } from '../../base/random.ts';
import type { Instant, Millis, NodeId } from '../../base/units.ts';
import { ERRAND_LIMIT, FLIGHT_LIMIT, RELAY_GRACE } from './limits.ts';

/** Something that must reach a peer or the registry, tried until it did. */
export type ErrandKind = 'request' | 'accept' | 'confirm' | 'reject' | 'revoke' | 'acknowledge' | 'report';
export type Leg = 'direct' | 'relay';
type LegState = 'due' | 'flying' | 'done';

export interface Errand {
  readonly kind: ErrandKind;
  /** Undefined only for requests by hostname. */
  readonly peer: NodeId | undefined;
  /** The request this is about; for `acknowledge`, the revocation, for `confirm` the accept. */
  readonly requestId: string;
  readonly reason: string;
  /** Goes on until it is cancelled: the peer has to answer. */
  readonly lasting?: boolean;
}

interface Entry {
  readonly key: string;
  readonly errand: Errand;
  direct: LegState;
  relay: LegState;
  readonly flewAt: Record<Leg, Instant>;
  /** The direct sending whose result counts; 0 before the first. */
  ref: number;
  rounds: number;
  /** When the next round begins. */
  nextAt: Instant;
  /** Holds the relay back in the first round; undefined when it is not held. */
  relayAt: Instant | undefined;
  /** Known from the first round on: a restored errand begins at an instant nobody knows yet. */
  expiresAt: Instant | undefined;
  deliveries: number;
}

/** One sending. `ref` names it when its leg is direct. */
export interface Departure {
  readonly errand: Errand;
  readonly leg: Leg;
  readonly ref: number;
}

interface Pace {
  readonly first: Millis;
  readonly longest: Millis;
  readonly lifetime: Millis;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Chosen: the first repeats come quickly enough for a user who waits, the last ones cost an idle network nothing. */
const PACES: Readonly<Record<ErrandKind, Pace>> = {
  request: { first: 10_000, longest: HOUR, lifetime: Number.POSITIVE_INFINITY },
  accept: { first: 5_000, longest: 10 * MINUTE, lifetime: 24 * HOUR },
  confirm: { first: 5_000, longest: 10 * MINUTE, lifetime: 24 * HOUR },
  reject: { first: 5_000, longest: 10 * MINUTE, lifetime: 24 * HOUR },
  acknowledge: { first: 5_000, longest: 10 * MINUTE, lifetime: HOUR },
  revoke: { first: 5_000, longest: HOUR, lifetime: 7 * 24 * HOUR },
  report: { first: 5_000, longest: HOUR, lifetime: Number.POSITIVE_INFINITY },
};

/** Schedules errands with growing pauses. Sending is the owner's part. */
export class Errands {
  readonly #random: Random;
  readonly #entries = new Map<string, Entry>();
  readonly #flights = new Map<number, string>();
  #lastRef = 0;
  #next: Instant | undefined;
  #stale = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * Begins an errand, or begins it anew when the same one is under way. `legs` names the ways it may go.
   * A request's relay waits for the direct way for a moment, unless `bothAtOnce`.
   */
  start(errand: Errand, legs: readonly Leg[], now: Instant, bothAtOnce = false): void {
    const key = keyOf(errand);
    this.cancel(key);
    if (this.#entries.size >= ERRAND_LIMIT) this.#evict();
    this.#entries.set(key, {
      key,
      errand,
      direct: legs.includes('direct') ? 'due' : 'done',
      relay: legs.includes('relay') ? 'due' : 'done',
      flewAt: { direct: now, relay: now },
      ref: 0,
      rounds: bothAtOnce ? 1 : 0,
      nextAt: now,
      relayAt: undefined,
      expiresAt: undefined,
      deliveries: 0,
    });
    this.#stale = true;
  }

  cancel(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(entry);
  }

  /** The errand a direct sending belongs to, while its result counts. */
  errandOf(ref: number): Errand | undefined {
    const key = this.#flights.get(ref);
    return key === undefined ? undefined : this.#entries.get(key)?.errand;
  }

  /** How often the errand was delivered directly, this delivery included. */
  countDelivery(ref: number): number {
    const entry = this.#entries.get(this.#flights.get(ref) ?? '');
    return entry === undefined ? 0 : ++entry.deliveries;
  }

  /** Nothing is left to do by this way. */
  legDone(key: string, leg: Leg): Errand | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry[leg] = 'done';
    return this.#finished(entry);
  }

  /**
   * A way is open again, to one peer or to the registry: what waits for its next round by this way begins it now, at
   * most `spread` later.
   */
  hasten(leg: Leg, peer: NodeId | undefined, now: Instant, spread: Millis): void {
    for (const entry of this.#entries.values()) {
      if (entry[leg] !== 'due' || entry.rounds === 0) continue;
      if (peer !== undefined && entry.errand.peer !== peer) continue;
      entry.nextAt = Math.min(entry.nextAt, now + spread * this.#random.fraction());
      entry.rounds = 1;
      this.#stale = true;
    }
  }

  /** The registry knows of our withdrawal from a peer: what we ask it since may follow. */
  withdrawn(peer: NodeId, now: Instant): void {
    for (const entry of this.#entries.values()) {
      if (entry.errand.kind !== 'request' || entry.errand.peer !== peer || entry.relay !== 'due') continue;
      entry.nextAt = Math.min(entry.nextAt, now);
      this.#stale = true;
    }
  }

  /** The legs to send now. Each is in flight until reported with `directSettled` or `relaySettled`. */
  due(now: Instant): { readonly departures: readonly Departure[]; readonly expired: readonly Errand[] } {
    const departures: Departure[] = [];
    const expired: Errand[] = [];
    const next = this.nextTimeout();
    if (next === undefined || next > now) return { departures, expired };
    for (const entry of this.#entries.values()) {
      if (entry.expiresAt !== undefined && entry.expiresAt <= now) {
        this.#remove(entry);
        expired.push(entry.errand);
      } else if (entry.nextAt <= now) {
        this.#beginRound(entry, now, departures);
      } else if (entry.relayAt !== undefined && entry.relayAt <= now) {
        entry.relayAt = undefined;
        if (this.#isDue(entry, 'relay', now)) this.#fly(entry, 'relay', now, departures);
      } else continue;
      this.#stale = true;
    }
    return { departures, expired };
  }

  /** The result of a direct sending. Returns the errand when nothing of it is left to do. */
  directSettled(ref: number, ok: boolean, now: Instant): Errand | undefined {
    const key = this.#flights.get(ref);
    if (key === undefined) return undefined;
    this.#flights.delete(ref);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.direct !== 'flying') return undefined;
    entry.direct = ok ? 'done' : 'due';
    this.#stale = true;
    if (entry.relayAt !== undefined) entry.relayAt = ok ? undefined : now;
    return this.#finished(entry);
  }

  /** The result of handing an errand to the registry. Returns the errand when nothing of it is left to do. */
  relaySettled(key: string, ok: boolean): Errand | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.relay !== 'flying') return undefined;
    entry.relay = ok ? 'done' : 'due';
    // What the registry keeps for the peer arrives sooner or later; a revocation is still repeated until it is heard.
    const { kind, lasting } = entry.errand;
    if (ok && kind !== 'revoke' && kind !== 'request' && lasting !== true) entry.direct = 'done';
    return this.#finished(entry);
  }

  nextTimeout(): Instant | undefined {
    if (this.#stale) {
      this.#stale = false;
      this.#next = undefined;
      for (const entry of this.#entries.values()) {
        const at = Math.min(entry.nextAt, entry.relayAt ?? entry.nextAt, entry.expiresAt ?? entry.nextAt);
        if (this.#next === undefined || at < this.#next) this.#next = at;
      }
    }
    return this.#next;
  }

  #beginRound(entry: Entry, now: Instant, departures: Departure[]): void {
    const pace = PACES[entry.errand.kind];
    const pause = Math.min(pace.first * 2 ** Math.min(entry.rounds, 20), pace.longest);
    entry.nextAt = now + pause * (0.9 + 0.2 * this.#random.fraction());
    const isRequest = entry.errand.kind === 'request';
    const isFirst = entry.rounds === 0;
    entry.expiresAt ??= now + pace.lifetime;
    entry.rounds++;
    // A request is only over when it is answered; anything else when each way was taken once.
    if ((isRequest || entry.errand.lasting === true) && entry.errand.peer !== undefined) entry.direct = 'due';
    if (isRequest) entry.relay = 'due';
    if (this.#isDue(entry, 'direct', now)) this.#fly(entry, 'direct', now, departures);
    if (!this.#isDue(entry, 'relay', now)) return;
    if (isRequest && isFirst && entry.direct === 'flying') entry.relayAt = now + RELAY_GRACE;
    else this.#fly(entry, 'relay', now, departures);
  }

  #isDue(entry: Entry, leg: Leg, now: Instant): boolean {
    if (leg === 'relay' && this.#isHeldBack(entry)) return false;
    return entry[leg] === 'due' || (entry[leg] === 'flying' && now - entry.flewAt[leg] >= FLIGHT_LIMIT);
  }

  /** A withdrawal that reaches the registry after a question takes the question with it. */
  #isHeldBack({ errand }: Entry): boolean {
    if (errand.kind !== 'request' || errand.peer === undefined) return false;
    const relay = this.#entries.get(`revoke:${errand.peer}`)?.relay;
    return relay === 'due' || relay === 'flying';
  }

  #fly(entry: Entry, leg: Leg, now: Instant, departures: Departure[]): void {
    entry[leg] = 'flying';
    entry.flewAt[leg] = now;
    if (leg === 'direct') {
      this.#flights.delete(entry.ref);
      entry.ref = ++this.#lastRef;
      this.#flights.set(entry.ref, entry.key);
    }
    departures.push({ errand: entry.errand, leg, ref: entry.ref });
  }

  #finished(entry: Entry): Errand | undefined {
    if (
      entry.errand.kind === 'request' ||
      entry.errand.lasting === true ||
      entry.direct !== 'done' ||
      entry.relay !== 'done'
    )
      return undefined;
    this.#remove(entry);
    return entry.errand;
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#flights.delete(entry.ref);
    this.#stale = true;
  }

  /** Makes room at the cost of an answer: its asker repeats the question. */
  #evict(): void {
    let victim: Entry | undefined;
    for (const entry of this.#entries.values()) {
      victim ??= entry;
      const { kind } = entry.errand;
      if (kind === 'request' || kind === 'revoke' || kind === 'report') continue;
      victim = entry;
      break;
    }
    if (victim !== undefined) this.#remove(victim);
  }
}

/** Requests are told apart by their id, everything else by peer: there is one of a kind per peer. */
export function keyOf(errand: Pick<Errand, 'kind' | 'peer' | 'requestId'>): string {
  return errand.kind === 'request' ? `request:${errand.requestId}` : `${errand.kind}:${errand.peer}`;
}
