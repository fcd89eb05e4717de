import { readU32, writeU32 } from '../../base/bytes.ts';
import type { Aead } from '../../base/crypto.ts';
import { crc32 } from '../../wire/crc32.ts';

const TAG = 16;
const NONCE = 12;
const ZERO = new Uint8Array(4);

/** What `openTrain` says of a frame. */
export const REFUSED = 0;
export const AUTHENTIC = 1;
export const WRONG_CHECKSUM = 2;

export function sealTrain(
  aead: Aead,
  aad: Uint8Array,
  train: Uint8Array,
  segment: number,
  head: number,
  checksumAt: number,
): void {
  for (let at = 0; at < train.length; at += segment) {
    const end = Math.min(at + segment, train.length) - TAG;
    const body = at + head;
    if (checksumAt >= 0) writeU32(train, body + checksumAt, crc32(train, body, end));
    aead.sealInto(train.subarray(body - NONCE, body), aad, train.subarray(body, end), train, body);
  }
}

export function openTrain(
  aead: Aead,
  aad: Uint8Array,
  train: Uint8Array,
  segment: number,
  head: number,
  checksumAt: number,
  opened: Uint8Array,
): void {
  for (let at = 0, frame = 0; at < train.length; at += segment, frame++) {
    const end = Math.min(at + segment, train.length);
    const body = at + head;
    const plain =
      end - body < TAG
        ? undefined
        : aead.open(train.subarray(body - NONCE, body), aad, train.subarray(body, end));
    opened[frame] = REFUSED;
    if (plain === undefined) continue;
    train.set(plain, body);
    opened[frame] =
      checksumAt < 0 || isRight(train, body, end - TAG, checksumAt) ? AUTHENTIC : WRONG_CHECKSUM;
  }
}

function isRight(bytes: Uint8Array, start: number, end: number, checksumAt: number): boolean {
  const at = start + checksumAt;
  if (at + 4 > end) return false;
  const crc = crc32(bytes, at + 4, end, crc32(ZERO, 0, 4, crc32(bytes, start, at)));
  return crc === readU32(bytes, at);
}
