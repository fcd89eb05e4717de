import type { Endpoint, Instant } from '../../base/units.ts';
import type { PunchMessage } from '../../wire/path-message.ts';
import { Agenda, type Attempt, type PunchPort } from './attempt.ts';
import {
  BIRTHDAY_AGAIN,
  BIRTHDAY_BATCH,
  BIRTHDAY_PATIENCE,
  BIRTHDAY_PAUSE,
  BIRTHDAY_PORTS,
  BIRTHDAY_SOCKETS,
} from './constants.ts';

const FIRST_PORT = 1_024;
const PORTS = 65_536 - FIRST_PORT;

/**
 * The side whose translator gives every destination another port: opens many sockets and speaks from each to the one
 * endpoint of the peer, so that many of its 64,512 ports lead in.
 */
export class ManySockets implements Attempt {
  readonly strategy = 'birthday';
  readonly budget = BIRTHDAY_SOCKETS * (1 + BIRTHDAY_AGAIN.length);
  readonly #port: PunchPort;
  readonly #target: Endpoint;
  readonly #agenda = new Agenda();
  readonly #sockets: number[] = [];
  #over = false;

  /** `own`: the address at which others see us. */
  constructor(port: PunchPort, target: Endpoint, own: string, now: Instant) {
    this.#port = port;
    this.#target = target;
    for (let batch = 0; batch * BIRTHDAY_BATCH < BIRTHDAY_SOCKETS; batch++)
      this.#agenda.at(now + batch * BIRTHDAY_PAUSE, (at) => this.#open(at));
    for (const pause of BIRTHDAY_AGAIN) {
      for (let from = 0; from < BIRTHDAY_SOCKETS; from += BIRTHDAY_BATCH)
        this.#agenda.at(now + pause + (from / BIRTHDAY_BATCH) * BIRTHDAY_PAUSE, (at) =>
          this.#speak(from, at),
        );
    }
    this.#agenda.at(now + BIRTHDAY_PATIENCE, () => this.#end());
    port.tell('go', own, [], now);
  }

  get over(): boolean {
    return this.#over;
  }

  measured(): void {}

  told({ step }: PunchMessage): void {
    if (step === 'refuse') this.#end();
  }

  handleTimeout(now: Instant): void {
    this.#agenda.handleTimeout(now);
  }

  nextTimeout(): Instant {
    return this.#agenda.nextTimeout();
  }

  #open(now: Instant): void {
    for (let i = 0; i < BIRTHDAY_BATCH; i++) {
      const via = this.#port.openSocket();
      if (via === undefined) return;
      this.#sockets.push(via);
      this.#port.shoot(this.#target, via, now);
    }
  }

  #speak(from: number, now: Instant): void {
    for (const via of this.#sockets.slice(from, from + BIRTHDAY_BATCH))
      this.#port.shoot(this.#target, via, now);
  }

  #end(): void {
    this.#over = true;
    this.#agenda.clear();
  }
}

/** The side with one endpoint: speaks from it to ports drawn at random, none of them twice. */
export class ManyPorts implements Attempt {
  readonly strategy = 'birthday';
  readonly budget = BIRTHDAY_PORTS;
  readonly #port: PunchPort;
  readonly #host: string;
  readonly #agenda = new Agenda();
  readonly #first: number;
  readonly #stride: number;
  #tried = 0;
  #over = false;

  constructor(port: PunchPort, host: string, now: Instant) {
    this.#port = port;
    this.#host = host;
    this.#first = port.random.below(PORTS);
    // 64,512 = 2^10 · 3^2 · 7: a stride that shares no factor with it meets every port once.
    let stride = 1 + port.random.below(PORTS - 1);
    while (stride % 2 === 0 || stride % 3 === 0 || stride % 7 === 0) stride++;
    this.#stride = stride;
    const batches = Math.ceil(BIRTHDAY_PORTS / BIRTHDAY_BATCH);
    for (let batch = 0; batch < batches; batch++)
      this.#agenda.at(now + batch * BIRTHDAY_PAUSE, (at) => this.#try(at));
    this.#agenda.at(now + BIRTHDAY_PATIENCE, () => this.#end());
  }

  get over(): boolean {
    return this.#over;
  }

  measured(): void {}

  told({ step }: PunchMessage): void {
    if (step === 'refuse') this.#end();
  }

  handleTimeout(now: Instant): void {
    this.#agenda.handleTimeout(now);
  }

  nextTimeout(): Instant {
    return this.#agenda.nextTimeout();
  }

  #try(now: Instant): void {
    for (let i = 0; i < BIRTHDAY_BATCH; i++) {
      const port = FIRST_PORT + ((this.#first + this.#tried * this.#stride) % PORTS);
      this.#tried++;
      if (!this.#port.shoot({ host: this.#host, port }, 0, now)) return;
    }
  }

  #end(): void {
    this.#over = true;
    this.#agenda.clear();
  }
}
