import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { readU32, writeU32 } from '../base/bytes.ts';
import {
  type Aead,
  FRAME_OPENED,
  FRAME_OPENED_UNCHECKED,
  FRAME_UNAUTHENTIC,
  type FrameLayout,
} from '../base/crypto.ts';
import { crc32 } from '../wire/crc32.ts';
import type { Accelerator } from './accelerator.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CHECKSUM_BYTES = 4;
const CIPHER = 'aes-256-gcm';
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES };
const NO_CHECKSUM = new Uint8Array(CHECKSUM_BYTES);

/** AES-256-GCM by node:crypto, which sets up an object per packet. */
export function nodeAead(rawKey: Uint8Array): Aead {
  if (rawKey.length !== KEY_BYTES) throw new RangeError(`AES-256 key of ${rawKey.length} bytes`);
  const key = createSecretKey(rawKey);

  function sealInto(
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void {
    if (nonce.length !== NONCE_BYTES) throw new RangeError(`nonce of ${nonce.length} bytes`);
    const cipher = createCipheriv(CIPHER, key, nonce, CIPHER_OPTIONS);
    cipher.setAAD(aad);
    out.set(cipher.update(plaintext), at);
    cipher.final();
    out.set(cipher.getAuthTag(), at + plaintext.length);
  }

  function open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
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
  }

  return {
    sealInto,
    open,
    sealTrain(aad, train, segment, layout) {
      checkTrain(train, segment, layout);
      const { head, checksumAt } = layout;
      for (let at = 0; at < train.length; at += segment) {
        const body = at + head;
        const end = Math.min(at + segment, train.length) - TAG_BYTES;
        if (checksumAt >= 0)
          writeU32(train, body + checksumAt, checksum(train, body, body + checksumAt, end));
        sealInto(train.subarray(body - NONCE_BYTES, body), aad, train.subarray(body, end), train, body);
      }
    },
    openTrain(aad, train, segment, layout, out, verdicts) {
      checkTrain(train, segment, layout);
      const { head, checksumAt } = layout;
      if (out.length < train.length || verdicts.length < Math.ceil(train.length / segment))
        throw new RangeError('No room for what the train holds');
      let opened = 0;
      for (let at = 0, frame = 0; at < train.length; at += segment, frame++) {
        const body = at + head;
        const end = Math.min(at + segment, train.length) - TAG_BYTES;
        const plaintext = open(
          train.subarray(body - NONCE_BYTES, body),
          aad,
          train.subarray(body, end + TAG_BYTES),
        );
        if (plaintext === undefined) {
          out.fill(0, body, end);
          verdicts[frame] = FRAME_UNAUTHENTIC;
          continue;
        }
        out.set(plaintext, body);
        opened++;
        const isWhole =
          checksumAt < 0 || checksum(out, body, body + checksumAt, end) === readU32(out, body + checksumAt);
        verdicts[frame] = isWhole ? FRAME_OPENED : FRAME_OPENED_UNCHECKED;
      }
      return opened;
    },
  };
}

/** The same by the addon: the cipher is set up once per key, and a train is one call. */
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
    sealTrain: (aad, train, segment, { head, checksumAt }) =>
      accelerator.aeadSealTrain(key, aad, train, segment, head, checksumAt),
    openTrain: (aad, train, segment, { head, checksumAt }, out, verdicts) =>
      accelerator.aeadOpenTrain(key, aad, train, segment, head, checksumAt, out, verdicts),
  };
}

/** CRC-32 of `bytes[start, end)` with the four bytes at `hole` taken as zero. */
function checksum(bytes: Uint8Array, start: number, hole: number, end: number): number {
  const before = crc32(bytes, start, hole);
  return crc32(bytes, hole + CHECKSUM_BYTES, end, crc32(NO_CHECKSUM, 0, CHECKSUM_BYTES, before));
}

function checkTrain(train: Uint8Array, segment: number, { head, checksumAt }: FrameLayout): void {
  const around = head + TAG_BYTES + (checksumAt < 0 ? 0 : checksumAt + CHECKSUM_BYTES);
  const rest = train.length % segment;
  const fits =
    train.length > 0 && (train.length < segment || segment >= around) && (rest === 0 || rest >= around);
  if (!(segment >= 1 && head >= NONCE_BYTES && fits))
    throw new RangeError('The frames of the train are too short');
}
