/** Trust machines on a message bus with a directory and a registry's inboxes; losses, restarts and clocks are the test's. */
import { toHex, utf8 } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import type { NodeId } from '../../base/units.ts';
import { nodeCrypto } from '../../platform/crypto.ts';
import { seededRandom } from '../../sim/net/seeded-random.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import {
  encodeHandshake,
  type HandshakeMessage,
  handshakeContentBytes,
  handshakeSignedString,
} from '../../wire/handshake.ts';
import { type KeyRotation, signKeyRotation } from '../../wire/key-rotation.ts';
import { formatTrustFile, parseTrustFile } from './snapshot.ts';
import { ALL_TERMS, type Terms } from './terms.ts';
import { type Approval, Trust } from './trust.ts';
import type { TrustEvent, TrustOutput, TrustSnapshot } from './types.ts';

export const crypto = nodeCrypto();
export const WALL = 1_795_000_000_000;

export function keyOf(label: string): SigningKey {
  return crypto.signingKey(crypto.sha256(utf8(label)));
}

/** One node: its machine, what it last stored, and what it put out. */
export class TrustNode {
  readonly id: NodeId;
  readonly hostname: string;
  identity: SigningKey;
  /** Its key rotations, as the registry would give them out. */
  readonly rotations: KeyRotation[] = [];
  trust: Trust;
  stored: TrustSnapshot | undefined;
  readonly events: TrustEvent[] = [];
  /** How far its wall clock is off, ms. */
  skew = 0;
  readonly #seed: string;
  #starts = 0;

  constructor(id: NodeId, seed = 'test') {
    this.id = id;
    this.hostname = `node-${id}`;
    this.identity = keyOf(`identity ${id}`);
    this.#seed = seed;
    this.trust = this.#start();
  }

  /** As after a crash: everything since the last stored snapshot is lost. The file is written and read on the way. */
  restart(): void {
    this.trust = this.#start();
  }

  /** Takes a new key. Its machine has to be told with `setIdentity`. */
  rotate(at: number): void {
    const epoch = this.rotations.length + 1;
    const next = keyOf(`identity ${this.id} ${epoch}`);
    this.rotations.push(signKeyRotation(this.identity, next, { node: this.id, epoch, at }));
    this.identity = next;
  }

  eventNames(): string[] {
    return this.events.map((event) => event.name);
  }
  refused(): string[] {
    return this.events.flatMap((event) => (event.name === 'trust.refused_message' ? [event.reason] : []));
  }

  #start(): Trust {
    const snapshot = this.stored && parseTrustFile(formatTrustFile(this.stored));
    if (snapshot === 'corrupt') throw new Error('the stored snapshot can not be read back');
    return new Trust({
      crypto,
      random: seededRandom(`${this.#seed} ${this.id} ${this.#starts++}`),
      identity: this.identity,
      node: this.id,
      hostname: this.hostname,
      snapshot,
    });
  }
}

export type Parcel =
  | {
      readonly kind: 'direct';
      readonly from: NodeId;
      readonly to: NodeId;
      readonly bytes: Uint8Array;
      readonly ref: number;
      readonly start: Trust;
    }
  | {
      readonly kind: 'request' | 'response' | 'revocation';
      readonly from: NodeId;
      readonly to: NodeId;
      readonly accept: boolean;
      readonly justification: string;
      readonly message: string;
      readonly timestamp: number;
    };

/** The bus. Nothing moves by itself: the test delivers, drops or repeats parcels. */
export class TrustBus {
  readonly nodes: TrustNode[];
  now = 0;
  readonly parcels: Parcel[] = [];
  /** Calls to the registry with their results, newest last. */
  readonly calls: { readonly from: NodeId; readonly output: TrustOutput }[] = [];
  registryUp = true;
  /** Answers questions for key rotations; false leaves that to the test. */
  givesRotations = true;
  /** Sees each parcel just before it is delivered. */
  onDeliver: ((parcel: Parcel) => void) | undefined;
  readonly #keysDue: { node: TrustNode; peer: NodeId }[] = [];
  readonly #rotationsDue: { node: TrustNode; peer: NodeId }[] = [];

  constructor(nodes: TrustNode[]) {
    this.nodes = nodes;
  }

  get wall(): number {
    return WALL + this.now;
  }

  wallOf(node: TrustNode): number {
    return this.wall + node.skew;
  }

  node(id: NodeId): TrustNode {
    const node = this.nodes.find((each) => each.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** One mutation of a node's machine, then everything it put out. */
  do<T>(node: TrustNode, mutate: (trust: Trust) => T): T {
    const result = mutate(node.trust);
    this.collect(node);
    return result;
  }

  ask(from: TrustNode, to: TrustNode | string, terms: Terms = ALL_TERMS): string {
    const target = typeof to === 'string' ? { hostname: to } : { node: to.id };
    return this.do(
      from,
      (trust) => trust.request(target, 'please', terms, this.wallOf(from), this.now).status,
    );
  }
  approve(node: TrustNode, peer: TrustNode, approval: Approval = {}): string {
    return this.do(node, (trust) => trust.approve(peer.id, approval, this.wallOf(node), this.now));
  }
  reject(node: TrustNode, peer: TrustNode, reason = 'no'): string {
    return this.do(node, (trust) => trust.reject(peer.id, reason, this.wallOf(node), this.now));
  }
  untrust(node: TrustNode, peer: TrustNode): string {
    return this.do(node, (trust) => trust.untrust(peer.id, '', this.wallOf(node), this.now));
  }

  collect(node: TrustNode): void {
    for (let output = node.trust.poll(); output !== undefined; output = node.trust.poll())
      this.#on(node, output);
  }

  deliver(parcel: Parcel): void {
    const to = this.nodes.find((node) => node.id === parcel.to);
    if (to === undefined) return;
    this.onDeliver?.(parcel);
    const { from, message, timestamp } = { message: '', timestamp: 0, ...parcel };
    if (parcel.kind === 'direct') {
      this.do(to, (trust) => trust.directMessage(from, parcel.bytes, this.wallOf(to), this.now));
      this.settleDirect(parcel, true);
    } else if (parcel.kind === 'request') {
      const { justification } = parcel;
      this.do(to, (trust) =>
        trust.relayedRequest({ from, justification, timestamp, message }, this.wallOf(to), this.now),
      );
    } else if (parcel.kind === 'response') {
      const { accept } = parcel;
      this.do(to, (trust) =>
        trust.relayedResponse({ from, accept, timestamp, message }, this.wallOf(to), this.now),
      );
    } else {
      this.do(to, (trust) => trust.relayedRevoke({ from, message }, this.wallOf(to), this.now));
    }
    this.answerKeys();
  }

  settleDirect(parcel: Parcel, ok: boolean): void {
    if (parcel.kind !== 'direct') return;
    const sender = this.node(parcel.from);
    // A machine that was restarted in between knows nothing of the sending.
    if (sender.trust !== parcel.start) return;
    this.do(sender, (trust) => {
      if (ok) trust.directDelivered(parcel.ref, this.now);
      else trust.directFailed(parcel.ref, this.now);
    });
  }

  /** Gives every directory answer that is due. */
  answerKeys(known = true): void {
    for (let due = this.#keysDue.shift(); due !== undefined; due = this.#keysDue.shift()) {
      const { node, peer } = due;
      const key = known ? this.nodes.find((each) => each.id === peer)?.identity.publicKey : undefined;
      this.do(node, (trust) => trust.identityKey(peer, key, this.now));
    }
    for (const { node, peer } of this.#rotationsDue.splice(0)) {
      const rotations = known ? (this.nodes.find((each) => each.id === peer)?.rotations ?? []) : [];
      this.do(node, (trust) => trust.keyRotated(peer, rotations, this.now));
    }
  }

  /** Time passes; timers run. */
  pass(millis: number): void {
    this.now += millis;
    for (const node of this.nodes) this.do(node, (trust) => trust.handleTimeout(this.now));
    this.answerKeys();
  }

  /** Delivers everything until nothing moves. */
  flush(): void {
    for (let parcel = this.parcels.shift(); parcel !== undefined; parcel = this.parcels.shift())
      this.deliver(parcel);
  }

  /** A network without faults, for as long as repeats may take. */
  heal(millis = 4 * 3_600_000): void {
    this.registryUp = true;
    const end = this.now + millis;
    this.answerKeys();
    this.flush();
    while (this.now < end) {
      let next = end;
      for (const { trust } of this.nodes) next = Math.min(next, trust.nextTimeout() ?? end);
      this.pass(Math.max(1, next - this.now));
      this.flush();
    }
  }

  #on(node: TrustNode, output: TrustOutput): void {
    const { id } = node;
    const timestamp = Math.floor(this.wall / 1000);
    switch (output.type) {
      case 'persist':
        node.stored = output.snapshot;
        return;
      case 'event':
        node.events.push(output.event);
        return;
      case 'needRotations':
        if (this.givesRotations) this.#rotationsDue.push({ node, peer: output.peer });
        return;
      case 'rescoped':
      case 'repinned':
        return;
      case 'needKey':
        this.#keysDue.push({ node, peer: output.peer });
        return;
      case 'sendDirect':
        this.parcels.push({
          kind: 'direct',
          from: id,
          to: output.to,
          bytes: output.message,
          ref: output.ref,
          start: node.trust,
        });
        return;
      case 'dropped':
        return;
      case 'relayRequest': {
        this.calls.push({ from: id, output });
        const { target } = output;
        const to =
          'node' in target ? target.node : this.nodes.find((each) => each.hostname === target.hostname)?.id;
        if (this.registryUp && to !== undefined) {
          this.#store({
            kind: 'request',
            from: id,
            to,
            accept: false,
            justification: output.justification,
            message: output.message,
            timestamp,
          });
        }
        this.#registryDone(node, 'relayRequest', output.requestId);
        return;
      }
      case 'relayRespond':
        this.calls.push({ from: id, output });
        if (this.registryUp) {
          this.#store({
            kind: 'response',
            from: id,
            to: output.to,
            accept: output.accept,
            justification: '',
            message: output.message,
            timestamp,
          });
        }
        this.#registryDone(node, 'relayRespond', output.to);
        return;
      case 'reportTrust':
        this.calls.push({ from: id, output });
        this.#registryDone(node, 'reportTrust', output.peer);
        return;
      case 'revokeTrust':
        this.calls.push({ from: id, output });
        if (this.registryUp && output.message !== '') {
          this.#store({
            kind: 'revocation',
            from: id,
            to: output.peer,
            accept: false,
            justification: '',
            message: output.message,
            timestamp,
          });
        }
        this.#registryDone(node, 'revokeTrust', output.peer);
        return;
      default:
        output satisfies never;
    }
  }

  #store(parcel: Parcel): void {
    this.parcels.push(parcel);
  }

  #registryDone(
    node: TrustNode,
    call: 'relayRequest' | 'relayRespond' | 'reportTrust' | 'revokeTrust',
    subject: NodeId | string,
  ): void {
    node.trust.registryDone(call, subject, this.registryUp, this.now);
  }
}

/** What an old peer sends: seven members, a signature over the two ids. */
export function legacyMessage(
  from: TrustNode,
  to: NodeId,
  fields: Partial<HandshakeMessage> & Pick<HandshakeMessage, 'type'>,
  wall: number,
): Uint8Array {
  return encodeHandshake({
    node_id: from.id,
    public_key: encodeBase64(from.identity.publicKey),
    justification: '',
    signature: encodeBase64(from.identity.sign(utf8(handshakeSignedString(from.id, to)))),
    reason: '',
    timestamp: Math.floor(wall / 1000),
    ...fields,
  });
}

/** A message of ours, made by hand; `sign` may be another identity than the sender's. */
export function signedMessage(
  from: TrustNode,
  fields: Partial<HandshakeMessage> & Pick<HandshakeMessage, 'type' | 'to'>,
  wall: number,
  sign: SigningKey = from.identity,
): Uint8Array {
  const unsigned: HandshakeMessage = {
    node_id: from.id,
    public_key: encodeBase64(from.identity.publicKey),
    justification: '',
    signature: '',
    reason: '',
    timestamp: Math.floor(wall / 1000),
    id: toHex(crypto.sha256(utf8(JSON.stringify([from.id, fields, wall]))).subarray(0, 16)),
    ...fields,
  };
  return encodeHandshake({ ...unsigned, sig: encodeBase64(sign.sign(handshakeContentBytes(unsigned))) });
}
