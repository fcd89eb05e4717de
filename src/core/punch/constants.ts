import type { Millis } from '../../base/units.ts';

// All chosen; docs/decisions/0016 says why.

/** Sockets that the side with random ports opens, and ports that the other side tries: met with 98 % probability. */
export const BIRTHDAY_SOCKETS = 256;
export const BIRTHDAY_PORTS = 1024;
/** Both are spread over time, so that no queue on the way overflows. */
export const BIRTHDAY_BATCH = 32;
export const BIRTHDAY_PAUSE: Millis = 25;
/** The sockets speak again after this: the first frame may be lost, and the other side was not ready yet. */
export const BIRTHDAY_AGAIN: readonly Millis[] = [700, 1_600];
export const BIRTHDAY_PATIENCE: Millis = 3_500;

/** Frames between two measurements: one of them is met even if others allocate ports meanwhile. */
export const GRABS = 4;
/** Ports tried of a sequential allocator. */
export const PREDICTED_PORTS = 32;
/** Frames of a prediction are repeated, counted from the first. */
export const PREDICTION_AGAIN: readonly Millis[] = [120, 350, 800];
export const MEASURE_PATIENCE: Millis = 1_000;
export const PREDICTION_PATIENCE: Millis = 2_500;

/** Attempts with one peer within an hour, and what all of them may send. */
export const HOUR: Millis = 3_600_000;
export const MAX_ATTEMPTS = { simple: 120, prediction: 12, birthday: 4 } as const;
export const MAX_PACKETS_PER_HOUR = 20_000;
/** What one host may be sent within an hour, whoever named it. */
export const MAX_PACKETS_PER_HOST = 5_000;
export const MAX_HOSTS = 1_024;

/** After an attempt that failed the next waits: this long, then four times as long, up to the longest. */
export const FIRST_PAUSE: Millis = 2_000;
export const LONGEST_PAUSE: Millis = 900_000;
/** How long simple punching has the field for itself where the filtering is not known. */
export const SIMPLE_PATIENCE: Millis = 1_200;
