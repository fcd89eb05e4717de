import type { Crypto } from '../../base/crypto.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { discoverSignedBytes } from '../../wire/beacon-extension.ts';
import { KEY_LIFETIME, KEY_LIMIT, KEY_WAIT, KEY_WAIT_LIMIT, UNKNOWN_KEY_LIFETIME } from './limits.ts';

/** A signed registration whose challenge is ours and young, so its sender does receive at `from`. */
export interface ProofOffer {
  readonly node: NodeId;
  readonly from: Endpoint;
  readonly challenge: Uint8Array;
  readonly signature: Uint8Array;
  /** Covered by the signature, where the node speaks that version. */
  readonly mark?: Uint8Array;
}

interface KnownKey {
  readonly key: Uint8Array | undefined;
  readonly at: Instant;
}

interface Waiting {
  /** The newest offer for the node: an older one is of no interest any more. */
  offer: ProofOffer;
  readonly expires: Instant;
}

export type Examination = 'proven' | 'refused' | 'waiting' | 'ask' | 'unknown';

/** Checks proofs of identity against keys of the directory, which take a moment to come. */
export class KeyDesk {
  readonly #crypto: Crypto;
  readonly #keys = new Map<NodeId, KnownKey>();
  readonly #waiting = new Map<NodeId, Waiting>();

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  /** `ask` means: ask the directory, then call `keyArrived`. */
  examine(offer: ProofOffer, now: Instant): Examination {
    const { node } = offer;
    const known = this.#knownKey(node, now);
    if (known?.key !== undefined && this.#isValid(offer, known.key)) return 'proven';
    if (known !== undefined) {
      if (known.key === undefined) return 'unknown';
      // The node may have a new key: a remembered one is only trusted to say yes.
      if (now - known.at < UNKNOWN_KEY_LIFETIME) return 'refused';
    }
    const waiting = this.#waiting.get(node);
    if (waiting !== undefined && waiting.expires > now) {
      waiting.offer = offer;
      return 'waiting';
    }
    this.#waiting.delete(node);
    if (this.#waiting.size >= KEY_WAIT_LIMIT) return 'unknown';
    this.#waiting.set(node, { offer, expires: now + KEY_WAIT });
    return 'ask';
  }

  /** Returns the offer that waited for this key, and whether it holds. */
  keyArrived(
    node: NodeId,
    key: Uint8Array | undefined,
    now: Instant,
  ): { readonly offer: ProofOffer; readonly valid: boolean } | undefined {
    const waiting = this.#waiting.get(node);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(node);
    this.#keys.delete(node);
    if (this.#keys.size >= KEY_LIMIT) this.#keys.delete(this.#keys.keys().next().value!);
    this.#keys.set(node, { key, at: now });
    if (waiting.expires <= now || key === undefined) return undefined;
    return { offer: waiting.offer, valid: this.#isValid(waiting.offer, key) };
  }

  sweep(now: Instant): void {
    for (const [node, waiting] of this.#waiting) if (waiting.expires <= now) this.#waiting.delete(node);
    for (const [node, known] of this.#keys) if (now - known.at >= KEY_LIFETIME) this.#keys.delete(node);
  }

  #knownKey(node: NodeId, now: Instant): KnownKey | undefined {
    const known = this.#keys.get(node);
    if (known === undefined) return undefined;
    const lifetime = known.key === undefined ? UNKNOWN_KEY_LIFETIME : KEY_LIFETIME;
    return now - known.at < lifetime ? known : undefined;
  }

  #isValid(offer: ProofOffer, key: Uint8Array): boolean {
    const signed = discoverSignedBytes(offer.node, offer.challenge, offer.mark);
    return this.#crypto.verify(key, signed, offer.signature);
  }
}
