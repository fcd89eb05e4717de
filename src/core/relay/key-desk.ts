import { equal, toHex } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { discoverSignedBytes } from '../../wire/beacon-extension.ts';
import {
  KEY_LIFETIME,
  KEY_LIMIT,
  KEY_REMEMBERED,
  KEY_WAIT,
  KEY_WAIT_LIMIT,
  UNKNOWN_KEY_LIFETIME,
} from './limits.ts';

/** A signed registration whose challenge is ours and young, so its sender does receive at `from`. */
export interface ProofOffer {
  readonly node: NodeId;
  readonly from: Endpoint;
  readonly challenge: Uint8Array;
  readonly signature: Uint8Array;
  /** In the version that names them: the key signed with, and our mark, which the signature covers. */
  readonly named?: { readonly key: Uint8Array; readonly mark: Uint8Array };
}

interface KnownKey {
  readonly key: Uint8Array;
  readonly at: Instant;
}

interface Waiting {
  /** The newest offer for the node: an older one is of no interest any more. */
  offer: ProofOffer;
  readonly expires: Instant;
}

export type Examination = 'proven' | 'refused' | 'waiting' | 'ask' | 'unknown';

/** What the directory says: the node's key, nothing of the kind, or no answer. */
export type KeyAnswer = Uint8Array | undefined | 'unavailable';

/**
 * Checks proofs of identity against keys of the directory, which take a moment to come. What is known of a node is kept
 * apart by the key it names: who names a wrong one changes nothing for the node itself.
 */
export class KeyDesk {
  readonly #crypto: Crypto;
  readonly #keys = new Map<string, KnownKey>();
  /** What the directory lately did not know, apart: naming nonsense must not push out what is known. */
  readonly #unknown = new Map<string, Instant>();
  readonly #waiting = new Map<string, Waiting>();

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  /** `ask` means: ask the directory, then call `keyArrived`. */
  examine(offer: ProofOffer, now: Instant): Examination {
    // A proof that its own key does not bear out is not worth a question.
    if (offer.named !== undefined && !this.#isValid(offer, offer.named.key)) return 'refused';
    const name = nameOf(offer.node, offer.named?.key);
    const known = this.#keys.get(name);
    if (known !== undefined) {
      const age = now - known.at;
      if (age < KEY_LIFETIME && this.#proves(offer, known.key)) return 'proven';
      // The node may have a new key: a remembered one is only trusted to say yes.
      if (age < UNKNOWN_KEY_LIFETIME) return 'refused';
    }
    const unknownSince = this.#unknown.get(name);
    if (unknownSince !== undefined && now - unknownSince < UNKNOWN_KEY_LIFETIME) return 'unknown';
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined && waiting.expires > now) {
      waiting.offer = offer;
      return 'waiting';
    }
    this.#waiting.delete(name);
    if (this.#waiting.size >= KEY_WAIT_LIMIT) return 'unknown';
    this.#waiting.set(name, { offer, expires: now + KEY_WAIT });
    return 'ask';
  }

  /**
   * Returns the offer that waited for this key, and whether it holds. While the directory can't be reached, a key it
   * named before still says yes.
   */
  keyArrived(
    node: NodeId,
    claimed: Uint8Array | undefined,
    answer: KeyAnswer,
    now: Instant,
  ): { readonly offer: ProofOffer; readonly valid: boolean } | undefined {
    const name = nameOf(node, claimed);
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(name);
    const { offer, expires } = waiting;
    if (answer === 'unavailable') {
      const known = this.#keys.get(name);
      return known !== undefined && this.#proves(offer, known.key) ? { offer, valid: true } : undefined;
    }
    const key =
      claimed === undefined || (answer !== undefined && equal(answer, claimed)) ? answer : undefined;
    this.#keys.delete(name);
    this.#unknown.delete(name);
    if (key === undefined) {
      makeRoom(this.#unknown, KEY_WAIT_LIMIT);
      this.#unknown.set(name, now);
      return undefined;
    }
    makeRoom(this.#keys, KEY_LIMIT);
    this.#keys.set(name, { key, at: now });
    return expires <= now ? undefined : { offer, valid: this.#proves(offer, key) };
  }

  /** What was known of the node's keys counts no longer. */
  forget(node: NodeId): void {
    for (const name of this.#keys.keys())
      if (name === `${node}` || name.startsWith(`${node}:`)) this.#keys.delete(name);
  }

  sweep(now: Instant): void {
    for (const [name, waiting] of this.#waiting) if (waiting.expires <= now) this.#waiting.delete(name);
    for (const [name, { at }] of this.#keys) if (now - at >= KEY_REMEMBERED) this.#keys.delete(name);
    for (const [name, at] of this.#unknown) if (now - at >= UNKNOWN_KEY_LIFETIME) this.#unknown.delete(name);
  }

  /** A named key was checked when the offer came. */
  #proves(offer: ProofOffer, key: Uint8Array): boolean {
    return offer.named === undefined ? this.#isValid(offer, key) : equal(offer.named.key, key);
  }

  #isValid({ node, challenge, signature, named }: ProofOffer, key: Uint8Array): boolean {
    return this.#crypto.verify(key, discoverSignedBytes(node, challenge, named?.mark), signature);
  }
}

/** The oldest gives way. */
function makeRoom(map: Map<string, unknown>, limit: number): void {
  for (const oldest of map.keys()) {
    if (map.size < limit) return;
    map.delete(oldest);
  }
}

function nameOf(node: NodeId, key: Uint8Array | undefined): string {
  return key === undefined ? `${node}` : `${node}:${toHex(key)}`;
}
