import type { Deadlined } from '../../base/deadline-heap.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { encodePacket, HEADER_LENGTH, type Packet, PROTOCOL_CONTROL } from '../../wire/packet.ts';
import type { Pila, Pils } from '../../wire/tunnel-frames.ts';
import type { PeerEndpoints } from '../node-types.ts';
import type { PathFacts } from '../path/facts.ts';
import type { Path } from '../path/path.ts';
import { FRESH } from '../session/constants.ts';
import type { KeySlot } from '../session/key-slot.ts';
import { type Opened, Session } from '../session/session.ts';
import { type ArrivedTrain, counterOf, openArrivals, packetFrom } from './arrivals.ts';
import {
  ANSWER_PAUSE,
  FIRST_RETRY,
  HELLO_PAUSE,
  MAX_PLAINTEXT,
  REESTABLISH_PAUSE,
  REKEY_PAUSE,
  UNOPENED_PATIENCE,
  WANTED_FOR,
} from './constants.ts';
import { Exchange, type ExchangeReason } from './exchange.ts';
import { Link } from './link.ts';
import type { PeerHost } from './peer-host.ts';
import { Pending } from './pending.ts';
import { isPing, isPong } from './probes.ts';
import type { Sizes } from './sizes.ts';
import { TokenBucket } from './token-bucket.ts';
import { Traversal } from './traversal.ts';
import type { Arrival, PeerStatus } from './types.ts';
import { Ways } from './ways.ts';
import { Whereabouts } from './whereabouts.ts';

const NEVER = Number.POSITIVE_INFINITY;
const LONG_AGO = Number.NEGATIVE_INFINITY;

/** One peer: its keys, its paths, what waits for it, and the attempts to reach it. */
export class Peer implements Deadlined {
  readonly node: NodeId;
  /** When it was last used by either side. */
  activeAt: Instant;
  heapIndex = -1;
  heapAt: Instant = NEVER;
  readonly #host: PeerHost;
  readonly #session: Session;
  readonly #link: Link;
  readonly #traversal: Traversal;
  readonly #whereabouts: Whereabouts;
  readonly #ways: Ways;
  readonly #pending = new Pending();
  /** Searches for the key of a frame with an unknown prefix. */
  readonly #trials = new TokenBucket(100, 50);
  #exchange: Exchange | undefined;
  #exchangedAt: Instant = LONG_AGO;
  #wantedAt: Instant = LONG_AGO;
  #greetedAt: Instant = LONG_AGO;
  #answeredAt: Instant = LONG_AGO;
  #unopenedAt: Instant | undefined;
  #bytesReceived = 0;

  constructor(node: NodeId, host: PeerHost, now: Instant) {
    this.node = node;
    this.activeAt = now;
    this.#host = host;
    const { crypto, random, identity, config } = host;
    this.#session = new Session({ crypto, random, identity, node: host.node, peer: node, config });
    this.#link = new Link(node, host);
    this.#whereabouts = new Whereabouts(node, host, this.#link.paths);
    this.#ways = new Ways(this.#link.paths, this.#whereabouts);
    this.#traversal = new Traversal(node, host, {
      paths: this.#link.paths,
      control: (payload, at) => {
        const slot = this.#session.current;
        return slot !== undefined && this.#link.control(slot, payload, at);
      },
      shoot: (payload, to, via) => {
        const slot = this.#session.current;
        if (slot !== undefined) this.#link.shoot(slot, payload, to, via);
      },
      seek: (at) => this.#whereabouts.punch(at),
      rearm: () => host.rearm(node, this.nextTimeout()),
    });
    this.#link.paths.setOurs(host.isOurs(node));
  }

  get established(): boolean {
    return this.#session.current !== undefined;
  }

  /** Packets whose arrival no proven key has taken care of, oldest first. */
  waiting(): Uint8Array[] {
    return this.#pending.all();
  }

  /** True while a local user wants to reach the peer. */
  wanted(now: Instant): boolean {
    return now - this.#wantedAt < WANTED_FOR;
  }

  send(packet: Uint8Array, now: Instant): 'sent' | 'queued' | 'refused' {
    if (packet.length > MAX_PLAINTEXT) {
      this.#host.drop('too_large');
      return 'refused';
    }
    this.#wantedAt = now;
    this.activeAt = now;
    const slot = this.#session.sendSlot(now);
    if (slot === undefined) {
      if (this.#pending.add(packet, undefined, now)) this.#host.drop('pending_full');
      if (this.#exchange === undefined) this.#begin('first', now);
      this.#host.rearm(this.node, this.nextTimeout());
      return 'queued';
    }
    if (slot.confirmedAt === undefined) {
      if (this.#pending.add(packet, slot, now)) this.#host.drop('pending_full');
      // The key may come from a replay: unless a frame proves it soon, ours is offered too.
      if (this.#exchange === undefined) this.#begin('first', now, FIRST_RETRY);
    } else if (this.#exchange === undefined) {
      this.#maintain(slot, now);
    }
    this.#link.data(slot, packet, now);
    return 'sent';
  }

  /** The same for a packet that is not encoded yet. */
  sendPacket(packet: Packet, now: Instant): 'sent' | 'queued' | 'refused' {
    const slot = this.#session.current;
    if (slot === undefined || HEADER_LENGTH + packet.payload.length > MAX_PLAINTEXT)
      return this.send(encodePacket(packet), now);
    this.#wantedAt = now;
    this.activeAt = now;
    if (this.#exchange === undefined) this.#maintain(slot, now);
    this.#link.packet(slot, packet, now);
    return 'sent';
  }

  connect(now: Instant): void {
    this.#wantedAt = now;
    this.activeAt = now;
    const { paths } = this.#link;
    paths.used(now);
    if (!this.established) {
      if (this.#exchange === undefined) this.#begin('first', now);
    } else {
      this.#whereabouts.ask(now);
      paths.retry(now);
      if (paths.selected?.relay !== false) this.#whereabouts.punch(now);
    }
    this.#host.rearm(this.node, this.nextTimeout());
  }

  /** Our own endpoint may have changed: are the paths of a peer in use still there? */
  recheck(now: Instant): void {
    if (!this.established || now - this.activeAt > this.#host.config.idleAfter) return;
    this.#link.paths.retry(now);
    this.#traversal.changed(now);
  }

  /** What there is to tell about us changed. */
  surroundingsChanged(now: Instant): void {
    if (this.established && now - this.activeAt <= this.#host.config.idleAfter) this.#traversal.changed(now);
  }

  /** A socket that was opened for this peer is seen at this endpoint. */
  measured(via: number, endpoint: Endpoint, now: Instant): void {
    this.#traversal.measured(via, endpoint, now);
  }

  endpoints(found: PeerEndpoints | undefined, now: Instant): void {
    this.#whereabouts.found(found, now);
    if (found?.endpoint !== undefined) this.#traversal.vouch(found.endpoint, now);
    this.#host.rearm(this.node, this.nextTimeout());
  }

  /** A beacon named an endpoint: if we asked for this peer just now, it is taken as a candidate. */
  punchCommanded(endpoint: Endpoint, now: Instant): void {
    if (!this.#whereabouts.commanded(endpoint, now)) return;
    this.#traversal.vouch(endpoint, now);
    this.#host.rearm(this.node, this.nextTimeout());
  }

  /** Replaces relays through beacons that are of no use any more, and takes new ones. */
  beaconsChanged(now: Instant): void {
    const isActive = this.established && now - this.activeAt < this.#host.config.idleAfter;
    const isUsed = isActive || this.wanted(now);
    const changed = this.#whereabouts.beaconsChanged(isUsed, now);
    if (changed === undefined) return;
    this.#link.report(changed.change, now);
    this.#host.rearm(this.node, now);
  }

  /** Takes a key exchange whose signature was verified with the peer's identity key. */
  receivePila(pila: Pila, way: Arrival, now: Instant): void {
    const outcome = this.#session.receiveKey(pila.x25519, now);
    if (outcome.kind === 'retired' || outcome.kind === 'weak_key') {
      this.#host.drop(outcome.kind === 'retired' ? 'exchange_retired_key' : 'exchange_weak_key');
      return;
    }
    const { slot } = outcome;
    const path = this.#ways.suggested(way, now);
    if (outcome.kind === 'new') {
      // In an exchange of ours the peer's frame most likely answers the one we have just sent.
      if (!outcome.answered || this.#exchange?.awaitsAnswer(now) !== true) {
        this.#answer(slot, path, way, now);
      }
      if (path !== undefined) this.#link.ping(slot, path, now);
      this.#flush(slot, now);
    } else if (slot.heardAt === undefined || now - slot.heardAt >= FRESH) {
      const pause = slot.confirmedAt === undefined ? ANSWER_PAUSE : HELLO_PAUSE;
      if (now - (path?.answeredAt ?? this.#answeredAt) >= pause) {
        if (this.#exchange?.awaitsAnswer(now) !== true) this.#answer(slot, path, way, now);
        if (path !== undefined) this.#link.ping(slot, path, now);
      }
    }
    this.#host.rearm(this.node, this.nextTimeout());
  }

  receivePils(frame: Pils, way: Arrival, now: Instant): void {
    const counter = counterOf(frame.counterHigh, frame.counterLow);
    if (counter === undefined) {
      this.#host.drop('counter_range');
      return;
    }
    if (!this.#session.knowsPrefix(frame.prefix) && !this.#trials.take(now)) {
      this.#host.drop('trial_limit');
      return;
    }
    const opened = this.#session.open(frame.prefix, counter, frame.nonce, frame.sealed, now);
    if (typeof opened === 'string') {
      this.#host.drop(opened);
      if (opened !== 'replayed') this.greet(way, now);
      return;
    }
    const path = this.#heardBy(way, now);
    const { slot, plaintext, proved } = opened;
    if (proved !== 'no') this.#proved(proved, slot, path, now);
    const packet = packetFrom(this.node, this.#host, plaintext);
    if (packet === undefined || this.#isControl(packet, slot, way, now)) return;
    this.#received(plaintext.length, slot, now);
    this.#host.deliver(this.node, packet, path?.kind ?? this.#whereabouts.kindOf(way));
  }

  /** Takes a train of frames; false when none with their prefix was opened before. */
  receiveTrain(arrived: ArrivedTrain, way: Arrival, now: Instant): boolean {
    const slot = this.#session.slotOf(arrived.prefix, now);
    if (slot === undefined) return false;
    const { packets, isHeard, isDoubtful } = openArrivals(slot, arrived, this.node, this.#host);
    if (isHeard) {
      slot.heardAt = now;
      const path = this.#heardBy(way, now);
      const own = packets.filter((packet) => !this.#isControl(packet, slot, way, now));
      // Pings and their answers are no use of the path: each side would keep the other asking.
      if (own.length > 0) {
        const bytes = own.reduce((sum, { payload }) => sum + HEADER_LENGTH + payload.length, 0);
        this.#received(bytes, slot, now);
        this.#host.deliverAll(this.node, own, path?.kind ?? this.#whereabouts.kindOf(way));
      }
    }
    if (isDoubtful) this.greet(way, now);
    return true;
  }

  /**
   * A frame came that no key opens: we, or the peer, lost the keys. Answers with a key exchange, too seldom to be of use
   * to a forger, and only while nothing better is known.
   */
  greet(way: Arrival, now: Instant): void {
    if (this.#exchange !== undefined) {
      this.#unopenedAt ??= now;
      return;
    }
    if (now - this.#greetedAt < HELLO_PAUSE) return;
    const { current } = this.#session;
    if (current?.heardAt !== undefined && now - current.heardAt < FRESH) return;
    this.#greetedAt = now;
    const offer = current?.offer ?? this.#session.offered(now);
    offer.sendings++;
    this.#link.frameTo(way, offer.pila);
    const path = this.#ways.at(way);
    if (current !== undefined && path !== undefined) this.#link.ping(current, path, now);
  }

  handleTimeout(now: Instant): void {
    for (let expired = this.#pending.expire(now); expired > 0; expired--) this.#host.drop('pending_expired');
    const { paths } = this.#link;
    this.#whereabouts.handleTimeout(now);
    const work = paths.work(now);
    this.#link.report(work.change, now);
    if (work.failed) this.#fellSilent(now);
    if (work.upgrade) this.#upgrade(now);
    this.#traversal.handleTimeout(now);
    for (const path of work.probe) this.#probe(path, now);
    if (work.keepOpen !== undefined) this.#link.keepOpen(work.keepOpen, now);
    this.#link.probeSize(this.#session.current, now);
    this.#link.sizes.settle();
    if (this.#exchange !== undefined && this.#exchange.nextAt <= now) this.#continue(this.#exchange, now);
  }

  nextTimeout(): Instant {
    return Math.min(
      this.#pending.nextTimeout(),
      this.#whereabouts.nextTimeout(),
      this.#link.paths.nextTimeout(),
      this.#traversal.nextTimeout(),
      this.#exchange?.nextAt ?? NEVER,
    );
  }

  /** How large packets may be. */
  get sizes(): Sizes {
    return this.#link.sizes;
  }

  /** It is forgotten: nothing of it stays open. */
  close(): void {
    this.#traversal.close();
  }

  status(): PeerStatus {
    return {
      node: this.node,
      established: this.established,
      ...this.#link.status(),
      bytesReceived: this.#bytesReceived,
      keyAt: this.#session.current?.confirmedAt,
    };
  }

  /** What is known about the ways to this peer. */
  facts(now: Instant): PathFacts {
    return {
      established: this.established,
      candidates: this.#link.paths.facts(),
      ...this.#link.milestones,
      own: this.#host.place.nat(),
      ...this.#traversal.facts(this.#whereabouts.simpleFacts(now)),
    };
  }

  #begin(reason: ExchangeReason, now: Instant, delay = 0): void {
    this.#exchange = new Exchange(reason, now, delay);
    this.#exchangedAt = now;
    this.#unopenedAt = undefined;
    if (reason !== 'rekey') {
      const isOurs = this.#host.isOurs(this.node);
      const waits = reason === 'first' && !isOurs;
      this.#whereabouts.ask(now);
      this.#whereabouts.punch(now);
      this.#link.paths.used(now);
      this.#whereabouts.relayAt(waits ? now + this.#host.config.relayAfter : now, now);
    }
    if (delay === 0) this.#continue(this.#exchange, now);
    this.#host.rearm(this.node, this.nextTimeout());
  }

  /** With a key in use and no exchange under way: is it time for one? */
  #maintain(current: KeySlot, now: Instant): void {
    const paused = this.#exchangedAt > current.createdAt;
    if (this.#session.needsRekey(now)) {
      if (!paused || now - this.#exchangedAt >= REKEY_PAUSE) this.#begin('rekey', now);
    } else if (this.#link.paths.selected === undefined && now - (current.heardAt ?? 0) >= FRESH) {
      this.#fellSilent(now);
    }
  }

  /** No answer on the selected path: the peer moved, or restarted and lost the keys. Both are tried at once. */
  #fellSilent(now: Instant): void {
    this.#whereabouts.relayAt(now, now);
    this.#host.refreshBeacons(now);
    if (this.#exchange !== undefined || now - this.#exchangedAt < REESTABLISH_PAUSE) return;
    this.#begin('silence', now);
  }

  #continue(exchange: Exchange, now: Instant): void {
    if (exchange.over(this.wanted(now))) {
      this.#exchange = undefined;
      this.#session.withdrawOffer();
      return;
    }
    // It may be elsewhere by now, or we may be told by now where it is.
    if (exchange.doubtful && this.#whereabouts.sought && this.wanted(now)) this.#whereabouts.ask(now);
    if (exchange.reportable(now)) {
      this.#host.event({
        name: 'tunnel.unreachable',
        peer: this.node,
        reason: this.#host.knowsKey(this.node) ? 'no_answer' : 'no_identity_key',
      });
    }
    const missed = this.#unopenedAt !== undefined && now - this.#unopenedAt >= UNOPENED_PATIENCE;
    if (missed) this.#unopenedAt = undefined;
    if (this.#session.offerIsStale(missed, now)) this.#session.withdrawOffer();
    const offer = this.#session.offered(now);
    offer.sendings++;
    const { paths } = this.#link;
    const only = exchange.cautious ? paths.selected : undefined;
    const targets = only === undefined ? paths.all : [only];
    exchange.sent(now, targets.length > 0);
    if (exchange.doubtful && exchange.reason !== 'rekey') this.#host.refreshBeacons(now);
    for (const path of targets) this.#link.frame(path, offer.pila, now);
    const doubted = exchange.doubtful ? this.#session.pairWithCurrentPeerKey(now) : undefined;
    for (const slot of this.#session.candidates) {
      if (slot.offer !== offer && slot !== doubted) continue;
      for (const path of paths.likeliest()) this.#link.ping(slot, path, now);
    }
  }

  /** Tries to get off the relay. Endpoints are asked for again only where we were the one who looked for the peer. */
  #upgrade(now: Instant): void {
    this.#whereabouts.punch(now);
    this.#traversal.changed(now);
    if (this.#whereabouts.sought) this.#whereabouts.ask(now);
  }

  #probe(path: Path, now: Instant): void {
    const slot = this.#session.sendSlot(now) ?? this.#session.candidates.at(-1);
    if (path === this.#link.paths.selected) path.sizing.doubt(now);
    if (slot !== undefined) this.#link.ping(slot, path, now);
    else if (this.#exchange !== undefined) this.#link.frame(path, this.#session.offered(now).pila, now);
  }

  /** Sends our half by the way the peer's came. */
  #answer(slot: KeySlot, path: Path | undefined, way: Arrival, now: Instant): void {
    this.#answeredAt = now;
    if (path !== undefined) path.answeredAt = now;
    slot.offer.sendings++;
    this.#link.frameTo(way, slot.offer.pila);
  }

  #proved(
    proved: Exclude<Opened['proved'], 'no'>,
    slot: KeySlot,
    path: Path | undefined,
    now: Instant,
  ): void {
    this.#exchange = undefined;
    this.#unopenedAt = undefined;
    if (proved === 'first') {
      this.#host.event({ name: 'tunnel.established', peer: this.node, path: path?.kind ?? 'direct' });
    } else {
      this.#host.event({ name: 'tunnel.rekeyed', peer: this.node });
    }
    this.#flush(slot, now);
    if (path !== undefined && path.phase !== 'proven') path.burst(now);
    this.#traversal.established(proved === 'first', now);
  }

  /** An authentic frame came by this way. */
  #heardBy(way: Arrival, now: Instant): Path | undefined {
    const path = this.#ways.heard(way, now);
    path?.heard(now);
    this.#host.rearm(this.node, path?.due ?? NEVER);
    this.activeAt = now;
    if (this.#exchange?.reason === 'silence') this.#exchange = undefined;
    return path;
  }

  #received(bytes: number, slot: KeySlot, now: Instant): void {
    this.#bytesReceived += bytes;
    this.#host.rearm(this.node, this.#link.paths.used(now));
    if (slot.worn && this.#exchange === undefined) this.#maintain(slot, now);
  }

  /** True for a packet of the tunnel itself, which is taken care of here. */
  #isControl(packet: Packet, slot: KeySlot, way: Arrival, now: Instant): boolean {
    if (packet.protocol !== PROTOCOL_CONTROL) return false;
    if (isPing(packet)) this.#answerPing(packet, slot, way, now);
    else if (!isPong(packet) || !this.#takePong(packet, now)) return false;
    else this.#host.rearm(this.node, this.nextTimeout());
    return true;
  }

  #answerPing(ping: Packet, slot: KeySlot, way: Arrival, now: Instant): void {
    if (!this.#host.answersPings(this.node, now)) {
      this.#host.drop('not_admitted');
      return;
    }
    if (!this.#ways.mayAnswer(way, now)) {
      this.#host.drop('ping_limit');
      return;
    }
    const taken = this.#traversal.received(ping.payload, now);
    if (taken === undefined) this.#link.pong(slot, ping, way, now);
    else if (taken.answer !== undefined) this.#link.pong(slot, ping, way, now, taken.answer);
  }

  /** False when it answers nothing of the tunnel's. */
  #takePong(pong: Packet, now: Instant): boolean {
    if (this.#link.sizes.answered(pong.payload, now)) return true;
    if (this.#traversal.answered(pong.payload)) return true;
    const path = this.#link.pongReceived(pong, now);
    if (path !== undefined) this.#traversal.proven(path, now);
    return path !== undefined;
  }

  #flush(slot: KeySlot, now: Instant): void {
    const proven = slot.confirmedAt !== undefined;
    if (!proven && this.#session.sendSlot(now) !== slot) return;
    for (const packet of this.#pending.take(slot, proven)) this.#link.data(slot, packet, now);
  }
}
