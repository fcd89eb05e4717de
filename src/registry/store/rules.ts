/** Decisions every store makes alike. */
import type { NodeId } from '../../base/units.ts';
import type { HostnameRelease, NodeRecord } from './store.ts';

/** True when the holder of a hostname has been away long enough to lose it. */
export function mayTakeHostname(holder: NodeRecord, release: HostnameRelease): boolean {
  if (holder.lastSeen < release.anySeenBefore) return true;
  if (holder.proven) return false;
  return !holder.registered || holder.lastSeen < release.unprovenSeenBefore;
}

/** The sink for requests to hostnames nobody has. Its inbox is never read, and kept this short. */
export const SINK: NodeId = 0;
export const SINK_ENTRIES = 1000;
