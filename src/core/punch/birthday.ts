import type { Endpoint, Instant } from '../../base/units.ts';
import { FIRST_PORT, PORT_COUNT, type PunchPort, portAfter } from './attempt.ts';
import {
  BIRTHDAY_AGAIN,
  BIRTHDAY_BATCH,
  BIRTHDAY_PATIENCE,
  BIRTHDAY_PAUSE,
  BIRTHDAY_PORTS,
  BIRTHDAY_SOCKETS,
} from './constants.ts';
import { ScheduledAttempt } from './scheduled-attempt.ts';

/**
 * The side whose translator gives every destination another port: opens many sockets and speaks from each to the one
 * endpoint of the peer, so that many of its 64,512 ports lead in.
 */
export class ManySockets extends ScheduledAttempt {
  readonly strategy = 'birthday';
  readonly budget = BIRTHDAY_SOCKETS * (1 + BIRTHDAY_AGAIN.length);
  readonly #target: Endpoint;
  readonly #sockets: number[] = [];

  /** `own`: the address at which others see us. */
  constructor(port: PunchPort, target: Endpoint, own: string, now: Instant) {
    super(port, now, BIRTHDAY_PATIENCE);
    this.#target = target;
    for (let batch = 0; batch * BIRTHDAY_BATCH < BIRTHDAY_SOCKETS; batch++)
      this.agenda.at(now + batch * BIRTHDAY_PAUSE, (at) => this.#open(at));
    for (const pause of BIRTHDAY_AGAIN) {
      for (let from = 0; from < BIRTHDAY_SOCKETS; from += BIRTHDAY_BATCH)
        this.agenda.at(now + pause + (from / BIRTHDAY_BATCH) * BIRTHDAY_PAUSE, (at) => this.#speak(from, at));
    }
    port.tell('go', own, [], now);
  }

  #open(now: Instant): void {
    for (let i = 0; i < BIRTHDAY_BATCH; i++) {
      const via = this.port.openSocket();
      if (via === undefined) return;
      this.#sockets.push(via);
      this.port.shoot(this.#target, via, now);
    }
  }

  #speak(from: number, now: Instant): void {
    for (const via of this.#sockets.slice(from, from + BIRTHDAY_BATCH))
      this.port.shoot(this.#target, via, now);
  }
}

/** The side with one endpoint: speaks from it to ports drawn at random, none of them twice. */
export class ManyPorts extends ScheduledAttempt {
  readonly strategy = 'birthday';
  readonly budget = BIRTHDAY_PORTS;
  readonly #host: string;
  readonly #first: number;
  readonly #stride: number;
  #tried = 0;

  constructor(port: PunchPort, host: string, now: Instant) {
    super(port, now, BIRTHDAY_PATIENCE);
    this.#host = host;
    this.#first = port.random.below(PORT_COUNT);
    // 64,512 = 2^10 · 3^2 · 7: a stride that shares no factor with it meets every port once.
    let stride = 1 + port.random.below(PORT_COUNT - 1);
    while (stride % 2 === 0 || stride % 3 === 0 || stride % 7 === 0) stride++;
    this.#stride = stride;
    const batches = Math.ceil(BIRTHDAY_PORTS / BIRTHDAY_BATCH);
    for (let batch = 0; batch < batches; batch++)
      this.agenda.at(now + batch * BIRTHDAY_PAUSE, (at) => this.#try(at));
  }

  #try(now: Instant): void {
    for (let i = 0; i < BIRTHDAY_BATCH; i++) {
      const port = portAfter(FIRST_PORT, this.#first + this.#tried * this.#stride);
      this.#tried++;
      if (!this.port.shoot({ host: this.#host, port }, 0, now)) return;
    }
  }
}
