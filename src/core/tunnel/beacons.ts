import { equal } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import { isCarrier, sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { discoverSignedBytes, encodeDiscover } from '../../wire/beacon.ts';
import type { TunnelEvent } from './types.ts';

// Chosen.

/** Registrations without an answer after which a beacon counts as lost. */
const LOST_AFTER = 3;
/** An unanswered registration is repeated sooner than the next regular one. */
const REPEAT: readonly Millis[] = [500, 1_000, 2_000, 5_000];
/** Least time between registrations that silent peers cause. */
const REFRESH_PAUSE: Millis = 1_500;
/** Challenges answered per registration: a beacon that keeps asking is not obeyed. */
const MAX_PROOFS = 2;

interface Registration {
  readonly endpoint: Endpoint;
  observed: Endpoint | undefined;
  lost: boolean;
  unanswered: number;
  proofs: number;
  /** Signed Discover of the last challenge; beacons may keep accepting it. */
  signed: { readonly challenge: Uint8Array; readonly message: Uint8Array } | undefined;
  sentAt: Instant;
  nextAt: Instant;
  /** A byte stream: it is usable while its owner says that it is up, and never registered at from here. */
  readonly carrier: boolean;
  up: boolean;
}

/** Keeps our node registered at each beacon and learns our endpoint as they see it. spec/04 §2.2, §3.2 */
export class Beacons {
  readonly #random: Random;
  #identity: SigningKey;
  readonly #every: Millis;
  readonly #transmit: (to: Endpoint, data: Uint8Array) => void;
  readonly #event: (event: TunnelEvent) => void;
  #node: NodeId = 0;
  #registrations: Registration[] = [];
  #usable: readonly Endpoint[] = [];

  constructor(parts: {
    random: Random;
    identity: SigningKey;
    every: Millis;
    transmit: (to: Endpoint, data: Uint8Array) => void;
    event: (event: TunnelEvent) => void;
  }) {
    this.#random = parts.random;
    this.#identity = parts.identity;
    this.#every = parts.every;
    this.#transmit = parts.transmit;
    this.#event = parts.event;
  }

  /** Used from the next registration on. */
  setIdentity(identity: SigningKey): void {
    this.#identity = identity;
  }

  setNode(node: NodeId): void {
    this.#node = node;
    for (const one of this.#registrations) {
      one.signed = undefined;
      if (!one.carrier) one.nextAt = 0;
    }
  }

  /** Replaces the list; beacons that stay keep their state. */
  set(endpoints: readonly Endpoint[], now: Instant): void {
    this.#registrations = endpoints.map(
      (endpoint) =>
        this.#find(endpoint) ?? {
          endpoint,
          observed: undefined,
          lost: false,
          unanswered: 0,
          proofs: 0,
          signed: undefined,
          sentAt: Number.NEGATIVE_INFINITY,
          nextAt: isCarrier(endpoint) ? Number.POSITIVE_INFINITY : now,
          carrier: isCarrier(endpoint),
          up: false,
        },
    );
    this.#rank();
  }

  /** The byte stream to this beacon works, or does not any more. */
  setCarrier(endpoint: Endpoint, up: boolean): void {
    const one = this.#find(endpoint);
    if (one?.carrier !== true) return;
    one.up = up;
    this.#rank();
  }

  has(endpoint: Endpoint): boolean {
    return this.#find(endpoint) !== undefined;
  }

  /** Beacons to relay through: those that answer first. */
  usable(): readonly Endpoint[] {
    return this.#usable;
  }

  /** Our endpoint as the best beacon sees it; any answer counts, also before we have a node id. */
  observed(): Endpoint | undefined {
    return this.#registrations.find((one) => one.observed !== undefined && !one.lost)?.observed;
  }

  /** Takes an answer; true when this beacon saw us at another endpoint before. */
  discoverReply(
    from: Endpoint,
    observed: Endpoint,
    challenge: Uint8Array | undefined,
    now: Instant,
  ): boolean {
    const one = this.#find(from);
    if (one === undefined) return false;
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
    if (challenge !== undefined) this.#prove(one, challenge);
    return moved;
  }

  /** Registers again soon: relaying does not seem to work, our endpoint may have changed. */
  refresh(now: Instant): void {
    for (const one of this.#registrations) {
      if (!one.carrier && now - one.sentAt >= REFRESH_PAUSE && one.nextAt > now) one.nextAt = now;
    }
  }

  handleTimeout(now: Instant): void {
    for (const one of this.#registrations) {
      if (one.nextAt > now) continue;
      if (one.unanswered >= LOST_AFTER && !one.lost) {
        one.lost = true;
        one.observed = undefined;
        this.#rank();
        this.#event({ name: 'beacon.lost', beacon: one.endpoint });
      }
      this.#transmit(one.endpoint, one.signed?.message ?? encodeDiscover(this.#node));
      one.sentAt = now;
      one.proofs = 0;
      const pause = REPEAT[Math.min(one.unanswered, REPEAT.length - 1)]!;
      one.unanswered++;
      one.nextAt = now + pause * (0.9 + 0.2 * this.#random.fraction());
    }
  }

  nextTimeout(): Instant {
    let next = Number.POSITIVE_INFINITY;
    for (const one of this.#registrations) if (one.nextAt < next) next = one.nextAt;
    return next;
  }

  #prove(one: Registration, challenge: Uint8Array): void {
    if (this.#node === 0 || one.proofs >= MAX_PROOFS) return;
    if (one.signed !== undefined && equal(one.signed.challenge, challenge)) return;
    one.proofs++;
    const kept = challenge.slice();
    const signature = this.#identity.sign(discoverSignedBytes(this.#node, kept));
    one.signed = {
      challenge: kept,
      message: encodeDiscover(this.#node, { challenge: kept, signature }),
    };
    this.#transmit(one.endpoint, one.signed.message);
  }

  #find(endpoint: Endpoint): Registration | undefined {
    for (const one of this.#registrations) if (sameEndpoint(one.endpoint, endpoint)) return one;
    return undefined;
  }

  #rank(): void {
    const alive = this.#registrations.filter((one) => (one.carrier ? one.up : !one.lost));
    const any = this.#registrations.filter((one) => !one.carrier);
    this.#usable = (alive.length > 0 ? alive : any).map((one) => one.endpoint);
  }
}
