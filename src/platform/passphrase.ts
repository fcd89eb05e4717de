import { scrypt } from 'node:crypto';

const KEY_BYTES = 32;

/** A key from a passphrase by scrypt (RFC 7914); takes 128 · r · 2^logN bytes of memory for a moment. */
export function passphraseKey(
  passphrase: Uint8Array,
  salt: Uint8Array,
  cost: { readonly logN: number; readonly r: number; readonly p: number },
): Promise<Uint8Array> {
  const N = 2 ** cost.logN;
  const { r, p } = cost;
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, KEY_BYTES, { N, r, p, maxmem: 256 * r * N }, (error, key) => {
      if (error === null) resolve(Uint8Array.from(key));
      else reject(error);
    });
  });
}
