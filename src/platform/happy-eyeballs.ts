/** Connecting to a name with several addresses without waiting for the ones that do not answer. RFC 8305 */

/** Until the next address is tried while the ones before have not answered. RFC 8305 §5 */
export const ATTEMPT_DELAY = 250;

/** Alternates between the families, beginning with that of the first address. RFC 8305 §4 */
export function interleaved(addresses: readonly string[]): string[] {
  const isV6 = (address: string): boolean => address.includes(':');
  const first = addresses.filter((address) => isV6(address) === isV6(addresses[0] ?? ''));
  const second = addresses.filter((address) => !first.includes(address));
  const order: string[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    if (first[i] !== undefined) order.push(first[i]!);
    if (second[i] !== undefined) order.push(second[i]!);
  }
  return order;
}

export interface Attempt<Won> {
  /** Rejects when it cannot succeed any more. */
  readonly won: Promise<Won>;
  /** Its result is not wanted; also called when it has failed. */
  abandon(): void;
}

/**
 * Tries the addresses in order, each when the ones before have failed or `pause` has passed; the first success wins
 * and the others are abandoned. Rejects with the failure of the first address when all fail.
 */
export function race<Won>(
  addresses: readonly string[],
  begin: (address: string) => Attempt<Won>,
  pause: (done: () => void) => { cancel(): void },
): { readonly won: Promise<Won>; abandon(reason: unknown): void } {
  const attempts: Attempt<Won>[] = [];
  const failures: unknown[] = [];
  let waiting: { cancel(): void } | undefined;
  let over = false;
  let settle: { resolve(won: Won): void; reject(reason: unknown): void };
  const won = new Promise<Won>((resolve, reject) => {
    settle = { resolve, reject };
  });
  function end(except?: Attempt<Won>): void {
    over = true;
    waiting?.cancel();
    for (const attempt of attempts) if (attempt !== except) attempt.abandon();
  }
  function next(): void {
    waiting?.cancel();
    waiting = undefined;
    const at = attempts.length;
    if (over || at >= addresses.length) return;
    const attempt = begin(addresses[at]!);
    attempts.push(attempt);
    attempt.won.then(
      (result) => {
        if (over) return;
        end(attempt);
        settle.resolve(result);
      },
      (reason) => {
        if (over) return;
        failures[at] = reason;
        if (Object.keys(failures).length < addresses.length) {
          next();
          return;
        }
        end();
        settle.reject(failures[0]);
      },
    );
    if (attempts.length < addresses.length) waiting = pause(next);
  }
  next();
  return {
    won,
    abandon(reason) {
      end();
      settle.reject(reason);
    },
  };
}
