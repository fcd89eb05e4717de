import type { CongestionKind } from '../../api/congestion.ts';
import type { Bytes, Millis } from '../../base/units.ts';

// Fixed by the wire (spec/03 §4 to §10).

/** What one advertised window slot is worth to an old sender. */
export const SLOT_BYTES = 4096;
/** Segments an old receiver keeps out of order before it drops the rest. */
export const OLD_OUT_OF_ORDER_LIMIT = 128;
/** First port of the ephemeral range; the last is 65535. */
export const EPHEMERAL_FIRST = 49152;
/** Largest datagram that still fits one UDP/IPv4 packet when relayed. spec/01 §7 */
export const MAX_DATAGRAM = 65428;

/** What peers may open here. */
export interface IncomingConfig {
  /**
   * New streams per second: from everybody, and from one node. Higher lets an admitted peer cost more: some 0.1 ms of
   * processor time a stream. @default 2000/s burst 4000; 1000/s burst 2000
   */
  readonly synLimits: {
    readonly rate: number;
    readonly burst: number;
    readonly sourceRate: number;
    readonly sourceBurst: number;
  };
  /** Live streams per listening port; an idle one costs some 5 KB. @default 16384 */
  readonly maxPerPort: number;
  /** Live streams of one peer per listening port, so that it leaves room for others. @default 12288 */
  readonly maxPerPeer: number;
}

/** What can be tuned about streams. Every default suits the Internet; tests change them. */
export interface StreamConfig extends IncomingConfig {
  /** Payload bytes per segment. Larger fragments below IPv6's minimum MTU when relayed. @default 1152 */
  readonly mss: Bytes;
  /** Largest receive window of one stream: the memory an unread stream can hold. @default 16 MiB */
  readonly receiveBuffer: Bytes;
  /** Window a stream starts with; it doubles while more than half of it is read per round trip. @default 256 KiB */
  readonly initialReceiveBuffer: Bytes;
  /** Windows of all streams together stop growing beyond this. @default 256 MiB */
  readonly totalReceiveBuffer: Bytes;
  /** Bytes `write` accepts before it pushes back. Grows with the congestion window up to `maxSendBuffer`. @default 1 MiB */
  readonly sendBuffer: Bytes;
  /** @default 32 MiB */
  readonly maxSendBuffer: Bytes;
  /** Default of `dial`'s `noDelay` and of incoming streams. @default false */
  readonly noDelay: boolean;
  /** Longest a small segment waits for company. @default 10 */
  readonly nagleDelay: Millis;
  /** Longest an acknowledgment waits in the middle of an old sender's burst. @default 25 */
  readonly ackDelay: Millis;
  /** Longest an acknowledgment waits otherwise: at the end of a burst, and for senders that know the options. @default 5 */
  readonly shortAckDelay: Millis;
  /** @default 30000 */
  readonly dialTimeout: Millis;
  /** Silence after which a stream is probed; up to a quarter less, so that many are not probed at once. Old peers give up at 60 s of silence. @default 45000 */
  readonly keepAliveAfter: Millis;
  /** @default 15000 */
  readonly keepAliveInterval: Millis;
  /** Silence, with probes or data unanswered, after which the peer counts as gone. @default 120000 */
  readonly deadAfter: Millis;
  /**
   * How long a finished connection answers late packets of an old peer, which never repeats FIN. One that knows the
   * options repeats it until `deadAfter`, so that long its last acknowledgment can be asked for. @default 10000
   */
  readonly timeWait: Millis;
  /** Finished connections remembered at most; the oldest goes first. @default 4096 */
  readonly maxTimeWait: number;
  /** How long a stream we finished waits for a peer that neither sends nor finishes. @default 120000 */
  readonly halfCloseTimeout: Millis;
  /** How long data waits for a reader after `close`. @default 30000 */
  readonly unreadLinger: Millis;
  /** How long data before an old peer's FIN may be late: it will not be sent again. spec/03 §10 rule 7. @default 500 */
  readonly finGrace: Millis;
  /** What strangers may open, where everybody is let in. @default 100/s burst 200; 10/s burst 100; 1024, 512 */
  readonly strangers: IncomingConfig;
  /** Live streams altogether. @default 65536 */
  readonly maxConnections: number;
  /** Who decides how much is in flight (docs/decisions/0024). @default tolerant */
  readonly congestion: CongestionKind;
  /** Spreads segments over the round trip instead of sending windows in one burst. @default true */
  readonly pacing: boolean;
  /** Offers the stream options to peers that know them (docs/decisions/0008). @default true */
  readonly options: boolean;
}

export const DEFAULT_STREAM_CONFIG: StreamConfig = {
  mss: 1152,
  receiveBuffer: 16 * 1024 * 1024,
  initialReceiveBuffer: 256 * 1024,
  totalReceiveBuffer: 256 * 1024 * 1024,
  sendBuffer: 1024 * 1024,
  maxSendBuffer: 32 * 1024 * 1024,
  noDelay: false,
  nagleDelay: 10,
  ackDelay: 25,
  shortAckDelay: 5,
  dialTimeout: 30_000,
  keepAliveAfter: 45_000,
  keepAliveInterval: 15_000,
  deadAfter: 120_000,
  timeWait: 10_000,
  maxTimeWait: 4096,
  halfCloseTimeout: 120_000,
  unreadLinger: 30_000,
  finGrace: 500,
  synLimits: { rate: 2000, burst: 4000, sourceRate: 1000, sourceBurst: 2000 },
  maxPerPort: 16_384,
  maxPerPeer: 12_288,
  strangers: {
    synLimits: { rate: 100, burst: 200, sourceRate: 10, sourceBurst: 100 },
    maxPerPort: 1024,
    maxPerPeer: 512,
  },
  maxConnections: 65_536,
  congestion: 'tolerant',
  pacing: true,
  options: true,
};
