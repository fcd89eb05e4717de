/** Selective acknowledgments, carried in the payload of an ACK packet. spec/03 §5 */
import { EMPTY, readU32, writeU32 } from '../base/bytes.ts';
import type { Seq } from '../base/seq.ts';

/** ASCII `SACK`. */
const SACK_MAGIC = 0x5341_434b;
/** Magic and count. */
const HEADER = 5;
const BLOCK = 8;
export const MAX_SACK_BLOCKS = 4;

/** Received bytes beyond the cumulative ACK: `left` is the first, `right` the one after the last. */
export interface SackBlock {
  readonly left: Seq;
  readonly right: Seq;
}

/** Encodes at most the first four blocks, which the caller orders; empty when there are none. */
export function encodeSack(blocks: readonly SackBlock[]): Uint8Array {
  const count = Math.min(blocks.length, MAX_SACK_BLOCKS);
  if (count === 0) return EMPTY;
  const out = new Uint8Array(HEADER + BLOCK * count);
  writeU32(out, 0, SACK_MAGIC);
  out[4] = count;
  for (let i = 0; i < count; i++) {
    writeU32(out, HEADER + BLOCK * i, blocks[i]!.left);
    writeU32(out, HEADER + BLOCK * i + 4, blocks[i]!.right);
  }
  return out;
}

/** The blocks, or undefined when the payload is user data. */
export function decodeSack(payload: Uint8Array): SackBlock[] | undefined {
  if (!looksLikeSack(payload, 0, payload.length)) return undefined;
  const blocks: SackBlock[] = [];
  const end = HEADER + BLOCK * payload[4]!;
  for (let at = HEADER; at < end; at += BLOCK) {
    blocks.push({ left: readU32(payload, at), right: readU32(payload, at + 4) });
  }
  return blocks;
}

/**
 * True when a receiver would take `payload[at, at + length)` for SACK and swallow it.
 * A sender of user data cuts its segments so that this is never true.
 */
export function looksLikeSack(payload: Uint8Array, at: number, length: number): boolean {
  if (length < HEADER || payload[at] !== 0x53 || readU32(payload, at) !== SACK_MAGIC) return false;
  const count = payload[at + 4]!;
  return count >= 1 && count <= MAX_SACK_BLOCKS && length >= HEADER + BLOCK * count;
}
