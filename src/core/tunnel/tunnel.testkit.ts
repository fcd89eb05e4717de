/** A small seeded internet for the tunnel's tests: hosts behind NATs, a beacon, a directory, one virtual clock. */
import { toHex } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import { endpointKey, sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { nodeCrypto } from '../../platform/crypto.ts';
import {
  decodeBeaconMessage,
  encodeDiscoverReply,
  encodePunchCommand,
  encodeRelayDeliver,
} from '../../wire/beacon.ts';
import { encodePacket, type Packet, PROTOCOL_DATAGRAM } from '../../wire/packet.ts';
import type { PeerEndpoints } from '../node-types.ts';
import type { TunnelConfig } from './config.ts';
import { Tunnel } from './tunnel.ts';
import type { TunnelEvent, TunnelOutput } from './types.ts';

export const crypto = nodeCrypto();

/**
 * The platform's crypto, remembering every nonce sealed under every key by anyone it was given to: a repetition,
 * the one thing AES-GCM does not survive, throws at once.
 */
export function watchedCrypto(): Crypto & { sealed(): number } {
  const used = new Map<string, Set<string>>();
  let sealed = 0;
  return {
    ...crypto,
    aead(key) {
      const inner = crypto.aead(key);
      const name = toHex(key);
      const nonces = used.get(name) ?? new Set();
      used.set(name, nonces);
      const watch = (nonce: Uint8Array): void => {
        const text = toHex(nonce);
        if (nonces.has(text)) throw new Error(`nonce ${text} sealed twice under one key`);
        nonces.add(text);
        sealed++;
      };
      return {
        open: inner.open,
        openTrain: inner.openTrain,
        sealInto(nonce, aad, plaintext, out, at) {
          watch(nonce);
          inner.sealInto(nonce, aad, plaintext, out, at);
        },
        sealTrain(aad, train, segment, layout) {
          for (let at = 0; at < train.length; at += segment)
            watch(train.subarray(at + layout.head - 12, at + layout.head));
          inner.sealTrain(aad, train, segment, layout);
        },
      };
    },
    sealed: () => sealed,
  };
}

/** xoshiro128** seeded by a label: reproducible, not secret. */
export function seeded(seed: string): Random {
  const hash = crypto.sha256(new TextEncoder().encode(seed));
  const state = new Uint32Array(hash.buffer.slice(0, 16));
  const u32 = (): number => {
    const result = Math.imul(rotate(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const t = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= t;
    state[3] = rotate(state[3]!, 11);
    return result;
  };
  return {
    u32,
    bytes: (length) => Uint8Array.from({ length }, () => u32() >>> 24),
    below: (limit) => Math.floor((u32() / 2 ** 32) * limit),
    fraction: () => u32() / 2 ** 32,
    fork: (label) => seeded(`${seed}/${label}`),
  };
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

export type NatKind = 'none' | 'full' | 'address' | 'port' | 'symmetric' | 'blocked';

interface Mapping {
  readonly external: number;
  /** Remote endpoints this mapping was used for. */
  readonly contacted: Set<string>;
  /** For symmetric NATs: the only destination. */
  readonly only: string | undefined;
}

export interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly data: Uint8Array;
}

/** Anything with a UDP socket. */
export interface Host {
  /** As the host itself knows it. */
  local: Endpoint;
  receive(from: Endpoint, data: Uint8Array, now: Instant): void;
  nextTimeout(): Instant | undefined;
  handleTimeout(now: Instant): void;
}

interface Place {
  readonly nat: NatKind;
  /** Host of the public side; equal to the local host without NAT. */
  publicHost: string;
  mappings: Mapping[];
}

export interface Link {
  delay: Millis;
  jitter: Millis;
  /** 0 to 1. */
  loss: number;
  duplicate: number;
}

/** One virtual clock, one event heap, hosts and the NATs before them. */
export class Internet {
  now: Instant = 1_000;
  readonly random: Random;
  /** Shared by all hosts, so that nonces are compared across both ends of a tunnel. */
  readonly crypto = watchedCrypto();
  readonly link: Link = { delay: 10, jitter: 0, loss: 0, duplicate: 0 };
  /** Drops a datagram on its way, after NAT translation of the source. */
  filter: (datagram: Datagram) => boolean = () => true;
  /** Sees every datagram that was put on the wire. */
  tap: (datagram: Datagram) => void = () => {};
  readonly #hosts: { readonly host: Host; readonly place: Place }[] = [];
  /** Next external port of each public host. */
  readonly #ports = new Map<string, number>();
  #events: { at: Instant; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(seed: string) {
    this.random = seeded(seed);
  }

  attach(host: Host, nat: NatKind = 'none', publicHost = host.local.host): void {
    this.#hosts.push({ host, place: { nat, publicHost, mappings: [] } });
  }

  detach(host: Host): void {
    const at = this.#hosts.findIndex((one) => one.host === host);
    if (at >= 0) this.#hosts.splice(at, 1);
  }

  /** Forgets the mappings of the host's NAT, and moves it to another public host if given. */
  rebind(host: Host, publicHost?: string): void {
    const { place } = this.#of(host);
    place.mappings = [];
    if (publicHost !== undefined) place.publicHost = publicHost;
  }

  send(host: Host, to: Endpoint, data: Uint8Array): void {
    const { place } = this.#of(host);
    if (place.nat === 'blocked') return;
    const local = this.#hosts.find(
      (one) =>
        one.place.nat !== 'none' &&
        one.place.publicHost === place.publicHost &&
        sameEndpoint(one.host.local, to),
    );
    if (local !== undefined) {
      // Hosts behind one NAT share a network.
      this.#deliver({ from: host.local, to, data: data.slice() }, local.host);
      return;
    }
    const datagram = { from: this.#translate(host, place, to), to, data: data.slice() };
    this.inject(datagram);
  }

  /** Puts a datagram on the wire as it is, source and all: what an attacker does. */
  inject(datagram: Datagram): void {
    this.tap(datagram);
    if (!this.filter(datagram) || this.random.fraction() < this.link.loss) return;
    this.#route(datagram);
    if (this.random.fraction() < this.link.duplicate) this.#route(datagram);
  }

  at(when: Instant, run: () => void): void {
    this.#events.push({ at: Math.max(when, this.now), order: this.#order++, run });
  }

  /** Runs until `until`; returns when no event or timer is left before it. */
  run(duration: Millis): void {
    const until = this.now + duration;
    for (;;) {
      let next: { at: Instant; run: () => void } | undefined;
      let index = -1;
      for (let i = 0; i < this.#events.length; i++) {
        const event = this.#events[i]!;
        const best = this.#events[index];
        if (best === undefined || event.at < best.at || (event.at === best.at && event.order < best.order))
          index = i;
      }
      if (index >= 0) next = this.#events[index];
      let timer: { at: Instant; host: Host } | undefined;
      for (const { host } of this.#hosts) {
        const at = host.nextTimeout();
        if (at !== undefined && (timer === undefined || at < timer.at))
          timer = { at: Math.max(at, this.now), host };
      }
      if (timer !== undefined && (next === undefined || timer.at < next.at)) {
        if (timer.at > until) break;
        this.now = timer.at;
        timer.host.handleTimeout(this.now);
      } else if (next !== undefined && next.at <= until) {
        this.#events.splice(index, 1);
        this.now = next.at;
        next.run();
      } else break;
    }
    this.now = until;
  }

  /** Runs in small steps until `done` or `limit` is over; returns the time it took. */
  until(done: () => boolean, limit: Millis = 30_000): Millis {
    const start = this.now;
    while (!done()) {
      if (this.now - start >= limit) throw new Error(`not reached within ${limit} ms`);
      this.run(1);
    }
    return this.now - start;
  }

  #of(host: Host): { host: Host; place: Place } {
    return this.#hosts.find((one) => one.host === host)!;
  }

  #translate(host: Host, place: Place, to: Endpoint): Endpoint {
    if (place.nat === 'none') return { host: place.publicHost, port: host.local.port };
    const key = endpointKey(to);
    const only = place.nat === 'symmetric' ? key : undefined;
    let mapping = place.mappings.find((one) => one.only === only);
    if (mapping === undefined) {
      const external = this.#ports.get(place.publicHost) ?? 40_000;
      this.#ports.set(place.publicHost, external + 1);
      mapping = { external, contacted: new Set(), only };
      place.mappings.push(mapping);
    }
    mapping.contacted.add(place.nat === 'address' ? to.host : key);
    return { host: place.publicHost, port: mapping.external };
  }

  #route(datagram: Datagram): void {
    // Routers do not turn packets of their own network around.
    if (datagram.from.host === datagram.to.host) return;
    const target = this.#hosts.find(({ host, place }) => {
      if (place.publicHost !== datagram.to.host) return false;
      return place.nat === 'none' ? host.local.port === datagram.to.port : this.#admits(place, datagram);
    });
    if (target === undefined || target.place.nat === 'blocked') return;
    this.#deliver(datagram, target.host);
  }

  #admits(place: Place, { from, to }: Datagram): boolean {
    const mapping = place.mappings.find((one) => one.external === to.port);
    if (mapping === undefined) return false;
    if (place.nat === 'full') return true;
    return mapping.contacted.has(place.nat === 'address' ? from.host : endpointKey(from));
  }

  #deliver(datagram: Datagram, host: Host): void {
    const delay = this.link.delay + this.link.jitter * this.random.fraction();
    this.at(this.now + delay, () => {
      if (this.#hosts.some((one) => one.host === host)) host.receive(datagram.from, datagram.data, this.now);
    });
  }
}

/** A node that is nothing but its tunnel. */
export class TestNode implements Host {
  local: Endpoint;
  readonly node: NodeId;
  readonly internet: Internet;
  readonly directory: TestDirectory;
  tunnel: Tunnel;
  readonly received: {
    readonly peer: NodeId;
    readonly packet: Packet;
    readonly path: string;
    readonly at: Instant;
  }[] = [];
  readonly events: TunnelEvent[] = [];
  /** What packets to the peer that was told of last may carry. */
  payloadLimit = 1_152;
  readonly payloadLimits: number[] = [];
  readonly questions = { keys: 0, endpoints: 0 };
  readonly config: Partial<TunnelConfig>;
  readonly beacons: readonly Endpoint[];
  #lives = 0;

  constructor(parts: {
    internet: Internet;
    directory: TestDirectory;
    node: NodeId;
    local: Endpoint;
    beacons?: readonly Endpoint[];
    nat?: NatKind;
    publicHost?: string;
    config?: Partial<TunnelConfig>;
  }) {
    this.internet = parts.internet;
    this.directory = parts.directory;
    this.node = parts.node;
    this.local = parts.local;
    this.beacons = parts.beacons ?? [];
    this.config = parts.config ?? {};
    this.directory.register(
      this.node,
      parts.nat === undefined || parts.nat === 'none' ? parts.local : undefined,
    );
    this.tunnel = this.#boot();
    parts.internet.attach(this, parts.nat ?? 'none', parts.publicHost ?? parts.local.host);
  }

  /** As after a crash: all tunnel state is gone, the identity remains. */
  restart(): void {
    this.tunnel = this.#boot();
  }

  /** Takes the identity key of this number, first at the directory. */
  rotate(key: number): void {
    const identity = identityOf(key);
    this.directory.rotated.set(this.node, identity.publicKey);
    this.tunnel.setIdentity(identity, this.internet.now);
    this.drain();
  }

  /** Sends a datagram packet with this text. */
  say(to: NodeId, text: string): 'sent' | 'queued' | 'refused' {
    const result = this.tunnel.send(to, textPacket(this.node, to, text), this.internet.now);
    this.drain();
    return result;
  }

  heard(): string[] {
    return this.received.map((one) => new TextDecoder().decode(one.packet.payload));
  }

  path(peer: NodeId): string | undefined {
    return this.tunnel.peer(peer)?.selected?.kind;
  }

  receive(from: Endpoint, data: Uint8Array, now: Instant): void {
    this.tunnel.handleDatagram(from, data, now);
    this.drain();
  }

  nextTimeout(): Instant | undefined {
    return this.tunnel.nextTimeout();
  }

  handleTimeout(now: Instant): void {
    this.tunnel.handleTimeout(now);
    this.drain();
  }

  drain(): void {
    for (let output = this.tunnel.poll(); output !== undefined; output = this.tunnel.poll()) this.#on(output);
  }

  #on(output: TunnelOutput): void {
    const { internet, tunnel } = this;
    switch (output.type) {
      case 'transmit':
        internet.send(this, output.to, output.data);
        return;
      case 'packets':
        for (const packet of output.packets)
          this.received.push({ peer: output.peer, packet, path: output.path, at: internet.now });
        return;
      case 'packet':
        this.received.push({ peer: output.peer, packet: output.packet, path: output.path, at: internet.now });
        return;
      case 'needKey':
        this.questions.keys++;
        internet.at(internet.now + this.directory.delay, () => {
          if (tunnel !== this.tunnel) return;
          tunnel.identityKey(output.peer, this.directory.key(output.peer), internet.now, output.claimed);
          this.drain();
        });
        return;
      case 'needEndpoints':
        this.questions.endpoints++;
        internet.at(internet.now + this.directory.delay, () => {
          if (tunnel !== this.tunnel) return;
          tunnel.endpoints(output.peer, this.directory.find(output.peer), internet.now);
          this.drain();
        });
        return;
      case 'event':
        this.events.push(output.event);
        if (output.event.name === 'beacon.observed') this.directory.moved(this.node, output.event.endpoint);
        return;
      case 'payloadLimit':
        this.payloadLimit = output.bytes;
        this.payloadLimits.push(output.bytes);
        return;
      case 'socket':
      case 'needRelation':
      case 'needRotations':
        return;
      default:
        output satisfies never;
    }
  }

  #boot(): Tunnel {
    const tunnel = new Tunnel({
      crypto: this.internet.crypto,
      random: this.internet.random.fork(`node ${this.node} life ${this.#lives++}`),
      identity: identityOf(this.node),
      beacons: this.beacons,
      config: this.config,
    });
    tunnel.setNode(this.node);
    return tunnel;
  }
}

export function identityOf(node: NodeId): ReturnType<typeof crypto.signingKey> {
  return crypto.signingKey(crypto.sha256(new TextEncoder().encode(`identity ${node}`)));
}

export function textPacket(from: NodeId, to: NodeId, text: string): Uint8Array {
  return encodePacket({
    protocol: PROTOCOL_DATAGRAM,
    flags: 0,
    source: { network: 0, node: from },
    destination: { network: 0, node: to },
    sourcePort: 50_000,
    destinationPort: 1_000,
    seq: 0,
    ack: 0,
    window: 0,
    payload: new TextEncoder().encode(text),
  });
}

/** What the registry knows. */
export class TestDirectory {
  delay: Millis = 5;
  /** Answers nothing useful while false. */
  reachable = true;
  /** Keys that took the place of the first ones. */
  readonly rotated = new Map<NodeId, Uint8Array>();
  readonly #endpoints = new Map<NodeId, PeerEndpoints>();

  register(node: NodeId, endpoint: Endpoint | undefined, lan: readonly Endpoint[] = []): void {
    this.#endpoints.set(node, { endpoint, lan });
  }
  moved(node: NodeId, endpoint: Endpoint): void {
    this.#endpoints.set(node, { endpoint, lan: this.#endpoints.get(node)?.lan ?? [] });
  }
  key(node: NodeId): Uint8Array | undefined {
    if (!this.reachable || !this.#endpoints.has(node)) return undefined;
    return this.rotated.get(node) ?? identityOf(node).publicKey;
  }
  find(node: NodeId): PeerEndpoints | undefined {
    return this.reachable ? this.#endpoints.get(node) : undefined;
  }
}

/** A beacon as spec/04 §2 describes it, with the source check of its mitigations. */
export class TestBeacon implements Host {
  local: Endpoint;
  readonly #internet: Internet;
  readonly nodes = new Map<NodeId, Endpoint>();
  readonly relayed: Uint8Array[] = [];
  alive = true;

  constructor(internet: Internet, local: Endpoint) {
    this.#internet = internet;
    this.local = local;
    internet.attach(this);
  }

  receive(from: Endpoint, data: Uint8Array): void {
    if (!this.alive) return;
    const message = decodeBeaconMessage(data);
    if (typeof message === 'string') return;
    const send = (to: Endpoint, bytes: Uint8Array): void => this.#internet.send(this, to, bytes);
    switch (message.type) {
      case 'discover':
        if (message.node !== 0) this.nodes.set(message.node, from);
        send(from, encodeDiscoverReply(from));
        return;
      case 'punchRequest': {
        this.nodes.set(message.requester, from);
        const target = this.nodes.get(message.target);
        if (target === undefined) return;
        send(from, encodePunchCommand(target));
        send(target, encodePunchCommand(from));
        return;
      }
      case 'relay': {
        const target = this.nodes.get(message.destination);
        const sender = this.nodes.get(message.sender);
        if (target === undefined || sender === undefined || !sameEndpoint(sender, from)) return;
        this.relayed.push(message.frame.slice());
        send(target, encodeRelayDeliver(message.sender, message.frame));
        return;
      }
      default:
    }
  }

  nextTimeout(): undefined {
    return undefined;
  }
  handleTimeout(): void {}
}

export const BEACON: Endpoint = { host: '203.0.113.1', port: 9001 };

export interface Pair {
  readonly internet: Internet;
  readonly directory: TestDirectory;
  readonly beacon: TestBeacon;
  readonly a: TestNode;
  readonly b: TestNode;
}

/** Has `from` say `count` numbered texts, one every `every` ms. */
export function chatter(
  { internet }: Pair,
  from: TestNode,
  to: NodeId,
  text: string,
  every: Millis,
  count: number,
): void {
  const start = internet.now;
  for (let i = 0; i < count; i++) internet.at(start + every * i, () => from.say(to, `${text} ${i}`));
}

/** Two nodes, one beacon, one directory. */
export function pair(
  seed: string,
  options: {
    a?: NatKind;
    b?: NatKind;
    beacon?: boolean;
    beacons?: readonly Endpoint[];
    config?: Partial<TunnelConfig>;
  } = {},
): Pair {
  const internet = new Internet(seed);
  const directory = new TestDirectory();
  const beacon = new TestBeacon(internet, BEACON);
  const beacons = options.beacons ?? (options.beacon === false ? [] : [BEACON]);
  const shared = { internet, directory, beacons, config: options.config };
  const nat = (
    kind: NatKind | undefined,
    local: Endpoint,
    publicHost: string,
  ): { local: Endpoint; nat: NatKind; publicHost: string } => {
    if (kind === undefined || kind === 'none')
      return { local: { host: publicHost, port: 4000 }, nat: 'none', publicHost };
    return { local, nat: kind, publicHost };
  };
  const a = new TestNode({
    ...shared,
    node: 1,
    ...nat(options.a, { host: '192.168.10.2', port: 4000 }, '203.0.113.10'),
  });
  const b = new TestNode({
    ...shared,
    node: 2,
    ...nat(options.b, { host: '192.168.20.2', port: 4000 }, '198.51.100.20'),
  });
  if (beacons.length > 0) internet.run(100);
  return { internet, directory, beacon, a, b };
}
