import { readU32 } from '../../base/bytes.ts';
import type { Instant, NodeId } from '../../base/units.ts';
import { type classifyDatagram, decodePila, decodePils, MAGIC } from '../../wire/tunnel-frames.ts';
import { type ArrivedTrain, SHORTEST_OF_TRAIN } from './arrivals.ts';
import type { ExchangeCheck } from './exchange-check.ts';
import { HeldExchanges } from './held-exchanges.ts';
import type { Held, IdentityKeys } from './identity-keys.ts';
import type { Peer } from './peer.ts';
import type { DropReason } from './peer-host.ts';
import type { PeerTable } from './peer-table.ts';
import { TokenBucket } from './token-bucket.ts';
import { type Admits, type Arrival, arrival } from './types.ts';

interface FramesParts {
  readonly peers: PeerTable;
  readonly keys: IdentityKeys;
  readonly check: ExchangeCheck;
  readonly admission: Admits;
  /** Our node id; 0 while we have none. */
  node(): NodeId;
  forget(node: NodeId): void;
  needRelation(node: NodeId): void;
  drop(reason: DropReason): void;
}

/** What comes from peers and from those who claim to be peers: brings frames to their peer, and keeps strangers out. */
export class Frames {
  readonly #parts: FramesParts;
  readonly #held = new HeldExchanges();
  readonly #greetings = new TokenBucket(20, 40);
  readonly #questions = new TokenBucket(20, 100);

  constructor(parts: FramesParts) {
    this.#parts = parts;
  }

  /** The node may be admitted by now: a key exchange of it that was turned away is looked at again. */
  admitHeld(node: NodeId, now: Instant): void {
    if (this.#held.isEmpty) return;
    const held = this.#held.take(node, now);
    if (held !== undefined) this.exchange(held, held.data, now);
  }

  /** Takes one frame, of whatever kind. */
  handle(
    kind: ReturnType<typeof classifyDatagram>['kind'],
    way: Arrival,
    data: Uint8Array,
    now: Instant,
  ): void {
    if (this.#parts.node() === 0) {
      this.#parts.drop('no_node');
      return;
    }
    switch (kind) {
      case 'pils':
        this.#handlePils(way, data, now);
        return;
      case 'pila':
        this.exchange(way, data, now);
        return;
      case 'pilt':
        this.#parts.drop('plaintext_refused');
        return;
      case 'pilk':
        this.#parts.drop('anonymous_refused');
        return;
      default:
        this.#parts.drop('unknown_magic');
    }
  }

  #handlePils(way: Arrival, data: Uint8Array, now: Instant): void {
    const frame = decodePils(data);
    if (frame === 'too_short') {
      this.#parts.drop('bad_frame');
      return;
    }
    const peer = this.#parts.peers.get(frame.node);
    if (!this.#isAdmitted(frame.node, peer, now)) return;
    if (peer !== undefined) {
      peer.receivePils(frame, way, now);
      this.#parts.peers.proven(peer);
      return;
    }
    this.#parts.drop('no_session');
    this.#greet(frame.node, { frame: data, ...arrival(way) }, now);
  }

  /**
   * Takes datagrams of `segment` bytes one behind the other, each with `skip` bytes before its frame, if all are encrypted
   * packets of one peer under a key that is in use; false when they are to be looked at one by one.
   */
  handleTrain(
    way: Arrival,
    train: Uint8Array,
    segment: number,
    skip: ArrivedTrain['skip'],
    now: Instant,
  ): boolean {
    if (this.#parts.node() === 0 || segment < skip + SHORTEST_OF_TRAIN) return false;
    const node = readU32(train, skip + 4);
    const prefix = readU32(train, skip + 8);
    for (let at = 0; at < train.length; at += segment) {
      if (train.length - at < skip + SHORTEST_OF_TRAIN) return false;
      const frame = at + skip;
      if (readU32(train, frame) !== MAGIC.pils || readU32(train, frame + 4) !== node) return false;
      if (readU32(train, frame + 8) !== prefix) return false;
    }
    const peer = this.#parts.peers.get(node);
    if (peer?.established !== true) return false;
    if (!this.#isAdmitted(node, peer, now)) return true;
    return peer.receiveTrain({ train, segment, skip, prefix }, way, now);
  }

  /** A registered node uses keys we do not have: we restarted, or forgot it. Offer new ones. */
  #greet(node: NodeId, held: Held, now: Instant): void {
    if (node === this.#parts.node() || node === 0) return;
    if (this.#parts.keys.key(node) === undefined) {
      if (!this.#parts.keys.want(node, held, 'frame', now)) this.#parts.drop('lookup_limit');
      return;
    }
    if (!this.#greetings.take(now)) {
      this.#parts.drop('exchange_limit');
      return;
    }
    this.#parts.peers.stranger(node, now)?.greet(held, now);
  }

  /** Takes a key exchange. */
  exchange(way: Arrival, data: Uint8Array, now: Instant): void {
    const pila = decodePila(data);
    if (pila === 'too_short') {
      this.#parts.drop('bad_frame');
      return;
    }
    const { node } = pila;
    if (node === this.#parts.node() || node === 0) {
      this.#parts.drop('own_node');
      return;
    }
    const peer = this.#parts.peers.get(node);
    if (!this.#isAdmitted(node, peer, now)) {
      this.#held.hold(node, { ...arrival(way), data: data.slice(), at: now });
      return;
    }
    const other = peer?.established ? 'known' : way.relay ? 'relayed' : 'stranger';
    const sender = peer?.wanted(now) ? 'chosen' : other;
    if (!this.#parts.check.passes(pila, { frame: data, ...arrival(way) }, sender, now)) return;
    this.#parts.peers.stranger(node, now)?.receivePila(pila, way, now);
  }

  /** Strangers get no answer that would tell them that we are here. */
  admits(node: NodeId, now: Instant): boolean {
    return this.#isAdmitted(node, this.#parts.peers.get(node), now);
  }

  #isAdmitted(node: NodeId, peer: Peer | undefined, now: Instant): boolean {
    if (peer?.wanted(now)) return true;
    const admits = this.#parts.admission.admits(node, now);
    if (admits === 'yes') return true;
    // What was established while the answer was known goes on until it is known again.
    const goesOn = admits === 'unknown' && peer?.established === true;
    if (admits === 'unknown' && this.#questions.take(now)) this.#parts.needRelation(node);
    if (admits === 'no' && peer !== undefined) this.#parts.forget(node);
    if (!goesOn) this.#parts.drop('not_admitted');
    return goesOn;
  }
}
