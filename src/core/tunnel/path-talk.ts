import { equal, writeU32 } from '../../base/bytes.ts';
import type { Instant, Millis } from '../../base/units.ts';
import {
  type CandidatesMessage,
  decodePathMessage,
  encodePathMessage,
  isPathMessage,
  type PathMessage,
  type PunchMessage,
} from '../../wire/path-message.ts';
import { TokenBucket } from './token-bucket.ts';

// Chosen.

/** News that is not acknowledged is repeated after these pauses; then it waits for the next occasion. */
const AGAIN: readonly Millis[] = [400, 800, 1_600];
/** News within a minute, and at once. */
const NEWS = { rate: 6 / 60, burst: 6 };
/** Steps of attempts within a minute, and at once. */
const STEPS = { rate: 20 / 60, burst: 12 };
/** Content is compared as it is encoded with sequence 0. */
const SEQUENCE_AT = 6;
const NEVER = Number.POSITIVE_INFINITY;

type Candidates = Omit<CandidatesMessage, 'kind' | 'sequence'>;
type Punch = Omit<PunchMessage, 'kind' | 'sequence'>;

interface TalkHost {
  /** What there is to tell now. */
  candidates(): Candidates;
  /** Sends this as a ping to port 0; false while there is no key. */
  send(payload: Uint8Array, now: Instant): boolean;
}

/**
 * The exchange of candidates with one peer: tells what changed until it is acknowledged, and learns from the first
 * answer whether the peer is one of ours. An old peer echoes the message, and never gets another.
 */
export class PathTalk {
  readonly #host: TalkHost;
  readonly #news = new TokenBucket(NEWS.rate, NEWS.burst);
  readonly #steps = new TokenBucket(STEPS.rate, STEPS.burst);
  #sequence: number;
  #ours: boolean | undefined;
  #told: CandidatesMessage | undefined;
  /** Content last acknowledged, and the one under way. */
  #known: Uint8Array | undefined;
  #underWay: { readonly sequence: number; readonly content: Uint8Array } | undefined;
  #repeats = 0;
  #repeatAt: Instant = NEVER;

  constructor(host: TalkHost, firstSequence: number) {
    this.#host = host;
    this.#sequence = firstSequence;
  }

  /** True for a peer that takes part, false for one that echoed; undefined until it answered. */
  get ours(): boolean | undefined {
    return this.#ours;
  }

  /** What the peer told last. */
  get told(): CandidatesMessage | undefined {
    return this.#told;
  }

  /** Tells what the peer does not know yet, if anything. */
  refresh(now: Instant): void {
    if (this.#ours === false) return;
    const content = encodePathMessage({ kind: 'candidates', sequence: 0, ...this.#host.candidates() });
    if (this.#known !== undefined && equal(content, this.#known)) return;
    if (this.#underWay !== undefined && equal(content, this.#underWay.content) && this.#repeatAt !== NEVER)
      return;
    if (!this.#news.take(now)) return;
    this.#underWay = { sequence: this.#next(), content };
    this.#repeats = 0;
    this.#say(now);
  }

  /** The peer may have forgotten what it knew: it has new keys. */
  forgotten(): void {
    this.#known = undefined;
    this.#underWay = undefined;
    this.#repeatAt = NEVER;
  }

  punch(message: Punch, now: Instant): void {
    if (this.#ours !== true || !this.#steps.take(now)) return;
    this.#host.send(encodePathMessage({ kind: 'punch', sequence: this.#next(), ...message }), now);
  }

  /** A ping of the peer that is a message, and what to answer it with; undefined for any other ping. */
  received(payload: Uint8Array): { message: PathMessage; answer: Uint8Array | undefined } | undefined {
    if (!isPathMessage(payload)) return undefined;
    const message = decodePathMessage(payload);
    // A kind of a later version is echoed: its sender sees that we do not know it.
    if (typeof message === 'string') return undefined;
    this.#ours = true;
    const { kind, sequence } = message;
    if (kind === 'candidates') this.#told = message;
    return { message, answer: answerTo(kind, sequence) };
  }

  /** A pong: true when it belongs to this exchange. */
  answered(payload: Uint8Array): boolean {
    if (!isPathMessage(payload)) return false;
    const message = decodePathMessage(payload);
    if (typeof message === 'string') return true;
    if (message.kind !== 'acknowledged') {
      // An echo: whatever runs there now does not know us.
      if (message.sequence === this.#underWay?.sequence) this.#ours = false;
      this.#repeatAt = NEVER;
      return true;
    }
    this.#ours = true;
    if (message.sequence === this.#underWay?.sequence) {
      this.#known = this.#underWay.content;
      this.#underWay = undefined;
      this.#repeatAt = NEVER;
    }
    return true;
  }

  handleTimeout(now: Instant): void {
    if (this.#repeatAt > now) return;
    this.#repeatAt = NEVER;
    if (this.#underWay !== undefined && this.#ours !== false) this.#say(now);
  }

  nextTimeout(): Instant {
    return this.#repeatAt;
  }

  #say(now: Instant): void {
    const { sequence, content } = this.#underWay!;
    const payload = content.slice();
    writeU32(payload, SEQUENCE_AT, sequence);
    if (!this.#host.send(payload, now)) {
      this.#underWay = undefined;
      return;
    }
    const pause = AGAIN[this.#repeats++];
    this.#repeatAt = pause === undefined ? NEVER : now + pause;
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }
}

function answerTo(kind: PathMessage['kind'], sequence: number): Uint8Array | undefined {
  if (kind === 'size') return encodePathMessage({ kind: 'carried', sequence });
  if (kind !== 'candidates' && kind !== 'punch') return undefined;
  return encodePathMessage({ kind: 'acknowledged', sequence });
}
