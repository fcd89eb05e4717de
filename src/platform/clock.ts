import type { Instant } from '../base/units.ts';
import type { Abort, Clock, Timer } from '../runtime/ports.ts';

/** setTimeout treats longer delays as 1 ms. */
const LONGEST_TIMEOUT = 0x7fff_ffff;

/** The process's monotonic and wall clocks. Timers never fire early. */
export function nodeClock(): Clock {
  const now = (): Instant => performance.now();
  function at(when: Instant, callback: () => void): Timer {
    let handle: NodeJS.Timeout;
    function arm(): void {
      const delay = Math.min(Math.max(0, Math.ceil(when - now())), LONGEST_TIMEOUT);
      handle = setTimeout(() => {
        // libuv rounds its own clock to whole milliseconds, so a timeout can come a fraction early.
        if (now() < when) arm();
        else callback();
      }, delay);
    }
    arm();
    return { cancel: () => clearTimeout(handle) };
  }
  return {
    now,
    wallNow: () => Date.now(),
    at,
    sleep(delay, signal) {
      return sleepOn({ at, now }, delay, signal);
    },
  };
}

function sleepOn(
  clock: { at(when: Instant, callback: () => void): Timer; now(): Instant },
  delay: number,
  signal: Abort | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      reject(signal?.reason);
    };
    const timer = clock.at(clock.now() + delay, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort);
  });
}
