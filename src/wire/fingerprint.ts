/** Fingerprints of identity keys: short enough to read out, long enough that nobody finds a second key with one. */
import type { Crypto } from '../base/crypto.ts';

/** 80 bits: a key with a given fingerprint takes 2^80 key generations to find. */
const FINGERPRINT_BYTES = 10;
/** RFC 4648 §6, lower case. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const FINGERPRINT = /^[a-z2-7]{16}$/;

/** The first 80 bits of SHA-256 of the key in base32: 16 characters. */
export function fingerprintOf(crypto: Pick<Crypto, 'sha256'>, key: Uint8Array): string {
  const bytes = crypto.sha256(key).subarray(0, FINGERPRINT_BYTES);
  let out = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET[(value >>> bits) & 31]!;
    }
    value &= (1 << bits) - 1;
  }
  return out;
}

/** A fingerprint as people type it, in either case; undefined when it is none. */
export function parseFingerprint(text: string): string | undefined {
  const lower = text.toLowerCase();
  return FINGERPRINT.test(lower) ? lower : undefined;
}

export interface FingerprintedName {
  /** Hostname, address or node id: what stood before the `#`. */
  readonly name: string;
  readonly fingerprint: string;
}

export type FingerprintedNameError = 'bad_fingerprint' | 'no_name';

/** `name#fingerprint` taken apart; undefined when there is no `#` in it. */
export function splitFingerprint(target: string): FingerprintedName | FingerprintedNameError | undefined {
  const at = target.indexOf('#');
  if (at === -1) return undefined;
  if (at === 0) return 'no_name';
  const fingerprint = parseFingerprint(target.slice(at + 1));
  return fingerprint === undefined ? 'bad_fingerprint' : { name: target.slice(0, at), fingerprint };
}
