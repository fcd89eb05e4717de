import type { Instant } from '../../base/units.ts';
import type { PathKind } from '../tunnel/types.ts';
import { FASTER, FASTER_BY, LOSSIER, MUCH_SLOWER, STILL_LOSSIER, STILL_SLOWER } from './constants.ts';
import type { Path } from './path.ts';

const PREFERENCE: Record<PathKind, number> = { lan: 0, direct: 1, relay: 2 };

/**
 * True when `path` should take over from `than`. The kind decides, unless measured loss or round trip differ by far;
 * what it takes to leave a path is always more than what keeps it, so the choice does not swing.
 */
export function better(path: Path, than: Path, now: Instant): boolean {
  // The other one owes an answer, and this one gave one meanwhile.
  if (than.missed && (path.provenAt ?? 0) > than.aliveAt) return true;
  if (path.missed || !path.ready(now)) return false;
  if (lossGap(than, path) >= LOSSIER) return true;
  if (lossGap(path, than) >= STILL_LOSSIER) return false;
  const kind = PREFERENCE[path.kind] - PREFERENCE[than.kind];
  if (kind < 0) return !isSlower(path, than, STILL_SLOWER);
  if (kind > 0) return isSlower(than, path, MUCH_SLOWER);
  // The peer moved: it has not been heard on the old path since the new one appeared.
  if ((than.heardAt ?? 0) < path.addedAt && (path.heardAt ?? 0) >= path.addedAt) return true;
  if (path.rtt === undefined || than.rtt === undefined) return false;
  return path.rtt < than.rtt * FASTER && path.rtt < than.rtt - FASTER_BY;
}

/** How promising a path is to carry a frame while none is proven; higher is better. */
export function likelihood(path: Path): number {
  if (path.phase === 'proven') return 4;
  if (path.heardAt !== undefined && path.phase !== 'failed') return 3;
  if (path.relay) return 2;
  return path.phase === 'failed' || path.origin === 'exchange' ? 0 : 1;
}

/** By how much more of its probes `path` loses; 0 while either was not measured enough. */
function lossGap(path: Path, other: Path): number {
  return path.loss === undefined || other.loss === undefined ? 0 : path.loss - other.loss;
}

function isSlower(path: Path, than: Path, by: { readonly factor: number; readonly by: number }): boolean {
  if (path.rtt === undefined || than.rtt === undefined) return false;
  return path.rtt > than.rtt * by.factor && path.rtt > than.rtt + by.by;
}
