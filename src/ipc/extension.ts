/**
 * IPC codes of ours beyond Call (0x41 to 0x44), used only by a client that said `hello`. They lie above 0x40,
 * away from upstream growth (spec/20 §9).
 */

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
