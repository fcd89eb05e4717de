import { readU32, toHex } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';

/** A (key, nonce) pair used to seal twice: with GCM that gives both plaintexts and the authentication key away. */
export interface NonceRepeat {
  readonly key: string;
  readonly nonce: string;
}

/** Remembers every nonce of every key sealed with anywhere in a world: both ends of a session share one key. */
export class NonceLedger {
  readonly repeats: NonceRepeat[] = [];
  seals = 0;
  readonly #keys = new Map<string, Map<number, Set<number>>>();

  /** The crypto of every process of the world: `inner`, with seals recorded. */
  watch(inner: Crypto): Crypto {
    return {
      ...inner,
      aead: (key) => {
        const aead = inner.aead(key);
        const name = toHex(key);
        return {
          sealInto: (nonce, aad, plaintext, out, at) => {
            this.#record(name, nonce);
            aead.sealInto(nonce, aad, plaintext, out, at);
          },
          open: (nonce, aad, sealed) => aead.open(nonce, aad, sealed),
          sealTrain: (aad, train, segment, layout) => {
            for (let at = 0; at < train.length; at += segment)
              this.#record(name, train.subarray(at + layout.head - 12, at + layout.head));
            aead.sealTrain(aad, train, segment, layout);
          },
          openTrain: (aad, train, segment, layout, out, verdicts) =>
            aead.openTrain(aad, train, segment, layout, out, verdicts),
        };
      },
    };
  }

  get keys(): number {
    return this.#keys.size;
  }

  #record(key: string, nonce: Uint8Array): void {
    this.seals++;
    let prefixes = this.#keys.get(key);
    if (prefixes === undefined) this.#keys.set(key, (prefixes = new Map()));
    const prefix = readU32(nonce, 0);
    let counters = prefixes.get(prefix);
    if (counters === undefined) prefixes.set(prefix, (counters = new Set()));
    // Exact up to 2^53, far above what any world seals.
    const counter = readU32(nonce, 4) * 0x1_0000_0000 + readU32(nonce, 8);
    if (counters.has(counter)) this.repeats.push({ key: key.slice(0, 16), nonce: toHex(nonce) });
    counters.add(counter);
  }
}
