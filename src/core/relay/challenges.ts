import { concat, equal, utf8, writeU32 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import { endpointKey } from '../../base/endpoint.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { CHALLENGE_LENGTH } from '../../wire/beacon-extension.ts';
import { CHALLENGE_LIFETIME } from './limits.ts';

/**
 * Challenges that need no memory: each is a keyed hash of node, source and time. Whoever answers one receives at
 * that source, so a captured registration is worth nothing elsewhere and spoofed ones never cost a signature check.
 */
export class Challenges {
  readonly #crypto: Crypto;
  readonly #secret: Uint8Array;

  /** `secret`: 32 random bytes, never shared. */
  constructor(crypto: Crypto, secret: Uint8Array) {
    this.#crypto = crypto;
    this.#secret = secret;
  }

  issue(node: NodeId, source: Endpoint, now: Instant): Uint8Array {
    return this.#at(node, source, slotOf(now));
  }

  /** True for one or two lifetimes after it was issued to this node at this source. */
  isOurs(challenge: Uint8Array, node: NodeId, source: Endpoint, now: Instant): boolean {
    const slot = slotOf(now);
    return (
      equal(challenge, this.#at(node, source, slot)) || equal(challenge, this.#at(node, source, slot - 1))
    );
  }

  #at(node: NodeId, source: Endpoint, slot: number): Uint8Array {
    const numbers = new Uint8Array(8);
    writeU32(numbers, 0, node);
    writeU32(numbers, 4, slot);
    const content = concat(numbers, utf8(endpointKey(source)));
    return this.#crypto.hmacSha256(this.#secret, content).subarray(0, CHALLENGE_LENGTH);
  }
}

function slotOf(now: Instant): number {
  return Math.floor(now / CHALLENGE_LIFETIME) >>> 0;
}
