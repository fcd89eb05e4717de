import { sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import type { Observation } from '../nat/observation.ts';

// Chosen.

/** Questions whose answer is waited for, and how long. */
const MAX_WAITING = 512;
const WAIT: Millis = 10_000;
/** Late answers waited for. */
const MAX_LATE = 32;
/** Observations kept; the longest unasked give way. */
const MAX_OBSERVATIONS = 1_024;

export type { Observation };

export type Question = Pick<Observation, 'beacon' | 'alternate' | 'unsolicited' | 'via'>;
type Kept = { -readonly [Field in keyof Observation]: Observation[Field] };

/** How our sockets look from the beacons, told by answers that carry the token of a question of ours. */
export class Vantage {
  readonly #random: Random;
  readonly #waiting = new Map<
    number,
    { readonly observation: Kept; readonly at: Instant; readonly socket: number }
  >();
  readonly #late = new Map<
    number,
    { readonly beacon: Endpoint; readonly via: number; readonly until: Instant }
  >();
  readonly #kept = new Map<string, Kept>();

  constructor(random: Random) {
    this.#random = random;
  }

  all(): readonly Observation[] {
    return [...this.#kept.values()];
  }

  /** Notes a question that is sent now, from `socket`; returns the token to send with it. */
  asked(question: Question, now: Instant, socket = question.via): number {
    const observation = this.#of(question, now);
    if (observation.unanswered === 0) observation.firstAskedAt = now;
    observation.unanswered++;
    observation.askedAt = now;
    let token = this.#random.u32();
    while (token === 0 || this.#waiting.has(token)) token = this.#random.u32();
    for (const [old, { at }] of this.#waiting) {
      if (this.#waiting.size < MAX_WAITING && now - at < WAIT) break;
      this.#waiting.delete(old);
    }
    this.#waiting.set(token, { observation, at: now, socket });
    return token;
  }

  /** Notes a question to be answered `delay` later; returns its token. */
  askedLate(beacon: Endpoint, via: number, delay: Millis, now: Instant): number {
    let token = this.#random.u32();
    while (token === 0 || this.#late.has(token)) token = this.#random.u32();
    for (const [old, { until }] of this.#late) {
      if (this.#late.size < MAX_LATE && now < until) break;
      this.#late.delete(old);
    }
    this.#late.set(token, { beacon, via, until: now + delay + WAIT });
    return token;
  }

  /** Takes a late answer; the beacon that was asked, or undefined when it was not asked on this socket. */
  answeredLate(token: number, via: number, now: Instant): Endpoint | undefined {
    const late = this.#late.get(token);
    if (late === undefined || late.via !== via || now > late.until) return undefined;
    this.#late.delete(token);
    return late.beacon;
  }

  /** Takes the answer to a question; undefined when it was not asked on this socket, or too long ago. */
  answered(token: number, via: number, endpoint: Endpoint, now: Instant): Observation | undefined {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined || waiting.socket !== via || now - waiting.at > WAIT) return undefined;
    this.#waiting.delete(token);
    this.#learn(waiting.observation, endpoint, now);
    waiting.observation.rtt = now - waiting.at;
    return waiting.observation;
  }

  /** An answer of a beacon that repeats no tokens. */
  answeredPlainly(question: Question, endpoint: Endpoint, now: Instant): void {
    this.#learn(this.#of(question, now), endpoint, now);
  }

  /** The socket is closed: what was seen of it says nothing any more. */
  forget(via: number): void {
    for (const [key, one] of this.#kept) if (one.via === via) this.#kept.delete(key);
    for (const [token, { socket }] of this.#waiting) if (socket === via) this.#waiting.delete(token);
    for (const [token, late] of this.#late) if (late.via === via) this.#late.delete(token);
  }

  #learn(observation: Kept, endpoint: Endpoint, now: Instant): void {
    observation.unanswered = 0;
    if (observation.endpoint === undefined || !sameEndpoint(observation.endpoint, endpoint))
      observation.since = now;
    observation.endpoint = endpoint;
    observation.at = now;
  }

  #of({ beacon, alternate, unsolicited, via }: Question, now: Instant): Kept {
    const key = `${beacon.host}|${beacon.port}|${alternate}|${unsolicited}|${via}`;
    const known = this.#kept.get(key);
    if (known !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known;
    }
    if (this.#kept.size >= MAX_OBSERVATIONS) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    const fresh: Kept = {
      beacon,
      alternate,
      unsolicited,
      via,
      unanswered: 0,
      firstAskedAt: now,
      askedAt: now,
      endpoint: undefined,
      since: undefined,
      at: undefined,
      rtt: undefined,
    };
    this.#kept.set(key, fresh);
    return fresh;
  }
}
