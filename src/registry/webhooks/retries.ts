import type { Random } from '../../base/random.ts';
import type { Millis } from '../../base/units.ts';

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const FIRST: readonly Millis[] = [5000, 30_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE];
const LATER: Millis = HOUR;
/** Tries of one delivery; then it is a dead letter, about 20 hours after the first. */
export const MOST_ATTEMPTS = 24;
/** How much longer or shorter a delay is, so that many that failed together do not come back together. */
const JITTER = 0.2;
/** The longest that a receiver can ask for. */
const LONGEST: Millis = 24 * HOUR;

/** Until the next try after `attempts` that failed; undefined when there is none. */
export function retryDelay(attempts: number, random: Random, asked: Millis = 0): Millis | undefined {
  if (attempts >= MOST_ATTEMPTS) return undefined;
  const delay = FIRST[attempts - 1] ?? LATER;
  const jittered = Math.round(delay * (1 - JITTER + 2 * JITTER * random.fraction()));
  return Math.max(jittered, Math.min(asked, LONGEST));
}

/** What a `Retry-After` header asks for: seconds; a date is not worth a clock that may be wrong. RFC 9110 §10.2.3 */
export function retryAfter(header: string): Millis {
  return /^\d{1,9}$/.test(header) ? Number(header) * 1000 : 0;
}
