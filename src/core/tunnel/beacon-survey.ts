import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import { encodeDiscover } from '../../wire/beacon.ts';
import type { Registration } from './beacon-registration.ts';
import type { Question, Vantage } from './vantage.ts';

/**
 * What a beacon with a second port is asked about our main socket. The filter comes first: a question to the second
 * port opens it. Times count from the first answer. Chosen.
 */
const STEPS: readonly { readonly after: Millis; readonly alternate: boolean }[] = [
  { after: 0, alternate: false },
  { after: 250, alternate: false },
  { after: 700, alternate: false },
  { after: 1_500, alternate: true },
  { after: 2_000, alternate: true },
];
const FIRST_MAPPING = STEPS.findIndex(({ alternate }) => alternate);
/** A filter that a question of ours opened is taken to be closed again after this. Chosen. */
const FILTER_LIFETIME: Millis = 300_000;

/** How a socket of ours is to be looked at. */
export interface View {
  readonly alternate: boolean;
  readonly unsolicited: boolean;
  readonly via: number;
}

/** How the beacon sees our main socket when it is asked in the usual way. */
export function mainQuestion({ endpoint }: Registration): Question {
  return { beacon: endpoint, alternate: false, unsolicited: false, via: 0 };
}

/** Asks beacons how they see our sockets, without registering anything. */
export class BeaconSurvey {
  readonly #vantage: Vantage;
  readonly #transmit: (to: Endpoint, data: Uint8Array, via?: number) => void;

  constructor(vantage: Vantage, transmit: (to: Endpoint, data: Uint8Array, via?: number) => void) {
    this.#vantage = vantage;
    this.#transmit = transmit;
  }

  /** Begins anew, unless it is under way; `again` even then. */
  begin(one: Registration, now: Instant, again = false): void {
    if (one.alternatePort === 0 || one.visitedAt !== undefined || (!again && one.step < STEPS.length)) return;
    one.surveyAt = now;
    one.step = now - one.openedAt < FILTER_LIFETIME ? FIRST_MAPPING : 0;
  }

  /** Another mapping has filters of its own. */
  renew(one: Registration, now: Instant): void {
    one.openedAt = Number.NEGATIVE_INFINITY;
    this.begin(one, now, true);
  }

  due({ step, surveyAt }: Registration): Instant {
    const next = STEPS[step];
    return next === undefined ? Number.POSITIVE_INFINITY : surveyAt + next.after;
  }

  /** Takes the step that is due. */
  advance(one: Registration, now: Instant): void {
    const { alternate } = STEPS[one.step]!;
    one.step++;
    if (alternate) one.openedAt = now;
    this.ask(one, { alternate, unsolicited: !alternate, via: 0 }, now);
  }

  ask(one: Registration, view: View, now: Instant): void {
    const token = this.#vantage.asked({ beacon: one.endpoint, ...view }, now);
    const to = view.alternate ? { host: one.endpoint.host, port: one.alternatePort } : one.endpoint;
    this.#transmit(to, encodeDiscover(0, undefined, { token, elsewhere: view.unsolicited }), view.via);
  }

  askLate({ endpoint }: Registration, via: number, seconds: number, now: Instant): void {
    const token = this.#vantage.askedLate(endpoint, via, 1000 * seconds, now);
    const question = { token, elsewhere: false, delay: seconds };
    this.#transmit(endpoint, encodeDiscover(0, undefined, question), via);
  }
}
