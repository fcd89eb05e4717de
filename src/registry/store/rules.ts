/** Decisions every store makes alike. */
import type { NodeId, UnixMillis } from '../../base/units.ts';
import type { HostnameRelease, NodeRecord, Registration } from './store.ts';

/** True when the holder of a hostname has been away long enough to lose it. */
export function mayTakeHostname(holder: NodeRecord, release: HostnameRelease): boolean {
  if (holder.lastSeen < release.anySeenBefore) return true;
  if (holder.proven) return false;
  return !holder.registered || holder.lastSeen < release.unprovenSeenBefore;
}

/** The sink for requests to hostnames nobody has. Its inbox is never read, and kept this short. */
export const SINK: NodeId = 0;
export const SINK_ENTRIES = 1000;

/** Rotation documents kept of a node; the keys they retired are kept for ever. */
export const ROTATIONS_KEPT = 64;

/** Tombstones kept of one node; beyond that its oldest go. Only its own revocations make them. */
export const TOMBSTONES_KEPT = 4096;

/** Words a node is found by, of all its texts. */
const MAX_WORDS = 96;

/** By what a node is found: '' for all, then `tag:`, `service:` and `word:` terms, each once. */
export function nodeTerms(node: NodeRecord, ofRecord: readonly string[]): string[] {
  const own = ['', ...node.tags.map((tag) => `tag:${tag}`), ...wordTerms([node.hostname, ...node.tags])];
  return [...new Set([...own, ...ofRecord])];
}

/** Whole words of two letters or more, lower case. */
export function wordTerms(texts: readonly string[]): string[] {
  const words = texts.flatMap((text) => text.toLowerCase().match(/[\p{L}\p{N}]{2,32}/gu) ?? []);
  return [...new Set(words)].slice(0, MAX_WORDS).map((word) => `word:${word}`);
}

/** True for nodes that strangers may find. */
export function isListed(node: NodeRecord): boolean {
  return node.public && node.registered;
}

/** True when trust that ends then has not ended at `at`. */
export function lastsBeyond(notAfter: UnixMillis | undefined, at: UnixMillis): boolean {
  return notAfter === undefined || notAfter > at;
}

/** Those who know where the node is have to ask anew. */
export function hasMoved(known: NodeRecord, now: Registration): boolean {
  return (
    known.endpoint !== now.endpoint ||
    known.lan.join() !== now.lan.join() ||
    known.beacons.join() !== now.beacons.join()
  );
}
