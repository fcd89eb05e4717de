import type { Crypto } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Instant } from '../../base/units.ts';
import type { Clock, Log, Net, Storage, Timer } from '../../runtime/ports.ts';
import { diskStorage } from './disk.ts';
import type { Host } from './host.ts';
import { processNet } from './net.ts';
import type { PipeEnd } from './pipe.ts';

/** `killed`: as by SIGKILL, the kernel closes the sockets. `power`: the machine is gone without a word. */
export type Death = 'killed' | 'power';

/**
 * One running program on a host: the ports it is given work until it dies, and are silent afterwards:
 * timers do not fire, sockets neither send nor receive, and no promise of a port settles.
 */
export class Process {
  readonly host: Host;
  readonly clock: Clock;
  readonly net: Net;
  readonly random: Random;
  readonly log: Log;
  readonly pipes = new Set<PipeEnd>();
  readonly #onDeath: (process: Process) => void;
  readonly #mourners: (() => void)[] = [];
  #alive = true;

  constructor(host: Host, random: Random, onDeath: (process: Process) => void) {
    this.host = host;
    this.random = random;
    this.#onDeath = onDeath;
    this.clock = processClock(this);
    this.net = processNet(this);
    this.log = {
      event: (level, name, fields = {}) => {
        if (this.#alive) host.world.log({ time: host.world.now, host: host.name, level, name, fields });
      },
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get crypto(): Crypto {
    return this.host.world.crypto;
  }

  storage(directory: string): Storage {
    return diskStorage(this, directory);
  }

  /** Runs `callback` at world time `at` if the process still lives then; later by as long as the host sleeps meanwhile. */
  schedule(at: number, callback: () => void): Timer {
    const { host } = this;
    let isCancelled = false;
    let cancelEvent = (): void => {};
    const arm = (when: number, sleptBefore: number): void => {
      const event = host.world.schedule(when, () => {
        if (!this.#alive || isCancelled) return;
        host.whenAwake(() => {
          if (!this.#alive || isCancelled) return;
          if (host.slept > sleptBefore) arm(when + host.slept - sleptBefore, host.slept);
          else callback();
        });
      });
      cancelEvent = () => {
        event.run = undefined;
      };
    };
    arm(at, host.slept);
    return {
      cancel: () => {
        isCancelled = true;
        cancelEvent();
      },
    };
  }

  /** Calls back when the process dies, however it does. */
  whenDead(callback: () => void): void {
    this.#mourners.push(callback);
  }

  kill(death: Death): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#onDeath(this);
    for (const pipe of [...this.pipes]) pipe.abandon(death);
    this.host.disk.processDied(this, death);
    for (const mourner of this.#mourners.splice(0)) mourner();
  }
}

/** Monotonic time starts near zero with each process and stands still while the host sleeps, as performance.now() does. */
function processClock(process: Process): Clock {
  const { host } = process;
  const { world } = host;
  const startedAt = world.now - host.slept - 50;
  let floor: Instant = 0;
  function now(): Instant {
    floor = Math.max(floor, world.now - host.slept - startedAt);
    return floor;
  }
  function at(when: Instant, callback: () => void): Timer {
    return process.schedule(when + startedAt + host.slept, () => {
      // Adding and subtracting the start can lose the last bit; a timer must not see a time before its own.
      floor = Math.max(floor, when);
      callback();
    });
  }
  return {
    now,
    wallNow: () => Math.floor(world.epoch + world.now + process.host.skew),
    at,
    sleep(delay, signal) {
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
        const timer = at(now() + delay, () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        });
        signal?.addEventListener('abort', onAbort);
      });
    },
  };
}
