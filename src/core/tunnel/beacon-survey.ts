import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import { encodeDiscover } from '../../wire/beacon.ts';
import type { BeaconFacts } from '../path/node-facts.ts';
import type { Registration } from './beacon-registration.ts';
import type { Question, Vantage } from './vantage.ts';

/**
 * What a beacon with a second port is asked: first, from a fresh socket that never spoke to the second port, whether an
 * answer from there is let in; then, from the main socket, how the second port sees us. Our main socket may have opened
 * the filter for the second port, also in an earlier run. Times count from the first answer. Chosen.
 */
const STEPS: readonly { readonly after: Millis; readonly alternate: boolean }[] = [
  { after: 0, alternate: false },
  { after: 250, alternate: false },
  { after: 700, alternate: false },
  { after: 1_500, alternate: true },
  { after: 2_000, alternate: true },
];

/** Sockets besides the main one. */
export interface FreshSockets {
  /** Undefined when there are too many. */
  open(): number | undefined;
  close(via: number): void;
}

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

/** What explanations say of a beacon. */
export function factsOf({ endpoint, usable, observed, rtt }: BeaconFacts): BeaconFacts {
  return { endpoint, usable, observed, rtt };
}

/** Asks beacons how they see our sockets, without registering anything. */
export class BeaconSurvey {
  readonly #vantage: Vantage;
  readonly #transmit: (to: Endpoint, data: Uint8Array, via?: number) => void;
  readonly #sockets: FreshSockets;

  constructor(
    vantage: Vantage,
    transmit: (to: Endpoint, data: Uint8Array, via?: number) => void,
    sockets: FreshSockets = { open: () => undefined, close() {} },
  ) {
    this.#vantage = vantage;
    this.#transmit = transmit;
    this.#sockets = sockets;
  }

  /** Begins anew, unless it is under way; `again` even then. */
  begin(one: Registration, now: Instant, again = false): void {
    if (one.alternatePort === 0 || one.visitedAt !== undefined || (!again && one.step < STEPS.length)) return;
    this.release(one);
    one.surveyAt = now;
    one.step = 0;
    one.filterVia = this.#sockets.open() ?? 0;
  }

  due({ step, surveyAt }: Registration): Instant {
    const next = STEPS[step];
    return next === undefined ? Number.POSITIVE_INFINITY : surveyAt + next.after;
  }

  /** Takes the step that is due. */
  advance(one: Registration, now: Instant): void {
    const { alternate } = STEPS[one.step]!;
    one.step++;
    if (alternate) this.ask(one, { alternate, unsolicited: false, via: 0 }, now);
    else if (one.filterVia !== 0) this.#testFilter(one, now);
    if (one.step === STEPS.length) this.release(one);
  }

  /** What the fresh socket finds holds for the main one: a translator has one way of filtering. */
  #testFilter({ endpoint, filterVia }: Registration, now: Instant): void {
    const view = { beacon: endpoint, alternate: false, unsolicited: true, via: 0 };
    const token = this.#vantage.asked(view, now, filterVia);
    this.#transmit(endpoint, encodeDiscover(0, undefined, { token, elsewhere: true }), filterVia);
  }

  /** Ends the test of the filter, if one is under way. */
  release(one: Registration): void {
    if (one.filterVia !== 0) this.#sockets.close(one.filterVia);
    one.filterVia = 0;
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
