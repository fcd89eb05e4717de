import { writeU32 } from '../../base/bytes.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { BEACON, encodePunchRequest, encodeRelay, RELAY_OVERHEAD } from '../../wire/beacon.ts';
import { decodePacket, type Packet } from '../../wire/packet.ts';
import { encodePilp, PILS_OVERHEAD, type Pila, type Pils } from '../../wire/tunnel-frames.ts';
import type { PeerEndpoints } from '../node-types.ts';
import { plausibleLan } from '../path/lan.ts';
import type { Path } from '../path/path.ts';
import { type PathChange, Paths } from '../path/paths.ts';
import { FRESH } from '../session/constants.ts';
import type { KeySlot } from '../session/key-slot.ts';
import { type Opened, Session } from '../session/session.ts';
import {
  ANSWER_PAUSE,
  ENDPOINTS_PAUSE,
  HELLO_PAUSE,
  MAX_PLAINTEXT,
  PUNCH_ANSWER_TIME,
  REESTABLISH_PAUSE,
  REKEY_PAUSE,
  REKEY_RETRIES,
  UNOPENED_PATIENCE,
  UNREACHABLE_AFTER,
  WANTED_FOR,
} from './constants.ts';
import { Exchange } from './exchange.ts';
import type { PeerHost } from './peer-host.ts';
import { Pending } from './pending.ts';
import { isPing, isPong, Probes, pongTo } from './probes.ts';
import { TokenBucket } from './token-bucket.ts';
import type { PeerStatus } from './types.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Counters from 2^53 on are not exact, and no sender ever gets there. */
const MAX_COUNTER_HIGH = 2 ** 21;

/** One peer: its keys, its paths, what waits for it, and the attempts to reach it. */
export class Peer {
  readonly node: NodeId;
  readonly #host: PeerHost;
  readonly #session: Session;
  readonly #paths: Paths;
  readonly #probes: Probes;
  readonly #pending = new Pending();
  readonly #trials = new TokenBucket(100, 50);
  readonly #suggestions = new TokenBucket(4, 8);
  #exchange: Exchange | undefined;
  #relayAt: Instant = NEVER;
  #wantedAt: Instant = Number.NEGATIVE_INFINITY;
  #helloAt: Instant = Number.NEGATIVE_INFINITY;
  #answeredAt: Instant = Number.NEGATIVE_INFINITY;
  #unopenedAt: Instant | undefined;
  #exchangedAt: Instant = Number.NEGATIVE_INFINITY;
  #endpointsAskedAt: Instant = Number.NEGATIVE_INFINITY;
  #punchedAt: Instant = Number.NEGATIVE_INFINITY;
  #lan: readonly Endpoint[] = [];
  #bytesSent = 0;
  #bytesReceived = 0;
  /** When it was last used by either side. */
  activeAt: Instant;

  constructor(node: NodeId, host: PeerHost, now: Instant) {
    this.node = node;
    this.#host = host;
    this.activeAt = now;
    const { crypto, random, identity, config } = host;
    this.#session = new Session({ crypto, random, identity, node: host.node, peer: node, config });
    this.#paths = new Paths({ config, random });
    this.#probes = new Probes(random);
  }

  get established(): boolean {
    return this.#session.current !== undefined;
  }

  /** True while local users want to reach the peer. */
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
      this.#establish(now);
      this.#host.rearm(this.nextTimeout());
      return 'queued';
    }
    if (slot.confirmedAt === undefined) this.#pending.add(packet, slot, now);
    else if (this.#exchange === undefined && this.#session.needsRekey(now)) this.#rekey(now);
    this.#sendData(slot, packet, now);
    return 'sent';
  }

  connect(now: Instant): void {
    this.#wantedAt = now;
    if (this.#session.current === undefined) {
      this.#establish(now);
    } else {
      this.#askEndpoints(now);
      this.#paths.used(now);
      this.#paths.retry(now);
      if (this.#paths.selected?.relay !== false) this.#punch(now);
    }
    this.#host.rearm(this.nextTimeout());
  }

  endpoints(found: PeerEndpoints | undefined, now: Instant): void {
    const direct = found?.endpoint;
    if (direct !== undefined) this.#paths.add('direct', direct, 'registered', now);
    if (found !== undefined) {
      this.#lan = plausibleLan({ observed: this.#host.observed(), lan: this.#host.lan }, found);
      for (const endpoint of this.#lan) this.#paths.add('lan', endpoint, 'lan', now);
    }
    // Without a direct candidate there is nothing to wait for.
    if (this.#exchange !== undefined && this.#paths.all.length === 0) this.#relayAt = now;
    this.#host.rearm(now);
  }

  /** A beacon named the endpoint of a peer we asked for: this one, if it was asked for just now. */
  punchCommanded(endpoint: Endpoint, now: Instant): boolean {
    if (now - this.#punchedAt > PUNCH_ANSWER_TIME) return false;
    const path = this.#paths.add('direct', endpoint, 'commanded', now);
    path?.burst(now);
    this.#host.rearm(now);
    return true;
  }

  /** Forgets relays through beacons that are no longer ours. */
  beaconsChanged(now: Instant): void {
    const relays = this.#host.relays();
    const change = this.#paths.remove(
      (path) =>
        path.relay && !relays.some((r) => r.host === path.endpoint.host && r.port === path.endpoint.port),
      now,
    );
    this.#changed(change);
  }

  /** Takes a key exchange whose signature was verified with the peer's identity key. */
  receivePila(pila: Pila, relay: boolean, from: Endpoint, now: Instant): void {
    const outcome = this.#session.receiveKey(pila.x25519, now);
    if (outcome.kind === 'retired' || outcome.kind === 'weak_key') {
      this.#host.drop(outcome.kind === 'retired' ? 'exchange_retired_key' : 'exchange_weak_key');
      return;
    }
    const { slot } = outcome;
    let path = this.#paths.find(relay, from);
    if (path === undefined && (relay || this.#suggestions.take(now))) {
      path = this.#paths.add(relay ? 'relay' : this.#directKind(from), from, 'exchange', now);
    }
    if (outcome.kind === 'new') {
      if (!(outcome.answered && this.#exchange !== undefined)) this.#answer(slot, relay, from, now);
      if (path !== undefined) this.#ping(slot, path, now);
      this.#flush(slot, now);
    } else if (slot.heardAt === undefined || now - slot.heardAt >= FRESH) {
      const pause = slot.confirmedAt === undefined ? ANSWER_PAUSE : HELLO_PAUSE;
      if (now - this.#answeredAt >= pause || (path !== undefined && now - path.answeredAt >= pause)) {
        if (this.#exchange === undefined || slot.confirmedAt !== undefined)
          this.#answer(slot, relay, from, now);
        if (path !== undefined) this.#ping(slot, path, now);
      }
    }
    if (path !== undefined) path.answeredAt = now;
    this.#host.rearm(this.nextTimeout());
  }

  receivePils(frame: Pils, relay: boolean, from: Endpoint, now: Instant): void {
    if (frame.counterHigh >= MAX_COUNTER_HIGH) {
      this.#host.drop('counter_range');
      return;
    }
    const counter = frame.counterHigh * 0x1_0000_0000 + frame.counterLow;
    if (!this.#session.knowsPrefix(frame.prefix) && !this.#trials.take(now)) {
      this.#host.drop('trial_limit');
      return;
    }
    const opened = this.#session.open(frame.prefix, counter, frame.nonce, frame.sealed, now);
    if (typeof opened === 'string') {
      this.#host.drop(opened);
      if (opened !== 'replayed') this.#unopened(relay, from, now);
      return;
    }
    const path =
      this.#paths.find(relay, from) ??
      this.#paths.add(relay ? 'relay' : this.#directKind(from), from, 'heard', now);
    path?.heard(now);
    this.activeAt = now;
    const { slot, plaintext, proved } = opened;
    if (this.#exchange?.endsWhenHeard) this.#exchange = undefined;
    if (proved !== 'no') this.#proved(proved, slot, path, now);
    this.#deliver(plaintext, slot, path, relay, from, now);
  }

  handleTimeout(now: Instant): void {
    for (let expired = this.#pending.expire(now); expired > 0; expired--) this.#host.drop('pending_expired');
    if (this.#relayAt <= now) {
      this.#relayAt = NEVER;
      for (const relay of this.#host.relays()) this.#paths.add('relay', relay, 'beacon', now);
    }
    const work = this.#paths.work(now);
    this.#changed(work.change);
    if (work.failed && now - this.#exchangedAt >= REESTABLISH_PAUSE) this.#reestablish(now);
    if (work.upgrade && (this.#paths.selected === undefined || this.#paths.selected.relay)) this.#punch(now);
    for (const path of work.probe) this.#probe(path, now);
    if (this.#exchange !== undefined && this.#exchange.nextAt <= now)
      this.#continueExchange(this.#exchange, now);
  }

  nextTimeout(): Instant {
    return Math.min(
      this.#pending.nextTimeout(),
      this.#relayAt,
      this.#paths.nextTimeout(),
      this.#exchange?.nextAt ?? NEVER,
    );
  }

  status(): PeerStatus {
    const paths = this.#paths.status();
    return {
      node: this.node,
      established: this.established,
      paths,
      selected: paths.find((path) => path.selected),
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      keyAt: this.#session.current?.confirmedAt,
    };
  }

  #establish(now: Instant): void {
    if (this.#exchange !== undefined) return;
    this.#exchange = new Exchange('first', now);
    this.#exchangedAt = now;
    this.#relayAt = now + this.#host.config.relayAfter;
    this.#askEndpoints(now);
    this.#punch(now);
    this.#continueExchange(this.#exchange, now);
  }

  /** The selected path fell silent: the peer may have moved, or restarted and lost the keys. */
  #reestablish(now: Instant): void {
    if (this.#exchange !== undefined && this.#exchange.reason !== 'rekey') return;
    this.#exchange = new Exchange('silence', now);
    this.#exchangedAt = now;
    this.#relayAt = now;
    this.#askEndpoints(now);
  }

  #rekey(now: Instant): void {
    if (now - this.#exchangedAt < REKEY_PAUSE && this.#exchangedAt > (this.#session.current?.createdAt ?? 0))
      return;
    this.#exchange = new Exchange('rekey', now);
    this.#exchangedAt = now;
    this.#host.rearm(now);
  }

  #continueExchange(exchange: Exchange, now: Instant): void {
    if (exchange.reason === 'rekey' ? exchange.sendings >= REKEY_RETRIES : !this.wanted(now)) {
      this.#exchange = undefined;
      this.#session.withdrawOffer();
      return;
    }
    if (!exchange.reported && now - exchange.since >= UNREACHABLE_AFTER && exchange.reason !== 'rekey') {
      exchange.reported = true;
      this.#host.event({ name: 'tunnel.unreachable', peer: this.node, reason: 'no_answer' });
    }
    const missed = this.#unopenedAt !== undefined && now - this.#unopenedAt >= UNOPENED_PATIENCE;
    if (this.#session.offerIsStale(now) || missed) this.#session.withdrawOffer();
    this.#unopenedAt = undefined;
    const offer = this.#session.offered(now);
    offer.sendings++;
    exchange.sent(now);
    const selected = exchange.reason === 'rekey' && exchange.sendings <= 3 ? this.#paths.selected : undefined;
    for (const path of selected === undefined ? this.#paths.all : [selected])
      this.#transmit(path, offer.pila, now);
    const doubted = exchange.sendings > 2 ? this.#session.pairWithCurrentPeerKey(now) : undefined;
    for (const slot of this.#session.candidates) {
      if (slot.offer !== offer && slot !== doubted) continue;
      for (const path of this.#paths.likeliest()) this.#ping(slot, path, now);
    }
  }

  #askEndpoints(now: Instant): void {
    if (now - this.#endpointsAskedAt < ENDPOINTS_PAUSE) return;
    this.#endpointsAskedAt = now;
    this.#host.needEndpoints(this.node);
  }

  #punch(now: Instant): void {
    this.#punchedAt = now;
    for (const beacon of this.#host.relays()) {
      this.#host.transmit(beacon, encodePunchRequest(this.#host.node, this.node));
    }
  }

  #probe(path: Path, now: Instant): void {
    const slot = this.#session.sendSlot(now) ?? this.#session.candidates.at(-1);
    if (path.origin === 'commanded') this.#host.transmit(path.endpoint, encodePilp());
    if (slot !== undefined) this.#ping(slot, path, now);
    else if (this.#exchange !== undefined) this.#transmit(path, this.#session.offered(now).pila, now);
  }

  #ping(slot: KeySlot, path: Path, now: Instant): void {
    const frame = this.#seal(slot, this.#probes.ping(this.#host.node, this.node, path, now));
    if (frame === undefined) return;
    this.#transmit(path, frame, now);
    path.probed(now);
  }

  /** Sends our half by the way the peer's came. */
  #answer(slot: KeySlot, relay: boolean, to: Endpoint, now: Instant): void {
    this.#answeredAt = now;
    slot.offer.sendings++;
    this.#transmitTo(relay, to, slot.offer.pila);
  }

  /** A frame no key opens: tell the peer which key to use, seldom enough to be of no use to a forger. */
  #unopened(relay: boolean, from: Endpoint, now: Instant): void {
    if (this.#exchange !== undefined) {
      this.#unopenedAt ??= now;
      return;
    }
    if (now - this.#helloAt < HELLO_PAUSE) return;
    const current = this.#session.current;
    if (current !== undefined && now - (current.heardAt ?? 0) < FRESH) return;
    this.#helloAt = now;
    const offer = current?.offer ?? this.#session.offered(now);
    offer.sendings++;
    this.#transmitTo(relay, from, offer.pila);
    const path = this.#paths.find(relay, from);
    if (current !== undefined && path !== undefined) this.#ping(current, path, now);
  }

  /** A frame without a session came from this registered peer. */
  hello(relay: boolean, from: Endpoint, now: Instant): void {
    this.#unopened(relay, from, now);
  }

  #proved(
    proved: Exclude<Opened['proved'], 'no'>,
    slot: KeySlot,
    path: Path | undefined,
    now: Instant,
  ): void {
    this.#exchange = undefined;
    this.#unopenedAt = undefined;
    this.#relayAt = NEVER;
    if (proved === 'first') {
      this.#host.event({ name: 'tunnel.established', peer: this.node, path: path?.kind ?? 'direct' });
    } else {
      this.#host.event({ name: 'tunnel.rekeyed', peer: this.node });
    }
    this.#flush(slot, now);
    if (path !== undefined && path.phase !== 'proven') path.burst(now);
  }

  #deliver(
    plaintext: Uint8Array,
    slot: KeySlot,
    path: Path | undefined,
    relay: boolean,
    from: Endpoint,
    now: Instant,
  ): void {
    const packet = decodePacket(plaintext);
    if (typeof packet === 'string') {
      this.#host.drop('bad_packet');
      return;
    }
    if (packet.source.node !== this.node) {
      this.#host.drop('inner_source');
      return;
    }
    if (packet.destination.node !== this.#host.node) {
      this.#host.drop('inner_destination');
      return;
    }
    this.#bytesReceived += plaintext.length;
    if (isPing(packet)) {
      const pong = this.#seal(slot, pongTo(packet));
      if (pong !== undefined) this.#transmitTo(relay, from, pong);
    } else if (!isPong(packet) || !this.#pong(packet, now)) {
      this.#paths.used(now);
      this.#host.deliver(this.node, packet, path?.kind ?? (relay ? 'relay' : 'direct'));
    }
    this.#host.rearm(this.nextTimeout());
  }

  #pong(packet: Packet, now: Instant): boolean {
    const answer = this.#probes.answer(packet, now);
    if (answer === undefined) return false;
    this.#changed(this.#paths.answered(answer.path, answer.rtt, now));
    return true;
  }

  #flush(slot: KeySlot, now: Instant): void {
    const proven = slot.confirmedAt !== undefined;
    if (!proven && this.#session.sendSlot(now) !== slot) return;
    for (const packet of this.#pending.take(slot, proven)) this.#sendData(slot, packet, now);
  }

  #sendData(slot: KeySlot, packet: Uint8Array, now: Instant): void {
    this.#bytesSent += packet.length;
    const path = this.#paths.use(now);
    if (path?.relay === false) {
      const frame = this.#seal(slot, packet);
      if (frame !== undefined) this.#host.transmit(path.endpoint, frame);
    } else if (path !== undefined) {
      const message = new Uint8Array(RELAY_OVERHEAD + PILS_OVERHEAD + packet.length);
      writeRelayHeader(message, this.#host.node, this.node);
      if (slot.seal(packet, message.subarray(RELAY_OVERHEAD))) this.#host.transmit(path.endpoint, message);
      else this.#host.drop('key_exhausted');
    } else {
      const frame = this.#seal(slot, packet);
      if (frame === undefined) return;
      for (const way of this.#paths.likeliest()) this.#transmit(way, frame, now);
    }
    this.#host.rearm(this.#paths.nextTimeout());
  }

  #seal(slot: KeySlot, packet: Uint8Array): Uint8Array | undefined {
    const frame = new Uint8Array(packet.length + PILS_OVERHEAD);
    if (slot.seal(packet, frame)) return frame;
    this.#host.drop('key_exhausted');
    return undefined;
  }

  #transmit(path: Path, frame: Uint8Array, now: Instant): void {
    path.sentAt = now;
    this.#transmitTo(path.relay, path.endpoint, frame);
  }

  #transmitTo(relay: boolean, to: Endpoint, frame: Uint8Array): void {
    this.#host.transmit(to, relay ? encodeRelay(this.#host.node, this.node, frame) : frame);
  }

  #directKind(endpoint: Endpoint): 'lan' | 'direct' {
    return this.#lan.some((lan) => lan.host === endpoint.host && lan.port === endpoint.port)
      ? 'lan'
      : 'direct';
  }

  #changed(change: PathChange | undefined): void {
    if (change?.path === undefined) return;
    const { kind, endpoint } = change.path;
    this.#host.event({
      name: 'tunnel.path_changed',
      peer: this.node,
      path: kind,
      endpoint,
      reason: change.reason,
    });
  }
}

/** In place, so that the packet is sealed straight into the relayed datagram. spec/04 §1 */
function writeRelayHeader(message: Uint8Array, from: NodeId, to: NodeId): void {
  message[0] = BEACON.relay;
  writeU32(message, 1, from);
  writeU32(message, 5, to);
}
