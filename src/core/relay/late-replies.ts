import { endpointKey } from '../../base/endpoint.ts';
import type { Endpoint, Instant } from '../../base/units.ts';
import type { DiscoverQuestion } from '../../wire/beacon-extension.ts';

/** Answers owed at a time; one per source. Chosen. */
const LIMIT = 4_096;
/** The longest time an answer is owed, in seconds. Chosen: longer than NATs keep a mapping for UDP. */
export const LONGEST_DELAY = 300;

export interface LateReply {
  readonly to: Endpoint;
  readonly question: DiscoverQuestion;
  readonly alternate: boolean;
}

/** Answers that nodes asked for at a later time, to learn how long their NAT remembers them. */
export class LateReplies {
  readonly #owed = new Map<string, LateReply & { readonly at: Instant }>();
  /** No answer is due before. */
  #earliest: Instant = Number.POSITIVE_INFINITY;

  /** False when there are too many. A later question of the same source replaces the one before. */
  add(reply: LateReply, at: Instant): boolean {
    const name = endpointKey(reply.to);
    if (!this.#owed.has(name) && this.#owed.size >= LIMIT) return false;
    this.#owed.set(name, { ...reply, at });
    this.#earliest = Math.min(this.#earliest, at);
    return true;
  }

  nextTimeout(): Instant {
    return this.#earliest;
  }

  /** Takes what is due. */
  take(now: Instant): LateReply[] {
    if (now < this.#earliest) return [];
    const due: LateReply[] = [];
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const [name, reply] of this.#owed) {
      if (reply.at <= now) {
        this.#owed.delete(name);
        due.push(reply);
      } else this.#earliest = Math.min(this.#earliest, reply.at);
    }
    return due;
  }
}
