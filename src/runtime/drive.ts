import type { Machine } from '../base/machine.ts';
import type { Clock, Timer } from './ports.ts';

/**
 * The only machine loop: after every input, drains all outputs and re-arms one timer.
 * Call `driver.after(() => machine.handleX(...))` for each input.
 */
export interface Driver {
  /** Runs one mutation, then the full drain. Re-entrant calls are queued behind the current drain. */
  run(mutation: () => void): void;
  stop(): void;
}

export function drive<Output>(
  machine: Machine<Output>,
  clock: Clock,
  onOutput: (output: Output) => void,
): Driver {
  let timer: Timer | undefined;
  let armedAt = 0;
  let draining = false;
  let stopped = false;
  const backlog: (() => void)[] = [];

  function drain(): void {
    for (let output = machine.poll(); output !== undefined; output = machine.poll()) onOutput(output);
  }
  /** Deadlines move with every packet, mostly to later: a timer that comes too early then costs less than a new one each time. */
  function rearm(): void {
    const next = stopped ? undefined : machine.nextTimeout();
    if (next === undefined || (timer !== undefined && armedAt <= next)) return;
    timer?.cancel();
    armedAt = next;
    timer = clock.at(next, onTimer);
  }
  function onTimer(): void {
    timer = undefined;
    const next = stopped ? undefined : machine.nextTimeout();
    if (next === undefined) return;
    if (next <= clock.now()) run(handleTimeout);
    else rearm();
  }
  function handleTimeout(): void {
    machine.handleTimeout(clock.now());
  }
  function run(mutation: () => void): void {
    if (stopped) return;
    if (draining) {
      backlog.push(mutation);
      return;
    }
    draining = true;
    try {
      mutation();
      drain();
      for (let next = backlog.shift(); next !== undefined; next = backlog.shift()) {
        next();
        drain();
      }
    } finally {
      draining = false;
    }
    rearm();
  }
  return {
    run,
    stop() {
      stopped = true;
      timer?.cancel();
      timer = undefined;
    },
  };
}
