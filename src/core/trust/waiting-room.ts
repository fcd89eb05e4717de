import type { Instant, NodeId } from '../../base/units.ts';
import {
  KEY_ASK_INTERVAL,
  KEY_CACHE_LIFETIME,
  KEY_CACHE_LIMIT,
  WAITING_DIRECT,
  WAITING_LIMIT,
  WAITING_PER_PEER,
  WAITING_RELAYED,
} from './limits.ts';
import type { Claim } from './messages.ts';

interface Waiting {
  readonly claim: Claim;
  readonly expires: Instant;
}

interface Queue {
  readonly waiting: Waiting[];
  askAgainAt: Instant;
}

/** Holds messages whose sender's identity key has to come from the directory first. */
export class WaitingRoom {
  readonly #queues = new Map<NodeId, Queue>();
  readonly #keys = new Map<NodeId, { readonly key: Uint8Array; readonly expires: Instant }>();
  #size = 0;

  /** A key the directory named lately. */
  knownKey(peer: NodeId, now: Instant): Uint8Array | undefined {
    const known = this.#keys.get(peer);
    if (known === undefined || known.expires <= now) return undefined;
    return known.key;
  }

  forgetKey(peer: NodeId): void {
    this.#keys.delete(peer);
  }

  /** Returns `'ask'` when the directory must be asked, `'full'` when the message could not be kept. */
  hold(claim: Claim, now: Instant): 'ask' | 'asked' | 'full' {
    const queue = this.#queues.get(claim.from);
    if (this.#size >= WAITING_LIMIT || (queue?.waiting.length ?? 0) >= WAITING_PER_PEER) return 'full';
    const waiting = { claim, expires: now + (claim.route === 'direct' ? WAITING_DIRECT : WAITING_RELAYED) };
    this.#size++;
    if (queue === undefined) {
      this.#queues.set(claim.from, { waiting: [waiting], askAgainAt: now + KEY_ASK_INTERVAL });
      return 'ask';
    }
    queue.waiting.push(waiting);
    return 'asked';
  }

  /** Takes out what waited for this key. An answer nobody waits for is not remembered. */
  keyArrived(peer: NodeId, key: Uint8Array, now: Instant): Claim[] {
    const queue = this.#queues.get(peer);
    if (queue === undefined) return [];
    this.#queues.delete(peer);
    this.#size -= queue.waiting.length;
    if (this.#keys.size >= KEY_CACHE_LIMIT) this.#keys.delete(this.#keys.keys().next().value!);
    this.#keys.set(peer, { key, expires: now + KEY_CACHE_LIFETIME });
    return queue.waiting.filter((waiting) => waiting.expires > now).map((waiting) => waiting.claim);
  }

  /** The directory does not know the peer, or can't be reached. Direct senders try again; the registry's word waits. */
  keyMissing(peer: NodeId): Claim[] {
    const queue = this.#queues.get(peer);
    return queue === undefined ? [] : this.#drop(peer, queue, (waiting) => waiting.claim.route === 'direct');
  }

  /** Returns peers to ask for once more, and messages that waited too long. */
  handleTimeout(now: Instant): { readonly ask: NodeId[]; readonly expired: Claim[] } {
    const ask: NodeId[] = [];
    const expired: Claim[] = [];
    for (const [peer, queue] of this.#queues) {
      expired.push(...this.#drop(peer, queue, (waiting) => waiting.expires <= now));
      if (this.#queues.has(peer) && queue.askAgainAt <= now) {
        queue.askAgainAt = now + KEY_ASK_INTERVAL;
        ask.push(peer);
      }
    }
    return { ask, expired };
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const queue of this.#queues.values()) {
      for (const { expires } of queue.waiting) next = Math.min(next ?? expires, expires);
      next = Math.min(next ?? queue.askAgainAt, queue.askAgainAt);
    }
    return next;
  }

  #drop(peer: NodeId, queue: Queue, isDropped: (waiting: Waiting) => boolean): Claim[] {
    const dropped = queue.waiting.filter(isDropped);
    const kept = queue.waiting.filter((waiting) => !isDropped(waiting));
    this.#size -= dropped.length;
    queue.waiting.splice(0, queue.waiting.length, ...kept);
    if (kept.length === 0) this.#queues.delete(peer);
    return dropped.map((waiting) => waiting.claim);
  }
}
