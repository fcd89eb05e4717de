/**
 * What a stream is to others on the same path. `normal`: its fair share. `background`: what everybody else leaves,
 * other programs included, and never a long queue; for large transfers that nobody waits for.
 */
export const STREAM_PRIORITIES = ['normal', 'background'] as const;

export type StreamPriority = (typeof STREAM_PRIORITIES)[number];
