import { equal, toHex } from '../../base/bytes.ts';
import type { Instant, Millis, NodeId } from '../../base/units.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Arrival } from './types.ts';

// Chosen.

const MAX_KEYS = 4096;
/** A key this old is used, and asked for again. */
const REFRESH_AFTER: Millis = 10 * 60_000;
const MAX_WAITING = 128;
/** Frames of one node kept until its key is known: one per way it may be reached. */
const MAX_HELD = 4;
/** A question without an answer may be asked again after this. */
const ASK_AGAIN: Millis = 5_000;
/** A node the directory does not know is not asked for again at once, unless somebody here waits for it. */
const REFUSED_FOR: Millis = 2_000;
const REFUSED_FOR_USER: Millis = 500;
/** The least time between two questions because a node signs with another key than the one known. */
const DOUBT_PAUSE: Millis = 1_000;
const MAX_DOUBTED = 1024;

/**
 * Who causes a lookup: a user here who wants to reach the peer; a key exchange frame, signed by whoever sent it, of a
 * node whose key is unknown or (`doubt`) another one; or any frame at all, which costs its sender nothing. All but the
 * first have budgets of their own.
 */
export type Asker = 'user' | 'exchange' | 'doubt' | 'frame';

/** A frame that waits for the sender's identity key. */
export interface Held extends Arrival {
  readonly frame: Uint8Array;
  /** The key the frame names and was signed with. */
  readonly claimed?: Uint8Array;
}

interface Waiting {
  readonly askedAt: Instant;
  /** The key that was named in the question. */
  readonly claimed: Uint8Array | undefined;
  held: Held[];
}

/** Identity keys of peers: pinned ones, looked up ones, and the questions under way. All bounded. */
export class IdentityKeys {
  readonly #ask: (node: NodeId, claimed: Uint8Array | undefined) => void;
  readonly #pinned = new Map<NodeId, Uint8Array>();
  readonly #known = new Map<NodeId, { key: Uint8Array; at: Instant }>();
  readonly #waiting = new Map<NodeId, Waiting>();
  /** By node and key named: a lie about a node must not keep the truth from being asked for. */
  readonly #refused = new Map<string, Instant>();
  readonly #exchanges = new TokenBucket(50, 100);
  readonly #doubts = new TokenBucket(20, 60);
  readonly #frames = new TokenBucket(5, 20);
  readonly #doubted = new Map<NodeId, Instant>();

  constructor(ask: (node: NodeId, claimed: Uint8Array | undefined) => void) {
    this.#ask = ask;
  }

  pin(node: NodeId, key: Uint8Array): void {
    this.#pinned.set(node, key);
  }

  /** The key last pinned is still the best known. */
  unpin(node: NodeId, now: Instant): void {
    const key = this.#pinned.get(node);
    this.#pinned.delete(node);
    if (key !== undefined) this.#know(node, key, now);
  }

  pinned(node: NodeId): boolean {
    return this.#pinned.has(node);
  }

  /** The pinned key, else the one looked up. */
  key(node: NodeId): Uint8Array | undefined {
    return this.#pinned.get(node) ?? this.#known.get(node)?.key;
  }

  /** True when the key is not pinned and was looked up so long ago that it may have changed. */
  outdated(node: NodeId, now: Instant): boolean {
    const known = this.#known.get(node);
    return !this.#pinned.has(node) && known !== undefined && now - known.at > REFRESH_AFTER;
  }

  /**
   * Asks for a key, keeping `held` until the answer. False when the question was not asked and the frame not kept.
   * `claimed` is the key the node presents itself with: of a private node the directory tells only who names it.
   */
  want(
    node: NodeId,
    held: Held | undefined,
    asker: Asker,
    now: Instant,
    claimed: Uint8Array | undefined = held?.claimed,
  ): boolean {
    const waiting = this.#waiting.get(node);
    if (waiting !== undefined && now - waiting.askedAt < ASK_AGAIN) {
      if (held !== undefined) hold(waiting, held);
      return true;
    }
    const refusedFor = now - (this.#refused.get(question(node, claimed)) ?? Number.NEGATIVE_INFINITY);
    if (refusedFor < (asker === 'user' ? REFUSED_FOR_USER : REFUSED_FOR)) return false;
    if (asker === 'exchange' && !this.#exchanges.take(now)) return false;
    if (asker === 'doubt' && !this.#doubts.take(now)) return false;
    if (asker === 'frame' && !this.#frames.take(now)) return false;
    const next: Waiting = { askedAt: now, claimed, held: waiting?.held ?? [] };
    if (held !== undefined) hold(next, held);
    this.#put(node, next);
    return true;
  }

  /**
   * As `want`, of a node that signs with another key than the one known: it may have taken a new one. The known key
   * stays until the directory answers. Whoever claims to be the node can cause this, so it is asked seldom.
   */
  doubt(node: NodeId, held: Held, asker: 'user' | 'doubt', now: Instant): boolean {
    const waiting = this.#waiting.get(node);
    const isAsked = waiting !== undefined && now - waiting.askedAt < ASK_AGAIN;
    if (!isAsked && now - (this.#doubted.get(node) ?? Number.NEGATIVE_INFINITY) < DOUBT_PAUSE) return false;
    if (!this.want(node, held, asker, now)) return false;
    if (isAsked) return true;
    this.#doubted.delete(node);
    limit(this.#doubted, MAX_DOUBTED - 1);
    this.#doubted.set(node, now);
    return true;
  }

  /**
   * Takes an answer of the directory; undefined means unknown or out of reach, which leaves an earlier key in force.
   * Returns the frames that waited, and whether the key differs from the one known before.
   */
  answer(
    node: NodeId,
    key: Uint8Array | undefined,
    now: Instant,
    claimed?: Uint8Array,
  ): { held: readonly Held[]; changed: boolean } {
    const waiting = this.#waiting.get(node);
    // The answer to a question that named another key says nothing about this one.
    if (key === undefined && waiting !== undefined && !same(waiting.claimed, claimed))
      return { held: [], changed: false };
    const held = waiting?.held ?? [];
    this.#waiting.delete(node);
    const before = this.#known.get(node);
    if (key === undefined) {
      limit(this.#refused, MAX_WAITING);
      this.#refused.set(question(node, claimed), now);
      const others = held.filter((one) => one.claimed !== undefined && !same(one.claimed, claimed));
      if (others.length === 0 || !this.#exchanges.take(now)) return { held, changed: false };
      this.#put(node, { askedAt: now, claimed: others[0]!.claimed, held: others });
      return { held: held.filter((one) => !others.includes(one)), changed: false };
    }
    this.#refused.delete(question(node, claimed));
    this.#know(node, key, now);
    return { held, changed: before !== undefined && !equal(before.key, key) };
  }

  #know(node: NodeId, key: Uint8Array, now: Instant): void {
    this.#known.delete(node);
    limit(this.#known, MAX_KEYS - 1);
    this.#known.set(node, { key: key.slice(), at: now });
  }

  #put(node: NodeId, waiting: Waiting): void {
    this.#waiting.delete(node);
    limit(this.#waiting, MAX_WAITING - 1);
    this.#waiting.set(node, waiting);
    this.#ask(node, waiting.claimed);
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equal(a, b);
}

function question(node: NodeId, claimed: Uint8Array | undefined): string {
  return claimed === undefined ? `${node}` : `${node}:${toHex(claimed.subarray(0, 8))}`;
}

function hold(waiting: Waiting, held: Held): void {
  waiting.held = waiting.held.filter(
    (other) => other.relay !== held.relay || other.from.host !== held.from.host,
  );
  waiting.held.push(held);
  if (waiting.held.length > MAX_HELD) waiting.held.shift();
}

/** Deletes the oldest entries until at most `size` are left. */
function limit<K, V>(map: Map<K, V>, size: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= size) return;
    map.delete(oldest);
  }
}
