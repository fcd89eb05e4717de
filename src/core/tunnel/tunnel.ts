import { equal, readU32 } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import { isCarrier } from '../../base/endpoint.ts';
import type { Machine } from '../../base/machine.ts';
import type { Bytes, Endpoint, Instant, NodeId } from '../../base/units.ts';
import { BEACON, decodeBeaconMessage, RELAY_DELIVER_OVERHEAD } from '../../wire/beacon.ts';
import type { Packet } from '../../wire/packet.ts';
import { classifyDatagram, encodePilp } from '../../wire/tunnel-frames.ts';
import type { NatBehaviour } from '../nat/behaviour.ts';
import type { Lifetime } from '../nat/lifetime.ts';
import type { PeerEndpoints } from '../node-types.ts';
import type { PathFacts } from '../path/facts.ts';
import type { Links } from '../path/link-size.ts';
import type { BeaconFacts } from '../path/node-facts.ts';
import { PunchBudget } from '../punch/budget.ts';
import { Beacons } from './beacons.ts';
import { TUNNEL_DEFAULTS, type TunnelConfig, type TunnelOptions } from './config.ts';
import { Departures } from './departures.ts';
import { ExchangeCheck } from './exchange-check.ts';
import { Frames } from './frames.ts';
import { IdentityKeys } from './identity-keys.ts';
import { KnownOurs } from './known-ours.ts';
import { OwnPlace } from './own-place.ts';
import type { Peer } from './peer.ts';
import { PeerBeacons } from './peer-beacons.ts';
import type { DropReason, PeerHost } from './peer-host.ts';
import { PeerTable } from './peer-table.ts';
import { PunchCommands } from './punch-commands.ts';
import { closeSocket, lifetimeOf, Sockets } from './sockets.ts';
import { ADMIT_ALL, type Admits, type PeerStatus, type TunnelOutput } from './types.ts';

/** Peers with which a new identity key is used at once; with others when there is something to send. Chosen. */
const MAX_BEGUN_ANEW = 256;
const NEVER = Number.POSITIVE_INFINITY;

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
  readonly #host: PeerHost & { node: NodeId };
  readonly #beacons: Beacons;
  readonly #place: OwnPlace;
  readonly #keys: IdentityKeys;
  readonly #peers: PeerTable;
  readonly #check: ExchangeCheck;
  readonly #frames: Frames;
  readonly #commands = new PunchCommands();
  readonly #drops: Record<string, number> = {};
  readonly #admission: Admits;
  /** Beacons at which peers are registered, as the directory or they themselves say. */
  readonly #beaconsOf = new PeerBeacons();
  #outputs: TunnelOutput[] = [];
  #outputAt = 0;
  #node: NodeId = 0;
  readonly #sockets = new Sockets((output) => this.#outputs.push(output));
  readonly #ours: KnownOurs;
  readonly #lifetime: Lifetime;
  readonly #departures: Departures;

  constructor(options: TunnelOptions) {
    const { crypto, random, identity } = options;
    this.#admission = options.admission ?? ADMIT_ALL;
    this.#config = { ...TUNNEL_DEFAULTS, ...options.config };
    this.#ours = new KnownOurs(this.#config.maxPeers);
    const output = (to: Endpoint, data: Uint8Array, via: number): void => {
      this.#outputs.push(via === 0 ? { type: 'transmit', to, data } : { type: 'transmit', to, data, via });
    };
    const transmit = (to: Endpoint, data: Uint8Array, via = 0): void => {
      this.#departures.close();
      output(to, data, via);
    };
    const trains = options.trains ?? false;
    this.#departures = new Departures(trains, (to, train, via, segment) => {
      if (trains) this.#outputs.push({ type: 'transmit', to, data: train, via, segment });
      else
        for (let at = 0; at < train.length; at += segment) output(to, train.subarray(at, at + segment), via);
    });
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
      changed: (now) => {
        for (const peer of this.#peers.all()) peer.beaconsChanged(now);
      },
      sockets: {
        open: () => this.#sockets.open(0),
        close: (via) => closeSocket(this.#sockets, this.#beacons, via),
      },
      late: (_beacon, via, now) => this.#lifetime.answered(via, now),
    });
    this.#lifetime = lifetimeOf(this.#sockets, this.#beacons, this.#config.keepAlive);
    this.#place = new OwnPlace(this.#beacons);
    this.#host = {
      crypto,
      random: random.fork('peers'),
      identity,
      config: this.#config,
      node: 0,
      place: this.#place,
      observed: () => this.#beacons.observed(),
      observedAll: () => this.#beacons.observedAll(),
      knowsKey: (peer) => this.#keys.key(peer) !== undefined,
      relays: () => this.#beacons.usable(),
      toldRelays: (peer, beacons, now) => this.peerBeacons(peer, beacons, now),
      offersRelay: (peer, endpoint, now) =>
        this.#beacons.offer(peer, this.#keys.pinned(peer) ? endpoint : undefined, now),
      relaysFor: (peer, now, visit) =>
        this.#beacons.relaysFor(this.#beaconsOf.get(peer) ?? [], now, visit ?? false),
      refreshBeacons: (now) => this.#beacons.refresh(now),
      transmit,
      depart: (slot, path, packet, peer) => this.#departures.add(slot, path, packet, this.#node, peer),
      openSocket: (peer) => this.#sockets.open(peer),
      closeSocket: (via) => closeSocket(this.#sockets, this.#beacons, via),
      links: () => this.#place.links,
      payloadLimit: (peer, bytes) => this.#outputs.push({ type: 'payloadLimit', peer, bytes }),
      lifetime: this.#lifetime,
      measure: (via, now) => this.#beacons.ask(via, now),
      punchBudget: new PunchBudget(),
      isOurs: (peer) => this.#ours.get(peer) ?? options.isOurs?.(peer) ?? false,
      remember: (peer, ours) => this.#ours.set(peer, ours),
      deliver: (peer, packet, path) => this.#outputs.push({ type: 'packet', peer, packet, path }),
      deliverAll: (peer, packets, path) => this.#outputs.push({ type: 'packets', peer, packets, path }),
      event: (event) => this.#outputs.push({ type: 'event', event }),
      needEndpoints: (peer) => this.#outputs.push({ type: 'needEndpoints', peer }),
      answersPings: (peer, now) => this.#admission.answersPings(peer, now),
      drop: (reason) => this.#drop(reason),
      rearm: (node, when) => this.#peers.rearm(node, when),
    };
    this.#peers = new PeerTable(this.#host);
    this.#frames = new Frames({
      peers: this.#peers,
      keys: this.#keys,
      check: this.#check,
      admission: this.#admission,
      node: () => this.#node,
      forget: (peer) => this.forget(peer),
      needRelation: (peer) => this.#outputs.push({ type: 'needRelation', peer }),
      drop: (reason) => this.#drop(reason),
    });
    this.#beacons.set(options.beacons, 0);
  }

  /** Our node id, given by the registry. A change drops every session: keys are bound to the id. */
  setNode(node: NodeId): void {
    if (node === this.#node) return;
    this.#node = node;
    this.#host.node = node;
    this.#peers.clear();
    this.#beacons.setNode(node);
  }

  /** We sign with another key from now on. Sessions begin anew at once, because their offers name the old one. */
  setIdentity(identity: SigningKey, now: Instant): void {
    this.#host.identity = identity;
    this.#beacons.setIdentity(identity);
    const before = [...this.#peers.all()].sort((one, other) => other.activeAt - one.activeAt);
    this.#peers.clear();
    for (const peer of before.slice(0, MAX_BEGUN_ANEW)) this.#beginAnew(peer, now);
  }

  #beginAnew(before: Peer, now: Instant): void {
    this.#peers.beginAnew(before, () => this.#admission.admits(before.node, now) === 'yes', now);
  }

  setBeacons(endpoints: readonly Endpoint[], now: Instant): void {
    this.#beacons.set(endpoints, now);
  }

  /** Where we are registered and can be reached, the best first. */
  homes(): readonly Endpoint[] {
    return this.#beacons.homes();
  }

  /** Our own addresses on local networks, with the port of the tunnel socket. */
  setLocalEndpoints(lan: readonly Endpoint[]): void {
    this.#place.lan = lan;
  }

  /** Our links, and what our sockets do with datagrams that are too large for a path. */
  setLinks(links: Links): void {
    this.#place.links = links;
    for (const peer of this.#peers.all()) peer.sizes.linksChanged();
  }

  /** Our own system refused a datagram of this size. */
  refusedSize(to: Endpoint, size: Bytes, now: Instant): void {
    for (const peer of this.#peers.all()) peer.sizes.refused(to, size, now);
  }

  /** Payload of the largest packet to the peer that is not known to be too large; undefined: none is. */
  largestPayload(node: NodeId): Bytes | undefined {
    return this.#peers.get(node)?.sizes.largestPayload();
  }

  /** Large packets to the peer do not seem to arrive. */
  doubtSize(node: NodeId, now: Instant): void {
    this.#peers.get(node)?.sizes.suspect(now);
  }

  /** Tells peers in use what changed about us. */
  #tell(now: Instant): void {
    for (const peer of this.#peers.all()) peer.surroundingsChanged(now);
  }

  /** External endpoints that a port mapping gave us, best first. */
  setMapped(mapped: readonly Endpoint[], now: Instant): void {
    this.#place.mapped = mapped;
    this.#tell(now);
  }

  mapped(): readonly Endpoint[] {
    return this.#place.mapped;
  }

  /** The byte stream to this beacon works, or does not any more. */
  setCarrier(endpoint: Endpoint, up: boolean, now: Instant): void {
    this.#beacons.setCarrier(endpoint, up, now);
  }

  /** How the translator in front of us behaves, as far as it is known. */
  nat(): NatBehaviour {
    return this.#place.nat();
  }

  /** The host changed networks, or may have: registers again and tries the paths in use. */
  networkChanged(now: Instant): void {
    this.#beacons.hostMoved(now);
    this.#seenElsewhere(now);
  }

  /** The NAT forgot its mappings, those of our direct paths as well. */
  #seenElsewhere(now: Instant): void {
    this.#lifetime.networkChanged(now);
    this.#beacons.refresh(now, true);
    for (const peer of this.#peers.all()) peer.recheck(now);
  }

  /** `via`: the local socket it came by. */
  handleDatagram(from: Endpoint, data: Uint8Array, now: Instant, via = 0): void {
    const { kind } = classifyDatagram(data);
    if (via !== 0 && this.#sockets.owner(via) === undefined) return;
    if (kind === 'beacon') this.#handleBeacon(from, data, now, via);
    else if (this.#config.relayOnly) this.#drop('relay_only');
    else if (kind !== 'pilp' && kind !== 'empty')
      this.#frames.handle(kind, { from, relay: false, via }, data, now);
  }

  /**
   * The same for datagrams of `segment` bytes one behind the other, the last perhaps shorter; false when they are to be
   * handled one by one. The bytes are written to, and the caller's again on return.
   */
  takesTrain(from: Endpoint, train: Uint8Array, segment: number, now: Instant, via = 0): boolean {
    if (via !== 0 && this.#sockets.owner(via) === undefined) return false;
    const { kind } = classifyDatagram(train);
    if (kind === 'pils' && !this.#config.relayOnly)
      return this.#frames.handleTrain({ from, relay: false, via }, train, segment, 0, now);
    if (kind !== 'beacon' || !this.#beacons.has(from) || !isDeliveredTrain(train, segment)) return false;
    const way = { from, relay: true, via: 0 };
    if (!this.#frames.handleTrain(way, train, segment, RELAY_DELIVER_OVERHEAD, now)) return false;
    this.#beacons.used(from, now);
    return true;
  }

  /** Sends an encoded packet; `queued` while there is no key, `refused` when it never can be sent. */
  send(node: NodeId, packet: Uint8Array, now: Instant): 'sent' | 'queued' | 'refused' {
    const peer = this.#chosen(node, now);
    if (peer === undefined) return 'refused';
    const result = peer.send(packet, now);
    this.admitHeld(node, now);
    return result;
  }

  /** The same for a packet that is not encoded yet; it leaves with the next `poll`, together with those that follow it. */
  sendPacket(node: NodeId, packet: Packet, now: Instant): 'sent' | 'queued' | 'refused' {
    const peer = this.#chosen(node, now);
    if (peer === undefined) return 'refused';
    const result = peer.sendPacket(packet, now);
    this.admitHeld(node, now);
    return result;
  }

  /** The node may be admitted by now: a key exchange of it that was turned away is looked at again. */
  admitHeld(node: NodeId, now: Instant): void {
    this.#frames.admitHeld(node, now);
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
      else this.#frames.handle(classifyDatagram(one.frame).kind, one, one.frame, now);
    }
  }

  /** The identity key that the tunnel to a node goes by; undefined when none is known. */
  keyOf(node: NodeId): Uint8Array | undefined {
    return this.#keys.key(node);
  }

  /** Answers `needEndpoints`; undefined when the directory refuses or does not know them: the relay remains. */
  endpoints(node: NodeId, found: PeerEndpoints | undefined, now: Instant): void {
    if (found?.beacons !== undefined) this.peerBeacons(node, found.beacons, now);
    this.#peers.get(node)?.endpoints(found, now);
  }

  /** Where the peer is registered, the best first. */
  peerBeacons(node: NodeId, beacons: readonly Endpoint[], now: Instant): void {
    if (this.#beaconsOf.set(node, beacons)) this.#peers.get(node)?.beaconsChanged(now);
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
    this.#check.forget(node);
  }

  peers(): PeerStatus[] {
    return [...this.#peers.all()].map((peer) => peer.status());
  }

  /** There is a key that the peer has proven. */
  isEstablished(node: NodeId): boolean {
    return this.#peers.get(node)?.established === true;
  }

  peer(node: NodeId): PeerStatus | undefined {
    return this.#peers.get(node)?.status();
  }

  /** What is known about the ways to the peer; undefined when there is no such peer. */
  pathFacts(node: NodeId, now: Instant): PathFacts | undefined {
    return this.#peers.get(node)?.facts(now);
  }

  /** Somebody here wants to reach the peer. */
  isWanted(node: NodeId, now: Instant): boolean {
    return this.#peers.get(node)?.wanted(now) ?? false;
  }

  /** Our endpoint as a beacon sees it. */
  observed(): Endpoint | undefined {
    return this.#beacons.observed();
  }

  beacons(): readonly BeaconFacts[] {
    return this.#beacons.facts();
  }

  /** What was dropped since the start, by reason. */
  drops(): Record<string, number> {
    return { ...this.#drops };
  }

  handleTimeout(now: Instant): void {
    this.#beacons.handleTimeout(now);
    this.#peers.handleTimeout(now);
    this.#lifetime.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    const peers = Math.min(this.#peers.nextTimeout(), this.#lifetime.nextTimeout());
    const next = Math.min(this.#beacons.nextTimeout(), peers);
    return next === NEVER ? undefined : next;
  }

  poll(): TunnelOutput | undefined {
    if (this.#outputAt === this.#outputs.length) this.#departures.close();
    if (this.#outputAt < this.#outputs.length) return this.#outputs[this.#outputAt++];
    this.#outputs.length = 0;
    this.#outputAt = 0;
    return undefined;
  }

  /** The owner has put all trains on the wire: their bytes may be used again. */
  departed(): void {
    this.#departures.drained();
  }

  #handleBeacon(from: Endpoint, data: Uint8Array, now: Instant, via: number): void {
    const isBeacon = this.#beacons.has(from);
    if (!isBeacon && !this.#beacons.isAlternate(from)) {
      this.#drop('not_beacon');
      return;
    }
    const message = decodeBeaconMessage(data);
    if (typeof message === 'string' || (!isBeacon && message.type !== 'discoverReply')) {
      this.#drop('bad_beacon_message');
      return;
    }
    switch (message.type) {
      case 'discoverReply':
        if (this.#beacons.discoverReply(from, message, now, via)) this.#seenElsewhere(now);
        this.#observed(via, now);
        return;
      case 'punchCommand':
        if (this.#config.relayOnly || isCarrier(from)) this.#drop('relay_only');
        else if (message.asker === undefined || this.#frames.admits(message.asker, now))
          this.#punch(message.endpoint, now);
        return;
      case 'relayDeliver': {
        const { kind } = classifyDatagram(message.frame);
        if (message.frame.length >= 8 && readU32(message.frame, 4) !== message.sender) {
          this.#drop('relay_sender');
          return;
        }
        this.#beacons.used(from, now);
        if (kind === 'pils' || kind === 'pila')
          this.#frames.handle(kind, { from, relay: true, via: 0 }, message.frame, now);
        else this.#drop('bad_frame');
        return;
      }
      default:
        this.#drop('bad_beacon_message');
    }
  }

  #punch(target: Endpoint, now: Instant): void {
    if (!this.#commands.admits(target, now)) {
      this.#drop('punch_limit');
      return;
    }
    const punch = encodePilp();
    for (let i = 0; i < 2; i++) this.#host.transmit(target, punch);
    for (const peer of this.#peers.all()) peer.punchCommanded(target, now);
  }

  /** The peer a local user wants to reach, with room made for it. */
  #chosen(node: NodeId, now: Instant): Peer | undefined {
    if (this.#node === 0 || node === this.#node || node === 0) return undefined;
    if (this.#peers.get(node) === undefined && this.#keys.key(node) === undefined)
      this.#keys.want(node, undefined, 'user', now);
    return this.#peers.chosen(node, now);
  }

  /** An answer of a beacon may have told something new about us, or about a socket. */
  #observed(via: number, now: Instant): void {
    const seen = this.#place.seen(via);
    const owner = this.#sockets.owner(via);
    if (owner !== undefined && seen !== undefined) this.#peers.get(owner)?.measured(via, seen, now);
    if (via === 0 && this.#place.changed()) this.#tell(now);
  }

  #drop(reason: DropReason): void {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
  }
}

/** True when each datagram is a relayed frame of the sender that the beacon names. */
function isDeliveredTrain(train: Uint8Array, segment: number): boolean {
  for (let at = 0; at < train.length; at += segment) {
    if (train[at] !== BEACON.relayDeliver || train.length - at < RELAY_DELIVER_OVERHEAD + 8) return false;
    if (readU32(train, at + 1) !== readU32(train, at + RELAY_DELIVER_OVERHEAD + 4)) return false;
  }
  return true;
}
