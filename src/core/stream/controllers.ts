import type { CongestionKind } from '../../api/congestion.ts';
import type { StreamPriority } from '../../api/priority.ts';
import type { Bytes } from '../../base/units.ts';
import { Bbr } from './bbr.ts';
import type { CongestionController } from './congestion.ts';
import { Cubic } from './cubic.ts';
import { Ledbat } from './ledbat.ts';

export function newController(
  kind: CongestionKind,
  priority: StreamPriority,
  segment: Bytes,
  seed: number,
): CongestionController {
  if (priority === 'background') return new Ledbat(segment);
  switch (kind) {
    case 'bbr':
      return new Bbr(segment, seed);
    case 'tolerant':
      return new Cubic(segment, true);
    case 'cubic':
      return new Cubic(segment, false);
    default:
      return kind satisfies never;
  }
}
