import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import type { Aead } from '../base/crypto.ts';
import type { Accelerator } from './accelerator.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES };

/** AES-256-GCM by node:crypto, which sets up an object per packet. */
export function nodeAead(rawKey: Uint8Array): Aead {
  if (rawKey.length !== KEY_BYTES) throw new RangeError(`AES-256 key of ${rawKey.length} bytes`);
  const key = createSecretKey(rawKey);
  return {
    sealInto(nonce, aad, plaintext, out, at) {
      if (nonce.length !== NONCE_BYTES) throw new RangeError(`nonce of ${nonce.length} bytes`);
      const cipher = createCipheriv(CIPHER, key, nonce, CIPHER_OPTIONS);
      cipher.setAAD(aad);
      out.set(cipher.update(plaintext), at);
      cipher.final();
      out.set(cipher.getAuthTag(), at + plaintext.length);
    },
    open(nonce, aad, sealed) {
      const length = sealed.length - TAG_BYTES;
      if (length < 0 || nonce.length !== NONCE_BYTES) return undefined;
      const decipher = createDecipheriv(CIPHER, key, nonce, CIPHER_OPTIONS);
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.subarray(length));
      const plaintext = decipher.update(sealed.subarray(0, length));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      return plaintext;
    },
  };
}

/** The same by the addon: the cipher is set up once per key. */
export function nativeAead(accelerator: Accelerator, rawKey: Uint8Array): Aead {
  if (rawKey.length !== KEY_BYTES) throw new RangeError(`AES-256 key of ${rawKey.length} bytes`);
  const key = accelerator.aeadKey(rawKey);
  return {
    sealInto: (nonce, aad, plaintext, out, at) => accelerator.aeadSeal(key, nonce, aad, plaintext, out, at),
    open(nonce, aad, sealed) {
      const length = sealed.length - TAG_BYTES;
      if (length < 0 || nonce.length !== NONCE_BYTES) return undefined;
      const plaintext = new Uint8Array(length);
      return accelerator.aeadOpen(key, nonce, aad, sealed, plaintext) ? plaintext : undefined;
    },
  };
}
