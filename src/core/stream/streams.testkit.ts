/** A virtual link between two `Streams`: seeded delay, loss, reordering, duplication and rate, on a virtual clock. */
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId } from '../../base/units.ts';
import { HEADER_LENGTH, type Packet } from '../../wire/packet.ts';
import type { StreamOutput } from './types.ts';

/** Small, fast, seeded generator (splitmix32 increments, murmur finalizer). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const u32 = (): number => {
    state = (state + 0x9e37_79b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  return {
    u32,
    bytes(length) {
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = u32();
      return out;
    },
    below: (limit) => Math.floor((u32() / 0x1_0000_0000) * limit),
    fraction: () => u32() / 0x1_0000_0000,
    fork(label) {
      let hash = seed >>> 0;
      for (const char of label) hash = Math.imul(hash ^ char.charCodeAt(0), 0x0100_0193) >>> 0;
      return seededRandom(hash);
    },
  };
}

/** What a link does to packets. All of it applies to each direction separately. */
export interface LinkConditions {
  /** One way, ms. */
  readonly delay: number;
  /** Added uniformly, ms; reorders when larger than the spacing of packets. */
  readonly jitter: number;
  readonly loss: number;
  readonly duplicate: number;
  /** Share of packets delayed by half a round trip more. */
  readonly reorder: number;
  /** Bits per second; Infinity for none. */
  readonly rate: number;
  /** Bytes the bottleneck queues before it drops. */
  readonly queue: number;
}

export const PERFECT: LinkConditions = {
  delay: 0,
  jitter: 0,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  rate: Number.POSITIVE_INFINITY,
  queue: Number.POSITIVE_INFINITY,
};

/** Either end of a link: `Streams`, or the model of an old peer. */
export interface Peer {
  handlePacket(packet: Packet, now: Instant): void;
  handleTimeout(now: Instant): void;
  nextTimeout(): Instant | undefined;
  poll(): StreamOutput | undefined;
}

interface Arrival {
  readonly at: Instant;
  readonly order: number;
  readonly to: number;
  readonly packet: Packet;
}

/** Bytes of a tunnel frame around a packet. spec/01 §7 */
const FRAME_OVERHEAD = 70 - HEADER_LENGTH;

/** Runs two peers over one link in virtual time. */
export class Link {
  now: Instant = 1000;
  conditions: LinkConditions;
  readonly #peers: [Peer, Peer];
  readonly #nodes: readonly [NodeId, NodeId] | undefined;
  readonly #random: Random;
  readonly #onEvent: (side: number, output: StreamOutput) => void;
  readonly #arrivals: Arrival[] = [];
  readonly #alarms: { readonly at: Instant; readonly ring: () => void }[] = [];
  #order = 0;
  readonly #freeAt = [0, 0];
  /** Every packet put on the link, with its time; drops included. */
  packets = 0;
  bytes = 0;
  dropped = 0;
  /** Time spent in the queue by packets from the first side, ms. */
  readonly waits: number[] = [];
  /** Sees each packet before the link does; false drops it. */
  filter: (from: number, packet: Packet, now: Instant) => boolean = () => true;

  constructor(
    peers: readonly [Peer, Peer],
    nodes: readonly [NodeId, NodeId] | undefined,
    random: Random,
    conditions: Partial<LinkConditions>,
    onEvent: (side: number, output: StreamOutput) => void,
  ) {
    this.#peers = [...peers];
    this.#nodes = nodes;
    this.#random = random;
    this.conditions = { ...PERFECT, ...conditions };
    this.#onEvent = onEvent;
  }

  /** Another peer takes the place of one, as after a restart. */
  replace(side: number, peer: Peer): void {
    this.#peers[side] = peer;
  }

  /** Drains both peers after a command. */
  settle(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (let side = 0; side < 2; side++) {
        const peer = this.#peers[side]!;
        for (let output = peer.poll(); output !== undefined; output = peer.poll()) {
          moved = true;
          if (output.type === 'packet') this.#carry(side, output.packet);
          else this.#onEvent(side, output);
        }
      }
    }
  }

  /** Calls back at `at`, then drains both peers. */
  at(at: Instant, ring: () => void): void {
    this.#alarms.push({ at, ring });
    this.#alarms.sort((a, b) => a.at - b.at);
  }

  /** The next instant at which anything happens. */
  next(): Instant | undefined {
    let at = this.#arrivals[0]?.at;
    const alarm = this.#alarms[0]?.at;
    if (alarm !== undefined && (at === undefined || alarm < at)) at = alarm;
    for (const peer of this.#peers) {
      const due = peer.nextTimeout();
      if (due !== undefined && (at === undefined || due < at)) at = due;
    }
    return at;
  }

  /** Runs until `done`, or until `until`; returns `done()`. */
  run(until: Instant, done: () => boolean = () => false): boolean {
    this.settle();
    while (!done()) {
      const at = this.next();
      if (at === undefined || at > until) {
        this.now = Math.max(this.now, until);
        return done();
      }
      this.now = Math.max(this.now, at);
      const arrival = this.#arrivals[0];
      const alarm = this.#alarms[0];
      if (alarm !== undefined && alarm.at <= this.now) {
        this.#alarms.shift();
        alarm.ring();
      } else if (arrival !== undefined && arrival.at <= this.now) {
        this.#pop();
        this.#peers[arrival.to]!.handlePacket(arrival.packet, this.now);
      } else {
        for (const peer of this.#peers) {
          const due = peer.nextTimeout();
          if (due !== undefined && due <= this.now) peer.handleTimeout(this.now);
        }
      }
      this.settle();
    }
    return true;
  }

  #carry(from: number, packet: Packet): void {
    this.packets++;
    const size = packet.payload.length + HEADER_LENGTH + FRAME_OVERHEAD;
    this.bytes += size;
    if (this.#nodes !== undefined && packet.destination.node !== this.#nodes[1 - from])
      throw new Error('packet for another node');
    const { delay, jitter, loss, duplicate, reorder, rate, queue } = this.conditions;
    if (!this.filter(from, packet, this.now) || this.#random.fraction() < loss) {
      this.dropped++;
      return;
    }
    let at = this.now;
    if (Number.isFinite(rate)) {
      const free = Math.max(this.#freeAt[from]!, this.now);
      if (((free - this.now) * rate) / 8000 > queue) {
        this.dropped++;
        return;
      }
      if (from === 0) this.waits.push(free - this.now);
      at = free + (size * 8000) / rate;
      this.#freeAt[from] = at;
    }
    at += delay + this.#random.fraction() * jitter;
    if (this.#random.fraction() < reorder) at += delay;
    // What arrives is a copy: the other end of a real link shares no memory with us.
    const copy = { ...packet, payload: packet.payload.slice() };
    this.#push({ at, order: this.#order++, to: 1 - from, packet: copy });
    if (this.#random.fraction() < duplicate) {
      this.#push({
        at: at + this.#random.fraction() * (delay + 1),
        order: this.#order++,
        to: 1 - from,
        packet: copy,
      });
    }
  }

  #push(arrival: Arrival): void {
    const heap = this.#arrivals;
    let index = heap.length;
    heap.push(arrival);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!earlier(arrival, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = arrival;
  }

  #pop(): void {
    const heap = this.#arrivals;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child++;
      if (!earlier(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function earlier(a: Arrival, b: Arrival): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
