import { toHex } from '../../base/bytes.ts';
import type { Crypto, SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId } from '../../base/units.ts';
import {
  CANDIDATE_LIFETIME,
  MAX_CANDIDATES,
  MAX_PAIRS,
  MAX_RETIRED,
  OFFER_SENDINGS,
  PREVIOUS_LIFETIME,
  PROOF_PATIENCE,
  type SessionConfig,
  UNPROVEN_SEND_TIME,
} from './constants.ts';
import { KeySlot, type OpenFailure, tunnelKey } from './key-slot.ts';
import { makeOffer, type Offer } from './offer.ts';

export interface SessionParts {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly identity: SigningKey;
  readonly node: NodeId;
  readonly peer: NodeId;
  readonly config: SessionConfig;
}

/** What a verified key exchange frame meant. */
export type ExchangeOutcome =
  /** A key never combined with ours before. `answered` is true when the peer may already hold our half. */
  | { readonly kind: 'new'; readonly slot: KeySlot; readonly answered: boolean }
  /** The peer repeats the key of a slot we hold. Nothing changed. */
  | { readonly kind: 'known'; readonly slot: KeySlot }
  /** A key the peer had replaced before: an old recording. Nothing changed. */
  | { readonly kind: 'retired' }
  /** A point of low order. Nothing changed. */
  | { readonly kind: 'weak_key' };

export interface Opened {
  plaintext: Uint8Array;
  slot: KeySlot;
  /** `first` and `rekeyed`: this frame proved the slot, which is now the current one. */
  proved: 'no' | 'first' | 'rekeyed';
}

/**
 * The keys shared with one peer. Frames of the peer are the only proof of a key: a key exchange frame, which anyone
 * may replay, only ever adds a candidate (spec/02 §15).
 *
 * - `current` is proven and used for sending; `previous` still opens what was under way
 * - candidates open frames, and the first frame one of them opens makes it current
 * - a slot is made once per pair of keys and its counters never restart
 */
export class Session {
  readonly #parts: SessionParts;
  #offer: Offer | undefined;
  #current: KeySlot | undefined;
  #previous: KeySlot | undefined;
  #previousUntil: Instant = 0;
  #candidates: KeySlot[] = [];
  readonly #retired = new Set<string>();
  #rekeyAt: Instant = 0;
  #lifelongPeerKey = false;
  readonly #opened: Opened = { plaintext: new Uint8Array(0), slot: undefined as never, proved: 'no' };

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get current(): KeySlot | undefined {
    return this.#current;
  }
  get candidates(): readonly KeySlot[] {
    return this.#candidates;
  }
  /** The offer waiting for an answer. */
  get offer(): Offer | undefined {
    return this.#offer;
  }
  /** True when the peer was seen to keep its X25519 key over a rekey, as old daemons do. */
  get lifelongPeerKey(): boolean {
    return this.#lifelongPeerKey;
  }

  /** The slot to seal data under: the proven one, or the only candidate while it is young; else wait. */
  sendSlot(now: Instant): KeySlot | undefined {
    if (this.#current !== undefined) return this.#current;
    const only = this.#candidates[0];
    if (only === undefined || this.#candidates.length > 1) return undefined;
    return now - only.createdAt < UNPROVEN_SEND_TIME ? only : undefined;
  }

  /** The outstanding offer, or a fresh one. */
  offered(now: Instant): Offer {
    this.#offer ??= makeOffer(this.#parts, now);
    return this.#offer;
  }

  /**
   * True when the outstanding offer should make room for a fresh one: it was sent often, or frames that no key opens
   * show that the peer took it (`missed`), and yet no key came back; or the one that came back was never proven.
   */
  offerIsStale(missed: boolean, now: Instant): boolean {
    const offer = this.#offer;
    if (offer === undefined) return false;
    const answer = this.#candidates.findLast((slot) => slot.offer === offer);
    if (answer !== undefined) return now - answer.createdAt > PROOF_PATIENCE;
    return missed || offer.sendings >= OFFER_SENDINGS;
  }

  /** Drops the outstanding offer, so that the next one is fresh: old peers answer only a changed key. */
  withdrawOffer(): void {
    if (this.#offer !== undefined) this.#offer.key = undefined;
    this.#offer = undefined;
  }

  /**
   * Combines the outstanding offer with the key the peer has now: an old peer that missed the chance to answer
   * has installed exactly this pair.
   */
  pairWithCurrentPeerKey(now: Instant): KeySlot | undefined {
    const { peerKeyBytes } = this.#current ?? {};
    const offer = this.#offer;
    if (peerKeyBytes === undefined || offer === undefined) return undefined;
    const existing = this.#candidates.find(
      (slot) => slot.offer === offer && slot.peerKey === this.#current?.peerKey,
    );
    return existing ?? this.#pair(offer, peerKeyBytes, this.#current!.peerKey, now);
  }

  /** Takes the X25519 key of a key exchange frame whose signature was verified. */
  receiveKey(x25519: Uint8Array, now: Instant): ExchangeOutcome {
    const peerKey = toHex(x25519);
    if (this.#retired.has(peerKey)) return { kind: 'retired' };
    this.#expireCandidates(now);
    if (this.#offer !== undefined && this.#offer.paired.size >= MAX_PAIRS) this.withdrawOffer();
    const outstanding = this.#offer;
    if (outstanding !== undefined && !outstanding.paired.has(peerKey)) {
      const slot = this.#pair(outstanding, x25519, peerKey, now);
      return slot === undefined ? { kind: 'weak_key' } : { kind: 'new', slot, answered: true };
    }
    const known =
      this.#candidates.findLast((slot) => slot.peerKey === peerKey) ??
      (this.#current?.peerKey === peerKey ? this.#current : undefined);
    if (known !== undefined) return { kind: 'known', slot: known };
    this.withdrawOffer();
    const slot = this.#pair(this.offered(now), x25519, peerKey, now);
    return slot === undefined ? { kind: 'weak_key' } : { kind: 'new', slot, answered: false };
  }

  /** True when a slot has opened a frame with this prefix before: opening needs no search. */
  knowsPrefix(prefix: number): boolean {
    return this.#slotOfPrefix(prefix) !== undefined;
  }

  /**
   * Opens one frame; `counter` is a safe integer. Unless it authenticates, nothing changes.
   * The result is valid until the next call.
   */
  open(
    prefix: number,
    counter: number,
    nonce: Uint8Array,
    sealed: Uint8Array,
    now: Instant,
  ): Opened | OpenFailure {
    if (this.#previous !== undefined && now >= this.#previousUntil) this.#previous = undefined;
    const known = this.#slotOfPrefix(prefix);
    if (known !== undefined) {
      const plaintext = known.open(prefix, counter, nonce, sealed);
      return typeof plaintext === 'string' ? plaintext : this.#accept(known, plaintext, now);
    }
    this.#expireCandidates(now);
    let failure: OpenFailure = 'unauthentic';
    for (const slot of this.#slots()) {
      const plaintext = slot.open(prefix, counter, nonce, sealed);
      if (typeof plaintext !== 'string') return this.#accept(slot, plaintext, now);
      if (plaintext === 'prefix_limit') failure = plaintext;
    }
    return failure;
  }

  /** The slot that opened frames with this prefix before: a whole train of them is opened under it. */
  slotOf(prefix: number, now: Instant): KeySlot | undefined {
    if (this.#previous !== undefined && now >= this.#previousUntil) this.#previous = undefined;
    return this.#slotOfPrefix(prefix);
  }

  /** True when the current key should be replaced: by age, by volume, or because the peer has worn it out. */
  needsRekey(now: Instant): boolean {
    const current = this.#current;
    if (current === undefined) return false;
    return now >= this.#rekeyAt || current.sealed >= this.#parts.config.rekeyPackets || current.worn;
  }

  #slotOfPrefix(prefix: number): KeySlot | undefined {
    if (this.#current?.knows(prefix)) return this.#current;
    if (this.#previous?.knows(prefix)) return this.#previous;
    return undefined;
  }

  *#slots(): Generator<KeySlot> {
    if (this.#current !== undefined) yield this.#current;
    yield* this.#candidates;
    if (this.#previous !== undefined) yield this.#previous;
  }

  #pair(offer: Offer, x25519: Uint8Array, peerKey: string, now: Instant): KeySlot | undefined {
    const { crypto, random, node, peer } = this.#parts;
    offer.paired.add(peerKey);
    const secret = offer.key?.agree(x25519);
    if (secret === undefined) return undefined;
    const slot = new KeySlot({
      crypto,
      random,
      node,
      peer,
      offer,
      peerKey,
      peerKeyBytes: x25519.slice(),
      key: tunnelKey(crypto, secret),
      first: toHex(offer.publicKey) < peerKey,
      now,
    });
    if (this.#candidates.length >= MAX_CANDIDATES) this.#candidates.shift();
    this.#candidates.push(slot);
    return slot;
  }

  #accept(slot: KeySlot, plaintext: Uint8Array, now: Instant): Opened {
    slot.heardAt = now;
    const opened = this.#opened;
    opened.plaintext = plaintext;
    opened.slot = slot;
    opened.proved = 'no';
    if (slot.confirmedAt === undefined) {
      slot.confirmedAt = now;
      opened.proved = this.#current === undefined ? 'first' : 'rekeyed';
      this.#promote(slot, now);
    }
    return opened;
  }

  #promote(slot: KeySlot, now: Instant): void {
    const replaced = this.#current;
    if (replaced !== undefined) {
      this.#lifelongPeerKey = replaced.peerKey === slot.peerKey;
      if (!this.#lifelongPeerKey) this.#retire(replaced.peerKey);
      this.#previous = replaced;
      this.#previousUntil = now + PREVIOUS_LIFETIME;
    }
    this.#current = slot;
    this.#candidates = this.#candidates.filter(
      (other) => other !== slot && !this.#retired.has(other.peerKey),
    );
    this.withdrawOffer();
    const { config, random } = this.#parts;
    const age = this.#lifelongPeerKey ? config.rekeyAfterOldPeer : config.rekeyAfter;
    this.#rekeyAt = now + age * (0.9 + 0.2 * random.fraction());
  }

  #retire(peerKey: string): void {
    this.#retired.add(peerKey);
    if (this.#retired.size <= MAX_RETIRED) return;
    for (const oldest of this.#retired) {
      this.#retired.delete(oldest);
      break;
    }
  }

  #expireCandidates(now: Instant): void {
    const oldest = this.#candidates[0];
    if (oldest !== undefined && now - oldest.createdAt >= CANDIDATE_LIFETIME) {
      this.#candidates = this.#candidates.filter((slot) => now - slot.createdAt < CANDIDATE_LIFETIME);
    }
  }
}
