import { EMPTY, readU16, writeU16 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/units.ts';

/**
 * Stream options travel in the payload of SYN, which old peers ignore (spec/03 §2.3), and of SYN+ACK only in answer
 * to a SYN that had them: `50 58 01` ‖ features u8 ‖ largest wanted segment payload u16. Bytes after that are for
 * later versions. Features: bit 0 = everything below, announced together by this implementation:
 * windows count bytes in units of 4096, each direction is finished on its own (half-close, FIN answered with a plain
 * ACK), duplicate segments are reported as the first SACK block (RFC 2883).
 */
export interface StreamOptions {
  /** Largest segment payload the peer wants; 0 when it doesn't care. */
  readonly largestSegment: Bytes;
}

const FEATURES = 0x01;
const LENGTH = 6;

export function encodeStreamOptions(options: StreamOptions): Uint8Array {
  const out = new Uint8Array(LENGTH);
  out[0] = 0x50;
  out[1] = 0x58;
  out[2] = 0x01;
  out[3] = FEATURES;
  writeU16(out, 4, options.largestSegment);
  return out;
}

/** The options, or undefined when the payload has none we know. */
export function decodeStreamOptions(payload: Uint8Array): StreamOptions | undefined {
  if (payload.length < LENGTH || payload[0] !== 0x50 || payload[1] !== 0x58 || payload[2] !== 0x01)
    return undefined;
  if ((payload[3]! & FEATURES) === 0) return undefined;
  return { largestSegment: readU16(payload, 4) };
}

export const NO_OPTIONS: Uint8Array = EMPTY;
