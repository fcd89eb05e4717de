import { after, distance, type Seq } from '../../base/seq.ts';
import type { Bytes } from '../../base/units.ts';
import { decodeSack, type SackBlock } from '../../wire/sack.ts';

/** How far behind what was sent a selective acknowledgment may reach before it can only be user data. */
const REACH: Bytes = 64 * 1024 * 1024;
const SMALLEST = 5;
const FIRST_BYTE = 0x53;

/**
 * The SACK blocks of a payload, or undefined when it is user data. SACK travels where user data does (spec/03 §5), and
 * an old sender doesn't keep the two apart: what merely looks like SACK but names bytes we never sent is data. A peer
 * that knows the options (`apart`) does, so there blocks of bytes we never sent (a late packet of a former stream with
 * the same ports makes them) are SACK that says nothing.
 */
export function selectiveAck(payload: Uint8Array, next: Seq, apart: boolean): SackBlock[] | undefined {
  if (payload.length < SMALLEST || payload[0] !== FIRST_BYTE) return undefined;
  const blocks = decodeSack(payload);
  if (blocks === undefined || blocks.every((block) => isOurs(block, next))) return blocks;
  return apart ? blocks.filter((block) => isOurs(block, next)) : undefined;
}

function isOurs({ left, right }: SackBlock, next: Seq): boolean {
  const back = distance(next, left);
  return back >= 0 && back <= REACH && after(right, left) && !after(right, next);
}
