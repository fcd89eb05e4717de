import type { Random } from '../../base/random.ts';
import type { Bytes, Instant, Millis, NodeId, Port } from '../../base/units.ts';
import type { Packet } from '../../wire/packet.ts';
import type { StreamConfig } from './config.ts';
import type { StreamManner } from './manner.ts';

/** Decides whether a peer may open a stream or send a datagram here; `stray`: learn that it has no stream here. */
export type MayReceive = (packet: Packet, kind: 'stream' | 'datagram' | 'stray', now: Instant) => boolean;

/** Who opened a stream, and to which port. */
export interface StreamEnds {
  readonly network: number;
  readonly incoming: boolean;
  readonly port: Port;
}

export interface DialOptions extends Partial<StreamManner> {
  readonly timeout?: Millis;
}

export interface StreamsOptions {
  readonly random: Random;
  readonly config?: Partial<StreamConfig>;
  /** @default everybody may */
  readonly mayReceive?: MayReceive;
  /** Whether a node is more to us than a stranger: strangers may open less. @default everybody is */
  readonly isKnown?: (node: NodeId, now: Instant) => boolean;
  /**
   * Segments of `bytes` to a node were not answered though smaller ones may be: its path may have shrunk. The stream
   * sends small ones until `setSegmentLimit` is called again, with whatever value, or half a minute has passed.
   */
  readonly onSuspectSize?: (node: NodeId, bytes: Bytes, now: Instant) => void;
}
