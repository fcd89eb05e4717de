import { PilotError } from '../../api/errors.ts';
import type { Millis } from '../../base/units.ts';
import type { Abort, Clock } from '../../runtime/ports.ts';

/** The promise's outcome, or `timeout` after `limit`, or `cancelled` when the signal fires. The promise itself goes on. */
export function within<Value>(
  clock: Clock,
  limit: Millis,
  promise: Promise<Value>,
  what: string,
  signal?: Abort,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => finish(() => reject(new PilotError('cancelled', `Cancelled: ${what}`)));
    const finish = (settle: () => void): void => {
      timer.cancel();
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const timer = clock.at(clock.now() + limit, () =>
      finish(() => reject(new PilotError('timeout', `No answer within ${limit} ms: ${what}`))),
    );
    signal?.addEventListener('abort', abort);
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    );
    if (signal?.aborted) abort();
  });
}
