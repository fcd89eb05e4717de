import type { Seq } from '../../base/seq.ts';
import type { Bytes, Instant, NodeId } from '../../base/units.ts';
import type { ChunkPool } from './chunk-pool.ts';
import type { StreamConfig } from './config.ts';
import type { Connection } from './connection.ts';
import type { StreamOutput } from './types.ts';

/** What a connection needs from the table it lives in. */
export interface ConnectionHost {
  readonly config: StreamConfig;
  /** Memory of bulk data, both ways. */
  readonly chunks: ChunkPool;
  output(output: StreamOutput): void;
  /** Gives a dial another local port, because its own is taken at the peer. False when there is none. */
  redial(conn: Connection): boolean;
  /** A random first sequence number. */
  initialSeq(): Seq;
  /** Payload bytes per packet that the path to a node carries. */
  segmentLimit(node: NodeId): Bytes;
  /** Segments of this size seem not to arrive. */
  suspectSize(node: NodeId, bytes: Bytes, now: Instant): void;
  /** Reserves receive memory. */
  grow(bytes: Bytes): boolean;
  /** A connection no longer counts against the limits (it may still answer late packets). */
  ended(conn: Connection): void;
  /** It has entered TIME_WAIT. */
  lingers(conn: Connection): void;
  /** It takes no more packets. `keep`: its id still names it, for what is left to read. */
  remove(conn: Connection, keep: boolean): void;
}
