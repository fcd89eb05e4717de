import type { NodeId, UnixMillis } from '../../../base/units.ts';

/** When nodes were last heard of: soft state that a heartbeat changes without a word to the database. */
export interface LastSeen {
  /** 0 when nothing is remembered here; the node's row may know more. */
  at(id: NodeId): UnixMillis;
  /** Heard of; an earlier time changes nothing. */
  note(id: NodeId, at: UnixMillis): void;
  /** Registered then, whatever was remembered. */
  set(id: NodeId, at: UnixMillis): void;
  /** Said goodbye: the time stays, but the node is not on-line. */
  leave(id: NodeId): void;
}
