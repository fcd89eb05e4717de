import type { Instant, Millis } from '../../base/units.ts';

/** How long an answer that names no message is held back from a peer whose answers do. spec/23 §4 */
const HOLD: Millis = 750;

/** Decides which message of a peer is the answer to a question. spec/23 §4 */
export class ReplyChoice<Candidate extends { readonly replyTo?: string | undefined }> {
  readonly #messageId: string;
  readonly #echoes: boolean;
  #isTagged = true;
  #mustName = false;
  #held: { readonly candidate: Candidate; readonly since: Instant } | undefined;

  /** `echoes`: earlier answers of the peer named the message they answer. */
  constructor(messageId: string, echoes: boolean) {
    this.#messageId = messageId;
    this.#echoes = echoes;
  }

  /** The question went out without its id. */
  untagged(): void {
    this.#isTagged = false;
  }

  /** Offered in the order of arrival. True when this is the answer. */
  isAnswer(candidate: Candidate, now: Instant): boolean {
    if (candidate.replyTo === this.#messageId) return true;
    if (candidate.replyTo !== undefined) {
      this.#mustName = this.#isTagged;
      if (this.#mustName) this.#held = undefined;
      return false;
    }
    if (!this.#isTagged) return true;
    if (this.#mustName) return false;
    if (!this.#echoes) return true;
    this.#held ??= { candidate, since: now };
    return false;
  }

  /** At the end of the wait: what was held, or how long it has to be held still. */
  atEnd(now: Instant): { readonly answer: Candidate } | { readonly holdFor: Millis } | undefined {
    if (this.#held === undefined) return undefined;
    const left = this.#held.since + HOLD - now;
    return left <= 0 ? { answer: this.#held.candidate } : { holdFor: left };
  }
}
