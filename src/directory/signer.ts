import { toHex, utf8 } from '../base/bytes.ts';
import type { SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Millis } from '../base/units.ts';
import type { Clock } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import type { JsonObject } from '../wire/json.ts';
import { contentSignedBytes } from '../wire/registry-signatures.ts';

/** What a server said it can do, and its clock against ours. */
export interface ServerTraits {
  readonly features: ReadonlySet<string>;
  /** Add to our wall clock to get the server's. */
  offset: Millis;
  /** Pinned certificate of the connection, so that no other server can use what we sign. */
  readonly fingerprint: string | undefined;
}

/** Signs requests as the server at hand understands it. */
export class RequestSigner {
  #identity: SigningKey;
  readonly #random: Random;
  readonly #clock: Clock;

  constructor(identity: SigningKey, random: Random, clock: Clock) {
    this.#identity = identity;
    this.#random = random;
    this.#clock = clock;
  }

  /** From now on signs with this key. */
  use(identity: SigningKey): void {
    this.#identity = identity;
  }

  /**
   * Over the whole content where the server announced it, else the old challenge string. Never both: an old
   * signature can be sent again by whoever reads it.
   */
  sign(message: JsonObject, legacy: string | undefined, traits: ServerTraits): JsonObject {
    if (!traits.features.has('sig')) {
      return legacy === undefined
        ? message
        : { ...message, signature: encodeBase64(this.#identity.sign(utf8(legacy))) };
    }
    const content = {
      ...message,
      ts: Math.round(this.#clock.wallNow() + traits.offset),
      nonce: toHex(this.#random.bytes(16)),
      ...(traits.fingerprint === undefined ? {} : { server: traits.fingerprint }),
    };
    return { ...content, sig: encodeBase64(this.#identity.sign(contentSignedBytes(content))) };
  }
}
