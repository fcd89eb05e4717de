import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import type { PunchMessage } from '../../wire/path-message.ts';
import { Agenda, type Attempt, type PunchPort } from './attempt.ts';

/** An attempt with an agenda, which ends when the peer refuses its part or patience runs out. */
export abstract class ScheduledAttempt implements Attempt {
  abstract readonly strategy: Attempt['strategy'];
  abstract readonly budget: number;
  protected readonly port: PunchPort;
  protected readonly agenda = new Agenda();
  #over = false;

  constructor(port: PunchPort, now: Instant, patience: Millis) {
    this.port = port;
    this.agenda.at(now + patience, () => this.end());
  }

  get over(): boolean {
    return this.#over;
  }

  measured(_via: number, _endpoint: Endpoint, _now: Instant): void {}

  told({ step }: PunchMessage, _now: Instant): void {
    if (step === 'refuse') this.end();
  }

  handleTimeout(now: Instant): void {
    this.agenda.handleTimeout(now);
  }

  nextTimeout(): Instant {
    return this.agenda.nextTimeout();
  }

  protected end(): void {
    this.#over = true;
    this.agenda.clear();
  }
}
