import { equal, readU32 } from '../../base/bytes.ts';
import type { Crypto, SigningKey } from '../../base/crypto.ts';
import { endpointKey } from '../../base/endpoint.ts';
import type { Machine } from '../../base/machine.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { decodeBeaconMessage } from '../../wire/beacon.ts';
import { classifyDatagram, decodePila, decodePils, encodePilp } from '../../wire/tunnel-frames.ts';
import type { PeerEndpoints } from '../node-types.ts';
import { Beacons } from './beacons.ts';
import { TUNNEL_DEFAULTS, type TunnelConfig } from './config.ts';
import { ExchangeCheck } from './exchange-check.ts';
import { HeldExchanges } from './held-exchanges.ts';
import { IdentityKeys } from './identity-keys.ts';
import { Peer } from './peer.ts';
import type { DropReason, PeerHost } from './peer-host.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Admits, PeerStatus, TunnelOutput } from './types.ts';

/** Commands obeyed per target and second, and in all. */
const PUNCH_PAUSE = 500;
const MAX_PUNCH_TARGETS = 256;
/** Peers with which a new identity key is used at once; with others when there is something to send. Chosen. */
const MAX_BEGUN_ANEW = 256;
const NEVER = Number.POSITIVE_INFINITY;

export interface TunnelOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly identity: SigningKey;
  readonly beacons: readonly Endpoint[];
  readonly config?: Partial<TunnelConfig>;
  /** Who may learn that this node exists. @default everybody */
  readonly admission?: Admits;
}

const ADMIT_ALL: Admits = { admits: () => 'yes', answersPings: () => true };

/**
 * All tunnels of one node over one UDP socket: tells datagrams apart, keeps the table of peers and the registration at
 * the beacons.
 *
 * - inputs: `handleDatagram`; answers to `needKey` and `needEndpoints`: `identityKey`, `endpoints`
 * - commands: `send`, `connect`, `pin`, `unpin`, `forget`, `setNode`, `setBeacons`, `setLocalEndpoints`
 * - getters: `peers`, `peer`, `observed`, `drops`
 *
 * Nothing a stranger sends changes anything but bounded tables and counters.
 */
export class Tunnel implements Machine<TunnelOutput> {
  readonly #config: TunnelConfig;
  readonly #host: PeerHost & { node: NodeId; lan: readonly Endpoint[] };
  readonly #beacons: Beacons;
  readonly #keys: IdentityKeys;
  readonly #peers = new Map<NodeId, Peer>();
  /** Peers that contacted us and proved nothing yet, oldest first. */
  readonly #strangers = new Set<NodeId>();
  readonly #held = new HeldExchanges();
  readonly #check: ExchangeCheck;
  readonly #greetings = new TokenBucket(20, 40);
  readonly #punched = new Map<string, Instant>();
  readonly #punches = new TokenBucket(20, 40);
  readonly #drops: Record<string, number> = {};
  readonly #admission: Admits;
  readonly #questions = new TokenBucket(20, 100);
  #outputs: TunnelOutput[] = [];
  #outputAt = 0;
  #peersDue: Instant = NEVER;
  #node: NodeId = 0;

  constructor(options: TunnelOptions) {
    const { crypto, random, identity } = options;
    this.#admission = options.admission ?? ADMIT_ALL;
    this.#config = { ...TUNNEL_DEFAULTS, ...options.config };
    const transmit = (to: Endpoint, data: Uint8Array): void => {
      this.#outputs.push({ type: 'transmit', to, data });
    };
    this.#keys = new IdentityKeys((peer, claimed) =>
      this.#outputs.push({ type: 'needKey', peer, ...(claimed && { claimed }) }),
    );
    this.#check = new ExchangeCheck({
      crypto,
      keys: this.#keys,
      drop: (reason) => this.#drop(reason),
      needRotations: (peer) => this.#outputs.push({ type: 'needRotations', peer }),
    });
    this.#beacons = new Beacons({
      random: random.fork('beacons'),
      identity,
      every: this.#config.discoverEvery,
      transmit,
      event: (event) => this.#outputs.push({ type: 'event', event }),
    });
    this.#beacons.set(options.beacons, 0);
    this.#host = {
      crypto,
      random: random.fork('peers'),
      identity,
      config: this.#config,
      node: 0,
      lan: [],
      observed: () => this.#beacons.observed(),
      knowsKey: (peer) => this.#keys.key(peer) !== undefined,
      relays: () => this.#beacons.usable(),
      refreshBeacons: (now) => this.#beacons.refresh(now),
      transmit,
      deliver: (peer, packet, path) => this.#outputs.push({ type: 'packet', peer, packet, path }),
      event: (event) => this.#outputs.push({ type: 'event', event }),
      needEndpoints: (peer) => this.#outputs.push({ type: 'needEndpoints', peer }),
      answersPings: (peer, now) => this.#admission.answersPings(peer, now),
      drop: (reason) => this.#drop(reason),
      rearm: (when) => {
        if (when < this.#peersDue) this.#peersDue = when;
      },
    };
  }

  /** Our node id, given by the registry. A change drops every session: keys are bound to the id. */
  setNode(node: NodeId): void {
    if (node === this.#node) return;
    this.#node = node;
    this.#host.node = node;
    this.#peers.clear();
    this.#strangers.clear();
    this.#beacons.setNode(node);
  }

  /** We sign with another key from now on. Sessions begin anew at once, because their offers name the old one. */
  setIdentity(identity: SigningKey, now: Instant): void {
    this.#host.identity = identity;
    this.#beacons.setIdentity(identity);
    const before = [...this.#peers.values()].sort((one, other) => other.activeAt - one.activeAt);
    this.#peers.clear();
    this.#strangers.clear();
    for (const peer of before.slice(0, MAX_BEGUN_ANEW)) this.#beginAnew(peer, now);
  }

  /** Makes new keys with a peer that is in use, and keeps what waits for it. */
  #beginAnew(before: Peer, now: Instant): void {
    const { node } = before;
    const isWanted = before.wanted(now);
    const isUsed = before.established && now - before.activeAt < this.#config.idleAfter;
    if (!isWanted && !(isUsed && this.#admission.admits(node, now) === 'yes')) return;
    const peer = new Peer(node, this.#host, now);
    this.#peers.set(node, peer);
    peer.connect(now);
    for (const packet of before.waiting()) peer.send(packet, now);
  }

  setBeacons(endpoints: readonly Endpoint[], now: Instant): void {
    this.#beacons.set(endpoints, now);
    for (const peer of this.#peers.values()) peer.beaconsChanged(now);
  }

  /** Our own addresses on local networks, with the port of the tunnel socket. */
  setLocalEndpoints(lan: readonly Endpoint[]): void {
    this.#host.lan = lan;
  }

  /** The host changed networks, or may have: registers again and tries the paths in use. */
  networkChanged(now: Instant): void {
    this.#beacons.refresh(now);
    for (const peer of this.#peers.values()) peer.recheck(now);
  }

  handleDatagram(from: Endpoint, data: Uint8Array, now: Instant): void {
    const { kind } = classifyDatagram(data);
    if (kind === 'beacon') this.#handleBeacon(from, data, now);
    else if (this.#config.relayOnly) this.#drop('relay_only');
    else if (kind !== 'pilp' && kind !== 'empty') this.#handleFrame(kind, from, false, data, now);
  }

  /** Sends an encoded packet; `queued` while there is no key, `refused` when it never can be sent. */
  send(node: NodeId, packet: Uint8Array, now: Instant): 'sent' | 'queued' | 'refused' {
    const peer = this.#chosen(node, now);
    if (peer === undefined) return 'refused';
    const result = peer.send(packet, now);
    if (!this.#held.isEmpty) this.admitHeld(node, now);
    return result;
  }

  /** The node may be admitted by now: a key exchange of it that was turned away is looked at again. */
  admitHeld(node: NodeId, now: Instant): void {
    const held = this.#held.take(node, now);
    if (held !== undefined) this.#handlePila(held.from, held.relay, held.data, now);
  }

  /** Makes sure there is a session, and looks for better paths. */
  connect(node: NodeId, now: Instant): void {
    this.#chosen(node, now)?.connect(now);
    this.admitHeld(node, now);
  }

  /** Answers `needKey`, with its `claimed`; undefined when the directory does not know the node or can't be reached. */
  identityKey(node: NodeId, key: Uint8Array | undefined, now: Instant, claimed?: Uint8Array): void {
    const { held, changed } = this.#keys.answer(node, key, now, claimed);
    if (changed && !this.#keys.pinned(node)) {
      const before = this.#peers.get(node);
      this.forget(node);
      if (before?.wanted(now)) this.#beginAnew(before, now);
    }
    for (const one of held) {
      if (this.#keys.key(node) === undefined) this.#drop('exchange_unknown_node');
      else this.#handleFrame(classifyDatagram(one.frame).kind, one.from, one.relay, one.frame, now);
    }
  }

  /** The identity key that the tunnel to a node goes by; undefined when none is known. */
  keyOf(node: NodeId): Uint8Array | undefined {
    return this.#keys.key(node);
  }

  /** Answers `needEndpoints`; undefined when the directory refuses or does not know them: the relay remains. */
  endpoints(node: NodeId, found: PeerEndpoints | undefined, now: Instant): void {
    this.#peers.get(node)?.endpoints(found, now);
  }

  /** Trusts this identity key for the node, whatever the directory says. */
  pin(node: NodeId, key: Uint8Array): void {
    const before = this.#keys.key(node);
    this.#keys.pin(node, key.slice());
    if (before !== undefined && !equal(before, key)) this.forget(node);
  }

  unpin(node: NodeId, now: Instant): void {
    this.#keys.unpin(node, now);
  }

  /** Drops keys, paths and waiting packets of the peer. */
  forget(node: NodeId): void {
    this.#peers.delete(node);
    this.#strangers.delete(node);
    this.#check.forget(node);
  }

  peers(): PeerStatus[] {
    return [...this.#peers.values()].map((peer) => peer.status());
  }

  peer(node: NodeId): PeerStatus | undefined {
    return this.#peers.get(node)?.status();
  }

  /** Somebody here wants to reach the peer. */
  isWanted(node: NodeId, now: Instant): boolean {
    return this.#peers.get(node)?.wanted(now) ?? false;
  }

  /** Our endpoint as a beacon sees it. */
  observed(): Endpoint | undefined {
    return this.#beacons.observed();
  }

  /** What was dropped since the start, by reason. */
  drops(): Record<string, number> {
    return { ...this.#drops };
  }

  handleTimeout(now: Instant): void {
    this.#beacons.handleTimeout(now);
    if (this.#peersDue > now) return;
    let next = NEVER;
    for (const peer of this.#peers.values()) {
      let due = peer.nextTimeout();
      if (due <= now) {
        peer.handleTimeout(now);
        due = Math.max(peer.nextTimeout(), now + 1);
      }
      if (due < next) next = due;
    }
    this.#peersDue = next;
  }

  nextTimeout(): Instant | undefined {
    const next = Math.min(this.#beacons.nextTimeout(), this.#peersDue);
    return next === NEVER ? undefined : next;
  }

  poll(): TunnelOutput | undefined {
    if (this.#outputAt < this.#outputs.length) return this.#outputs[this.#outputAt++];
    if (this.#outputAt > 0) {
      this.#outputs = [];
      this.#outputAt = 0;
    }
    return undefined;
  }

  #handleBeacon(from: Endpoint, data: Uint8Array, now: Instant): void {
    if (!this.#beacons.has(from)) {
      this.#drop('not_beacon');
      return;
    }
    const message = decodeBeaconMessage(data);
    if (typeof message === 'string') {
      this.#drop('bad_beacon_message');
      return;
    }
    switch (message.type) {
      case 'discoverReply':
        // Seen elsewhere than before: the NAT forgot its mappings, those of our direct paths as well.
        if (this.#beacons.discoverReply(from, message.endpoint, message.challenge, now))
          this.networkChanged(now);
        return;
      case 'punchCommand':
        if (this.#config.relayOnly) this.#drop('relay_only');
        else this.#punch(message.endpoint, now);
        return;
      case 'relayDeliver': {
        const { kind } = classifyDatagram(message.frame);
        if (message.frame.length >= 8 && readU32(message.frame, 4) !== message.sender) {
          this.#drop('relay_sender');
          return;
        }
        if (kind === 'pils' || kind === 'pila') this.#handleFrame(kind, from, true, message.frame, now);
        else this.#drop('bad_frame');
        return;
      }
      default:
        this.#drop('bad_beacon_message');
    }
  }

  #handleFrame(
    kind: ReturnType<typeof classifyDatagram>['kind'],
    from: Endpoint,
    relay: boolean,
    data: Uint8Array,
    now: Instant,
  ): void {
    if (this.#node === 0) {
      this.#drop('no_node');
      return;
    }
    switch (kind) {
      case 'pils':
        this.#handlePils(from, relay, data, now);
        return;
      case 'pila':
        this.#handlePila(from, relay, data, now);
        return;
      case 'pilt':
        this.#drop('plaintext_refused');
        return;
      case 'pilk':
        this.#drop('anonymous_refused');
        return;
      default:
        this.#drop('unknown_magic');
    }
  }

  #handlePils(from: Endpoint, relay: boolean, data: Uint8Array, now: Instant): void {
    const frame = decodePils(data);
    if (frame === 'too_short') {
      this.#drop('bad_frame');
      return;
    }
    const peer = this.#peers.get(frame.node);
    if (!this.#isAdmitted(frame.node, peer, now)) return;
    if (peer !== undefined) {
      peer.receivePils(frame, relay, from, now);
      if (this.#strangers.size > 0 && peer.established) this.#strangers.delete(frame.node);
      return;
    }
    this.#drop('no_session');
    this.#greet(frame.node, { frame: data, relay, from }, now);
  }

  /** A registered node uses keys we do not have: we restarted, or forgot it. Offer new ones. */
  #greet(node: NodeId, held: { frame: Uint8Array; relay: boolean; from: Endpoint }, now: Instant): void {
    if (node === this.#node || node === 0) return;
    if (this.#keys.key(node) === undefined) {
      if (!this.#keys.want(node, held, 'frame', now)) this.#drop('lookup_limit');
      return;
    }
    if (!this.#greetings.take(now)) {
      this.#drop('exchange_limit');
      return;
    }
    this.#stranger(node, now)?.greet(held.relay, held.from, now);
  }

  #handlePila(from: Endpoint, relay: boolean, data: Uint8Array, now: Instant): void {
    const pila = decodePila(data);
    if (pila === 'too_short') {
      this.#drop('bad_frame');
      return;
    }
    const { node } = pila;
    if (node === this.#node || node === 0) {
      this.#drop('own_node');
      return;
    }
    const peer = this.#peers.get(node);
    if (!this.#isAdmitted(node, peer, now)) {
      this.#held.hold(node, { from, relay, data: data.slice(), at: now });
      return;
    }
    const other = peer?.established ? 'known' : relay ? 'relayed' : 'stranger';
    const sender = peer?.wanted(now) ? 'chosen' : other;
    if (!this.#check.passes(pila, { frame: data, relay, from }, sender, now)) return;
    this.#stranger(node, now)?.receivePila(pila, relay, from, now);
  }

  /** Strangers get no answer that would tell them that we are here. */
  #isAdmitted(node: NodeId, peer: Peer | undefined, now: Instant): boolean {
    if (peer?.wanted(now)) return true;
    const admits = this.#admission.admits(node, now);
    if (admits === 'yes') return true;
    // What was established while the answer was known goes on until it is known again.
    const goesOn = admits === 'unknown' && peer?.established === true;
    if (admits === 'unknown' && this.#questions.take(now))
      this.#outputs.push({ type: 'needRelation', peer: node });
    if (admits === 'no' && peer !== undefined) this.forget(node);
    if (!goesOn) this.#drop('not_admitted');
    return goesOn;
  }

  #punch(target: Endpoint, now: Instant): void {
    const name = endpointKey(target);
    const last = this.#punched.get(name);
    if (target.port === 0 || (last !== undefined && now - last < PUNCH_PAUSE) || !this.#punches.take(now)) {
      this.#drop('punch_limit');
      return;
    }
    this.#punched.delete(name);
    if (this.#punched.size >= MAX_PUNCH_TARGETS) {
      for (const oldest of this.#punched.keys()) {
        this.#punched.delete(oldest);
        break;
      }
    }
    this.#punched.set(name, now);
    const punch = encodePilp();
    for (let i = 0; i < 2; i++) this.#host.transmit(target, punch);
    for (const peer of this.#peers.values()) peer.punchCommanded(target, now);
  }

  /** The peer a local user wants to reach, with room made for it. */
  #chosen(node: NodeId, now: Instant): Peer | undefined {
    if (this.#node === 0 || node === this.#node || node === 0) return undefined;
    const known = this.#peers.get(node);
    if (known !== undefined) {
      this.#strangers.delete(node);
      return known;
    }
    if (this.#keys.key(node) === undefined) this.#keys.want(node, undefined, 'user', now);
    if (this.#peers.size >= this.#config.maxPeers) this.#evict(0, now);
    const peer = new Peer(node, this.#host, now);
    this.#peers.set(node, peer);
    return peer;
  }

  /** A peer that contacted us; undefined when every place is in use. */
  #stranger(node: NodeId, now: Instant): Peer | undefined {
    const known = this.#peers.get(node);
    if (known !== undefined) return known;
    if (this.#strangers.size >= this.#config.maxStrangers) {
      for (const oldest of this.#strangers) {
        this.forget(oldest);
        this.#drop('peer_evicted');
        break;
      }
    }
    if (this.#peers.size >= this.#config.maxPeers && !this.#evict(this.#config.idleAfter, now))
      return undefined;
    this.#strangers.add(node);
    const peer = new Peer(node, this.#host, now);
    this.#peers.set(node, peer);
    return peer;
  }

  /** Forgets the longest unused peer, if it was not used for at least `unused`. */
  #evict(unused: Millis, now: Instant): boolean {
    let oldest: Peer | undefined;
    for (const peer of this.#peers.values()) {
      if (oldest === undefined || peer.activeAt < oldest.activeAt) oldest = peer;
    }
    this.#drop('peer_evicted');
    if (oldest === undefined || now - oldest.activeAt < unused) return false;
    this.forget(oldest.node);
    return true;
  }

  #drop(reason: DropReason): void {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
  }
}
