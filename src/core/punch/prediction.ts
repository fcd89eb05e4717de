import type { Endpoint, Instant } from '../../base/units.ts';
import type { PunchMessage } from '../../wire/path-message.ts';
import { type Agenda, type PunchPort, portAfter } from './attempt.ts';
import {
  GRABS,
  MEASURE_PATIENCE,
  PREDICTED_PORTS,
  PREDICTION_AGAIN,
  PREDICTION_PATIENCE,
} from './constants.ts';
import { ScheduledAttempt } from './scheduled-attempt.ts';

const ROUNDS = 1 + PREDICTION_AGAIN.length;

/** An attempt that foresees ports. */
abstract class Prediction extends ScheduledAttempt {
  readonly strategy = 'prediction';

  /** Now, and some times more. */
  protected repeat(now: Instant, run: (now: Instant) => void): void {
    run(now);
    for (const pause of PREDICTION_AGAIN) this.agenda.at(now + pause, run);
  }
}

/**
 * A sequential allocator against one known endpoint: frames to the peer leave between two measurements, so the ports
 * they got lie between the two measured ones.
 */
export class Grab extends Prediction {
  readonly budget = GRABS * ROUNDS + 2;
  readonly #step: number;
  readonly #before: number | undefined;
  readonly #after: number | undefined;
  #first: Endpoint | undefined;
  #told = false;

  constructor(port: PunchPort, target: Endpoint, step: number, now: Instant) {
    super(port, now, PREDICTION_PATIENCE);
    this.#step = step;
    this.#before = port.openSocket();
    const grabs = Array.from({ length: GRABS }, () => port.openSocket()).filter((via) => via !== undefined);
    this.#after = port.openSocket();
    if (this.#before === undefined || this.#after === undefined || !port.measure(this.#before, now)) {
      this.end();
      return;
    }
    this.repeat(now, (at) => {
      for (const via of grabs) port.shoot(target, via, at);
    });
    port.measure(this.#after, now);
    this.agenda.at(now + MEASURE_PATIENCE, (at) => this.#tell(undefined, at));
  }

  override measured(via: number, endpoint: Endpoint, now: Instant): void {
    if (via === this.#before) this.#first = endpoint;
    else if (via === this.#after) this.#tell(endpoint, now);
  }

  #tell(last: Endpoint | undefined, now: Instant): void {
    if (this.#told) return;
    const from = this.#first ?? last;
    if (from === undefined) {
      this.end();
      return;
    }
    this.#told = true;
    // The step goes both ways where only the later measurement is known.
    const step = this.#first === undefined ? -this.#step : this.#step;
    const span = last === undefined || this.#first === undefined ? Number.NaN : last.port - from.port;
    const between = Math.round(span / this.#step) - 1;
    const count = between >= 1 && between <= PREDICTED_PORTS ? between : Math.min(PREDICTED_PORTS, 4 * GRABS);
    const ports = Array.from({ length: count }, (_, i) => portAfter(from.port, step * (i + 1)));
    this.port.tell('go', from.host, ports, now);
  }
}

/** One known endpoint against a sequential allocator: speaks to the ports that the peer foresees. */
export class Meet extends Prediction {
  readonly budget = PREDICTED_PORTS * ROUNDS;
  #begun = false;

  constructor(port: PunchPort, now: Instant) {
    super(port, now, PREDICTION_PATIENCE);
  }

  override told(message: PunchMessage, now: Instant): void {
    super.told(message, now);
    if (message.step !== 'go' || this.#begun) return;
    this.#begun = true;
    const ports = message.ports.slice(0, PREDICTED_PORTS);
    this.repeat(now, (at) => {
      for (const port of ports) this.port.shoot({ host: message.host, port }, 0, at);
    });
  }
}

/** Two sockets in a row, as a beacon sees them: where the allocator is, and how far it goes each time. */
class Pace {
  readonly #sockets: readonly (number | undefined)[];
  readonly #seen: (Endpoint | undefined)[] = [undefined, undefined];
  readonly #done: (host: string, ports: readonly number[], now: Instant) => void;
  #over = false;

  constructor(
    port: PunchPort,
    agenda: Agenda,
    done: (host: string, ports: readonly number[], now: Instant) => void,
    now: Instant,
  ) {
    this.#done = done;
    this.#sockets = [port.openSocket(), port.openSocket()];
    for (const via of this.#sockets) if (via !== undefined) port.measure(via, now);
    agenda.at(now + MEASURE_PATIENCE, (at) => this.#end(at));
  }

  measured(via: number, endpoint: Endpoint, now: Instant): void {
    const at = this.#sockets.indexOf(via);
    if (at < 0) return;
    this.#seen[at] = endpoint;
    if (this.#seen.every((one) => one !== undefined)) this.#end(now);
  }

  #end(now: Instant): void {
    const seen = this.#seen.filter((one) => one !== undefined);
    const last = seen.at(-1);
    if (this.#over || last === undefined) return;
    this.#over = true;
    this.#done(
      last.host,
      seen.map(({ port }) => port),
      now,
    );
  }
}

/** Where an allocator goes on, from what was measured just now and how far it was seen to go before. */
function pace(ports: readonly number[], before: number): { readonly base: number; readonly step: number } {
  const base = ports.at(-1)!;
  const step = ports.length < 2 ? 0 : base - ports[0]!;
  // Others may have taken ports in between, never the other way round: the shorter step is the better guess.
  const better = before === 0 || (step !== 0 && Math.abs(step) < Math.abs(before));
  return { base, step: better ? step : before };
}

/**
 * Two sequential allocators. One side (`Fan`) speaks from many sockets to one port that the other will get a little
 * later; the other (`Sweep`) speaks from one socket to each of those many in turn, and thereby gets that port for one
 * of them. Which one does not matter, so ports that others take meanwhile do no harm until they are half as many.
 */
export class Fan extends Prediction {
  readonly budget = PREDICTED_PORTS * ROUNDS + 2;
  readonly #peerStep: number;
  #pace: Pace | undefined;

  constructor(port: PunchPort, peerStep: number, own: string, now: Instant) {
    super(port, now, PREDICTION_PATIENCE + MEASURE_PATIENCE);
    this.#peerStep = peerStep;
    port.tell('begin', own, [], now);
  }

  override measured(via: number, endpoint: Endpoint, now: Instant): void {
    this.#pace?.measured(via, endpoint, now);
  }

  override told(message: PunchMessage, now: Instant): void {
    super.told(message, now);
    const { step, host, ports } = message;
    if (step !== 'ready' || ports.length === 0 || this.#pace !== undefined || this.over) return;
    const theirs = pace(ports, this.#peerStep);
    const target = { host, port: portAfter(theirs.base, theirs.step * (PREDICTED_PORTS / 2)) };
    const fire = (own: string, measured: readonly number[], at: Instant): void => {
      const sockets = Array.from({ length: PREDICTED_PORTS }, () => this.port.openSocket());
      this.repeat(at, (then) => {
        for (const socket of sockets) if (socket !== undefined) this.port.shoot(target, socket, then);
      });
      this.port.tell('go', own, measured, at);
    };
    this.#pace = new Pace(this.port, this.agenda, fire, now);
  }
}

/** The other side of `Fan`. */
export class Sweep extends Prediction {
  readonly budget = PREDICTED_PORTS * ROUNDS + 2;
  readonly #peerStep: number;
  readonly #pace: Pace;
  #begun = false;

  constructor(port: PunchPort, peerStep: number, now: Instant) {
    super(port, now, PREDICTION_PATIENCE + MEASURE_PATIENCE);
    this.#peerStep = peerStep;
    const ready = (own: string, measured: readonly number[], at: Instant): void =>
      port.tell('ready', own, measured, at);
    this.#pace = new Pace(port, this.agenda, ready, now);
  }

  override measured(via: number, endpoint: Endpoint, now: Instant): void {
    this.#pace.measured(via, endpoint, now);
  }

  override told(message: PunchMessage, now: Instant): void {
    super.told(message, now);
    const { step, host, ports } = message;
    if (step !== 'go' || ports.length === 0 || this.#begun || this.over) return;
    this.#begun = true;
    const theirs = pace(ports, this.#peerStep);
    const socket = this.port.openSocket();
    if (socket === undefined) return;
    this.repeat(now, (at) => {
      for (let i = 1; i <= PREDICTED_PORTS; i++)
        this.port.shoot({ host, port: portAfter(theirs.base, theirs.step * i) }, socket, at);
    });
  }
}
