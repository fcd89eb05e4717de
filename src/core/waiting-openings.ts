import type { Address, Instant, Millis, NodeId, Port } from '../base/units.ts';
import type { Packet } from '../wire/packet.ts';
import type { DialOptions } from './stream/streams.ts';
import type { ConnId } from './stream/types.ts';

/** How long anything waits to hear what we share with a peer. */
const PATIENCE: Millis = 3_000;
const MAX_PEERS = 256;
const MAX_PER_PEER = 8;

/** A dial whose leave is not known yet. */
export interface WaitingDial {
  readonly conn: ConnId;
  readonly remote: Address;
  readonly port: Port;
  readonly options: DialOptions;
}

export type WaitingOpening =
  | { readonly kind: 'packet'; readonly packet: Packet }
  | { readonly kind: 'dial'; readonly dial: WaitingDial }
  | {
      readonly kind: 'datagram';
      readonly to: Address;
      readonly port: Port;
      readonly payload: Uint8Array;
      readonly sourcePort: Port;
    };

interface Queue {
  readonly until: Instant;
  waiting: WaitingOpening[];
}

/** Packets and dials that wait until the directory has said what connects us with a peer. */
export class WaitingOpenings {
  readonly #queues = new Map<NodeId, Queue>();

  /** `ask`: the directory has to be asked. `full`: it could not be kept. */
  hold(peer: NodeId, opening: WaitingOpening, now: Instant): 'ask' | 'asked' | 'full' {
    const queue = this.#queues.get(peer);
    if (queue !== undefined && queue.until > now) {
      if (queue.waiting.length >= MAX_PER_PEER) return 'full';
      queue.waiting.push(opening);
      return 'asked';
    }
    if (queue === undefined && this.#queues.size >= MAX_PEERS) return 'full';
    this.#queues.set(peer, { until: now + PATIENCE, waiting: [...(queue?.waiting ?? []), opening] });
    return 'ask';
  }

  isWaiting(peer: NodeId): boolean {
    return this.#queues.has(peer);
  }

  take(peer: NodeId): WaitingOpening[] {
    const waiting = this.#queues.get(peer)?.waiting ?? [];
    this.#queues.delete(peer);
    return waiting;
  }

  /** A dial that its owner gave up. False when it does not wait here. */
  cancel(conn: ConnId): boolean {
    for (const queue of this.#queues.values()) {
      const kept = queue.waiting.filter((each) => each.kind !== 'dial' || each.dial.conn !== conn);
      if (kept.length === queue.waiting.length) continue;
      queue.waiting = kept;
      return true;
    }
    return false;
  }

  /** What waited too long. */
  expired(now: Instant): { readonly peer: NodeId; readonly waiting: WaitingOpening[] }[] {
    const over: { peer: NodeId; waiting: WaitingOpening[] }[] = [];
    for (const [peer, queue] of this.#queues) {
      if (queue.until > now) continue;
      this.#queues.delete(peer);
      over.push({ peer, waiting: queue.waiting });
    }
    return over;
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { until } of this.#queues.values()) if (next === undefined || until < next) next = until;
    return next;
  }
}
