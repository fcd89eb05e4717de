import { PilotError } from '../api/errors.ts';
import type { Instant, Millis, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { Abort, Clock, Timer } from '../runtime/ports.ts';
import { addressText } from './targets.ts';

interface Waiting {
  readonly node: NodeId;
  readonly settle: (outcome: Millis | PilotError) => void;
}

/** Pause between repetitions of an unanswered ping. */
const REPEAT: Millis = 1000;

/** Round trips to peers by control packets, which no service has to answer. */
export class Pings {
  readonly #node: PilotNode;
  readonly #clock: Clock;
  readonly #run: (mutation: () => void) => void;
  readonly #waiting = new Map<number, Waiting>();

  constructor(options: { node: PilotNode; clock: Clock; run: (mutation: () => void) => void }) {
    this.#node = options.node;
    this.#clock = options.clock;
    this.#run = options.run;
  }

  /** Milliseconds. Errors: `timeout`, `not_found`, `untrusted`, `cancelled`. */
  ping(node: NodeId, timeout: Millis, signal: Abort): Promise<Millis> {
    return new Promise((resolve, reject) => {
      const tokens: number[] = [];
      let timer: Timer | undefined;
      const abort = (): void => settle(new PilotError('cancelled', 'Cancelled: ping'));
      const settle = (outcome: Millis | PilotError): void => {
        for (const token of tokens) this.#waiting.delete(token);
        timer?.cancel();
        signal.removeEventListener('abort', abort);
        if (typeof outcome === 'number') resolve(outcome);
        else reject(outcome);
      };
      signal.addEventListener('abort', abort);
      const deadline = this.#clock.now() + timeout;
      // A ping is one packet: the first one to a peer that has restarted dies under the old key.
      const attempt = (): void =>
        this.#run(() => {
          const now: Instant = this.#clock.now();
          if (now >= deadline) {
            settle(new PilotError('timeout', `No answer from ${addressText(node)} within ${timeout} ms`));
            return;
          }
          const token = this.#node.ping(node, now);
          tokens.push(token);
          this.#waiting.set(token, { node, settle });
          timer = this.#clock.at(Math.min(deadline, now + REPEAT), attempt);
        });
      attempt();
    });
  }

  onPong(token: number, rtt: Millis): void {
    this.#waiting.get(token)?.settle(rtt);
  }

  /** The peer cannot be found: nothing will answer. */
  failed(node: NodeId, error: PilotError): void {
    for (const waiting of [...this.#waiting.values()]) if (waiting.node === node) waiting.settle(error);
  }
}
