import type { Store } from '../../registry/index.ts';
import { between, type Process } from '../net/index.ts';

/** Slowest half of a virtual database transaction, ms. */
const SLOWEST = 3;

/**
 * A store that takes time before and after each step, and outlives the process that uses it: a process that dies in
 * between has changed everything or nothing, and its caller never hears.
 */
export function slowStore(store: Store, process: Process): Store {
  const random = process.random.fork('store');
  const pause = (): Promise<void> => process.clock.sleep(between(random, 0.1, SLOWEST));
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return async (...args: unknown[]): Promise<unknown> => {
        await pause();
        const result: unknown = await Reflect.apply(method, target, args);
        await pause();
        return result;
      };
    },
  });
}
