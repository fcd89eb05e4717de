import type { StreamPriority } from '../../api/priority.ts';
import type { StreamConfig } from './config.ts';

/** How a stream sends. */
export interface StreamManner {
  readonly noDelay: boolean;
  readonly priority: StreamPriority;
}

/** What a dial leaves open is as the node's settings have it. */
export function mannerOf({ noDelay, priority }: Partial<StreamManner>, config: StreamConfig): StreamManner {
  return { noDelay: noDelay ?? config.noDelay, priority: priority ?? 'normal' };
}
