/**
 * IPC codes of ours beyond Call (0x41 to 0x44), used only by a client that said `hello`. They lie above 0x40,
 * away from upstream growth (spec/20 §9).
 */
import { readU32, writeU32 } from '../base/bytes.ts';

/** Both ways: conn id, bytes u32. The sender may send that many more data bytes on the stream. */
export const CREDIT = 0x45;
/** Daemon to client: conn id, text. Nothing more will be read; text `finished` is a clean end, else the reason of failure. */
export const ENDED = 0x46;
/** Client to daemon: conn id. Resets the stream; no reply. */
export const ABORT = 0x47;

/** Data bytes each side may send on a stream before the other has granted more. Chosen: enough for some 500 MB/s at 1 ms of turn-around. */
export const INITIAL_CREDIT = 512 * 1024;

/** Largest data part of one Send or Recv frame of ours. Chosen: amortises the frame, keeps other streams' latency low. */
export const DATA_FRAME = 64 * 1024;

/** Payload of credit. */
export function encodeCredit(conn: number, bytes: number): Uint8Array {
  const out = new Uint8Array(8);
  writeU32(out, 0, conn);
  writeU32(out, 4, bytes);
  return out;
}

export function decodeCredit(payload: Uint8Array): { conn: number; bytes: number } | undefined {
  if (payload.length < 8) return undefined;
  return { conn: readU32(payload, 0), bytes: readU32(payload, 4) };
}
