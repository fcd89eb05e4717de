/** A daemon that behaves as spec/02 §5 to §12 describes: what our side has to live with. */
import { equal, utf8 } from '../../base/bytes.ts';
import type { Aead, AgreementKey } from '../../base/crypto.ts';
import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { decodeBeaconMessage, encodeDiscover, encodePunchRequest, encodeRelay } from '../../wire/beacon.ts';
import { decodePacket, PROTOCOL_CONTROL } from '../../wire/packet.ts';
import {
  classifyDatagram,
  decodePila,
  decodePils,
  encodePila,
  encodePilp,
  PILS_OVERHEAD,
  pilaSignedBytes,
  writePilsHeader,
} from '../../wire/tunnel-frames.ts';
import { tunnelKey } from '../session/key-slot.ts';
import { pongTo } from './probes.ts';
import { type Host, type Internet, identityOf, type TestDirectory, textPacket } from './tunnel.testkit.ts';

interface OldPeer {
  endpoint: Endpoint | undefined;
  relay: boolean;
  key: { aead: Aead; raw: Uint8Array; peerKey: Uint8Array; prefix: number; counter: number } | undefined;
  highest: number;
  seen: Set<number>;
  pending: Uint8Array[];
}

export class OldDaemon implements Host {
  local: Endpoint;
  readonly node: NodeId;
  readonly heard: string[] = [];
  /** Key exchange frames sent. */
  exchanges = 0;
  /** Payloads of the pings it answered. */
  readonly pings: Uint8Array[] = [];
  readonly #internet: Internet;
  readonly #directory: TestDirectory;
  readonly #beacon: Endpoint | undefined;
  #life = 0;
  #x25519: AgreementKey;
  #peers = new Map<NodeId, OldPeer>();
  #discoverAt: Instant;

  constructor(parts: {
    internet: Internet;
    directory: TestDirectory;
    node: NodeId;
    local: Endpoint;
    beacon?: Endpoint;
    nat?: 'none' | 'port' | 'symmetric';
    publicHost?: string;
  }) {
    this.#internet = parts.internet;
    this.#directory = parts.directory;
    this.node = parts.node;
    this.local = parts.local;
    this.#beacon = parts.beacon;
    this.#discoverAt = parts.internet.now;
    const publicHost = parts.publicHost ?? parts.local.host;
    this.#x25519 = this.#freshKey();
    // The registry keeps the port the daemon names and the host it sees.
    parts.directory.register(this.node, { host: publicHost, port: parts.local.port });
    parts.internet.attach(this, parts.nat ?? 'none', publicHost);
  }

  restart(): void {
    this.#life++;
    this.#x25519 = this.#freshKey();
    this.#peers = new Map();
    this.#discoverAt = this.#internet.now;
  }

  /** Trust revoked and given again: endpoint and keys of the peer are gone, the relay flag is not. */
  forget(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    peer.endpoint = undefined;
    peer.key = undefined;
  }

  /** As a dial does: at 0, 1, 3 s directly, at 7, 9, 13 s through the beacon. */
  dial(node: NodeId, text: string): void {
    for (const [delay, relay] of [
      [0, false],
      [1000, false],
      [3000, false],
      [7000, true],
      [9000, true],
      [13_000, true],
    ] as const) {
      this.#internet.at(this.#internet.now + delay, () => {
        if (this.heard.some((one) => one === `re: ${text}`)) return;
        if (relay && this.#beacon !== undefined) this.#peer(node).relay = true;
        this.say(node, text);
      });
    }
  }

  say(node: NodeId, text: string): void {
    const peer = this.#peers.get(node) ?? this.#route(node);
    const packet = textPacket(this.node, node, text);
    if (peer.key === undefined) {
      this.#sendExchange(node, peer);
      peer.pending.push(packet);
      if (peer.pending.length > 64) peer.pending.shift();
    } else {
      this.#sendSealed(node, peer, packet);
    }
  }

  receive(from: Endpoint, data: Uint8Array): void {
    const { kind } = classifyDatagram(data);
    if (kind !== 'beacon') {
      this.#frame(from, false, data);
      return;
    }
    const message = decodeBeaconMessage(data);
    if (typeof message === 'string') return;
    if (message.type === 'punchCommand') {
      for (let i = 0; i < 3; i++) this.#internet.send(this, message.endpoint, encodePilp());
    } else if (message.type === 'relayDeliver') {
      const peer = this.#peer(message.sender);
      peer.relay = true;
      peer.endpoint ??= this.#beacon;
      this.#frame(from, true, message.frame);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.#beacon === undefined ? undefined : this.#discoverAt;
  }

  handleTimeout(now: Instant): void {
    if (this.#beacon === undefined || now < this.#discoverAt) return;
    this.#discoverAt = now + 60_000;
    this.#internet.send(this, this.#beacon, encodeDiscover(this.node));
  }

  #freshKey(): AgreementKey {
    const seed = `old ${this.node} life ${this.#life}`;
    return this.#crypto().agreementKey(this.#crypto().sha256(utf8(seed)));
  }

  #crypto(): Internet['crypto'] {
    return this.#internet.crypto;
  }

  #peer(node: NodeId): OldPeer {
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      peer = { endpoint: undefined, relay: false, key: undefined, highest: 0, seen: new Set(), pending: [] };
      this.#peers.set(node, peer);
    }
    return peer;
  }

  #route(node: NodeId): OldPeer {
    const peer = this.#peer(node);
    peer.endpoint = this.#directory.find(node)?.endpoint;
    if (this.#beacon !== undefined)
      this.#internet.send(this, this.#beacon, encodePunchRequest(this.node, node));
    this.#sendExchange(node, peer);
    return peer;
  }

  #frame(from: Endpoint, relay: boolean, data: Uint8Array): void {
    const { kind } = classifyDatagram(data);
    if (kind === 'pila') this.#exchange(from, relay, data);
    else if (kind === 'pils') this.#sealed(data);
  }

  #exchange(from: Endpoint, relay: boolean, data: Uint8Array): void {
    const pila = decodePila(data);
    if (pila === 'too_short') return;
    const key = this.#directory.key(pila.node);
    if (key === undefined || !equal(key, pila.ed25519)) return;
    if (!this.#crypto().verify(key, pilaSignedBytes(pila.node, pila.x25519), pila.signature)) return;
    const secret = this.#x25519.agree(pila.x25519);
    if (secret === undefined) return;
    const peer = this.#peer(pila.node);
    const changed = peer.key === undefined || !equal(peer.key.peerKey, pila.x25519);
    const raw = tunnelKey(this.#crypto(), secret);
    peer.key = {
      aead: this.#crypto().aead(raw),
      raw,
      peerKey: pila.x25519.slice(),
      prefix: this.#internet.random.u32(),
      counter: 0,
    };
    peer.highest = 0;
    peer.seen = new Set();
    if (!relay) peer.endpoint = from;
    if (changed) this.#sendExchange(pila.node, peer);
    for (const packet of peer.pending.splice(0)) this.#sendSealed(pila.node, peer, packet);
  }

  #sealed(data: Uint8Array): void {
    const frame = decodePils(data);
    if (frame === 'too_short') return;
    const peer = this.#peers.get(frame.node);
    if (peer?.key === undefined) return;
    const counter = frame.counterHigh * 2 ** 32 + frame.counterLow;
    if (peer.highest - counter >= 256 || peer.seen.has(counter)) return;
    peer.highest = Math.max(peer.highest, counter);
    const plaintext = peer.key.aead.open(frame.nonce, data.subarray(4, 8), frame.sealed);
    if (plaintext === undefined) return;
    peer.seen.add(counter);
    const packet = decodePacket(plaintext);
    if (typeof packet === 'string') return;
    if (packet.protocol === PROTOCOL_CONTROL) {
      if (packet.destinationPort !== 0) return;
      this.pings.push(packet.payload.slice());
      this.#sendSealed(frame.node, peer, pongTo(packet));
      return;
    }
    const text = new TextDecoder().decode(packet.payload);
    this.heard.push(text);
    if (!text.startsWith('re: '))
      this.#sendSealed(frame.node, peer, textPacket(this.node, frame.node, `re: ${text}`));
  }

  #sendSealed(node: NodeId, peer: OldPeer, packet: Uint8Array): void {
    const key = peer.key!;
    key.counter++;
    const out = new Uint8Array(packet.length + PILS_OVERHEAD);
    writePilsHeader(out, this.node, key.prefix, 0, key.counter);
    key.aead.sealInto(out.slice(8, 20), out.slice(4, 8), packet, out, 20);
    this.#transmit(node, peer, out);
  }

  #sendExchange(node: NodeId, peer: OldPeer): void {
    this.exchanges++;
    const identity = identityOf(this.node);
    const signature = identity.sign(pilaSignedBytes(this.node, this.#x25519.publicKey));
    this.#transmit(
      node,
      peer,
      encodePila({ node: this.node, x25519: this.#x25519.publicKey, ed25519: identity.publicKey, signature }),
    );
  }

  #transmit(node: NodeId, peer: OldPeer, frame: Uint8Array): void {
    if (peer.relay && this.#beacon !== undefined) {
      this.#internet.send(this, this.#beacon, encodeRelay(this.node, node, frame));
    } else if (
      peer.endpoint !== undefined &&
      !sameEndpoint(peer.endpoint, this.#beacon ?? { host: '', port: 0 })
    ) {
      this.#internet.send(this, peer.endpoint, frame);
    }
  }
}
