import { fromUtf8 } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import { HANDSHAKE_LIMIT } from '../../wire/handshake.ts';
import type { TrustBook } from './book.ts';
import { certificateMember, completedOf } from './certificates.ts';
import { type Departure, type Errand, type ErrandKind, Errands, type Leg } from './errands.ts';
import { DIRECT_LIMIT, REGISTRY_SPREAD } from './limits.ts';
import { composeMessage, FEATURES, type Letter, newId } from './messages.ts';
import { termsMembers } from './terms.ts';
import type { OutgoingRequest, RequestAnswer, TrustOutput, TrustTombstone } from './types.ts';

const BOTH: readonly Leg[] = ['direct', 'relay'];
/** Room for the digits of a later node id and time. */
const COMPOSE_MARGIN = 64;

/** Deliveries of a revocation after which a peer that never confirms counts as an old one. Chosen. */
const UNCONFIRMED_DELIVERIES = 3;

/** Results the registry can report, and the errands each may belong to. */
const ERRANDS_OF = {
  reportTrust: ['report'],
  revokeTrust: ['revoke'],
  relayRespond: ['accept', 'confirm', 'reject', 'acknowledge'],
  relayRequest: ['request'],
} as const satisfies Record<string, readonly ErrandKind[]>;

export type RegistryCall = keyof typeof ERRANDS_OF;

type Question = Pick<OutgoingRequest, 'requestId' | 'node' | 'hostname' | 'justification' | 'terms'>;

export interface CorrespondenceOptions {
  readonly book: TrustBook;
  readonly identity: SigningKey;
  readonly random: Random;
  readonly wall: (now: Instant) => UnixMillis;
  readonly emit: (output: TrustOutput) => void;
}

/**
 * What we tell peers and the registry: composes, signs, sends by both ways and repeats. Every sending states what
 * holds at that moment, with the time of that moment, because old peers refuse messages older than five minutes.
 */
export class Correspondence {
  readonly #book: TrustBook;
  #identity: SigningKey;
  readonly #random: Random;
  readonly #wall: (now: Instant) => UnixMillis;
  readonly #emit: (output: TrustOutput) => void;
  readonly #errands: Errands;
  #node: NodeId = 0;

  constructor(options: CorrespondenceOptions) {
    this.#book = options.book;
    this.#identity = options.identity;
    this.#random = options.random;
    this.#wall = options.wall;
    this.#emit = options.emit;
    this.#errands = new Errands(options.random.fork('errands'));
  }

  setNode(node: NodeId): void {
    this.#node = node;
  }

  setIdentity(identity: SigningKey): void {
    this.#identity = identity;
  }

  /** Takes up what was unfinished when the book was last written. */
  resume(): void {
    const start = 0;
    for (const request of this.#book.outgoing()) this.#startRequest(request, start, true);
    for (const { node, reported, draft } of this.#book.records()) {
      if (reported !== true && draft === undefined) this.report(node, start);
    }
    for (const tombstone of this.#book.tombstones()) this.#startRevoke(tombstone, start);
    for (const answer of this.#book.answers()) {
      if (answer.told || answer.answer === 'revoked') continue;
      const record = this.#book.record(answer.node);
      if (answer.answer === 'accepted' && record === undefined) continue;
      if (answer.answer === 'accepted' && record?.certificate !== undefined && record.draft === undefined)
        continue;
      this.#startAnswer(answer, start);
    }
  }

  /** The first, signed form of a request, and its time; undefined when it is too long to be sent by any way. */
  composeRequest(
    request: Question,
    wall: UnixMillis,
  ): { readonly message: string; readonly statedAt: number } | undefined {
    const { registers } = this.#book;
    const seconds = Math.floor(wall / 1000);
    const statedAt =
      request.node === undefined
        ? registers.newStatementToUnknown(seconds)
        : registers.newStatement(request.node, seconds);
    try {
      const bytes = this.#composeRequest(request, statedAt);
      if (bytes.length > HANDSHAKE_LIMIT - COMPOSE_MARGIN) return undefined;
      return { message: fromUtf8(bytes), statedAt };
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** Our signed answer to a request, as evidence. */
  composeAccept(peer: NodeId, requestId: string, wall: UnixMillis): string {
    const errand: Errand = { kind: 'accept', peer, requestId, reason: '' };
    return fromUtf8(
      composeMessage(this.#identity, this.#node, this.#letter(errand, peer, Math.floor(wall / 1000))),
    );
  }

  request(request: OutgoingRequest, again: boolean, now: Instant): void {
    this.#startRequest(request, now, again);
    this.run(now);
  }

  answer(answer: RequestAnswer, now: Instant): void {
    this.#startAnswer(answer, now);
    this.run(now);
  }

  /** Returns the certificate with our signature to the peer whose accept brought it. */
  confirm(peer: NodeId, acceptId: string, now: Instant): void {
    this.#errands.start({ kind: 'confirm', peer, requestId: acceptId, reason: '' }, BOTH, now);
    this.run(now);
  }

  /** Tells the registry our half of the trust. */
  report(peer: NodeId, now: Instant): void {
    this.#errands.start({ kind: 'report', peer, requestId: '', reason: '' }, ['relay'], now);
  }

  revoke(tombstone: TrustTombstone, now: Instant): void {
    this.#startRevoke(tombstone, now);
    this.run(now);
  }

  /** Tells the peer that its revocation was heard. */
  acknowledge(peer: NodeId, revokeId: string, now: Instant): void {
    const errand: Errand = { kind: 'acknowledge', peer, requestId: revokeId, reason: 'revocation heard' };
    this.#errands.start(errand, BOTH, now);
    this.run(now);
  }

  /** The peer acknowledged our revocation. */
  revocationHeard(peer: NodeId): void {
    this.#tombstoneTold(peer, 'tellPeer');
    this.#errands.legDone(`revoke:${peer}`, 'direct');
  }

  /** From now on a request carries the withdrawal to the peer: a direct message could overtake it. */
  leaveRevocationToRequest(peer: NodeId): void {
    this.#errands.legDone(`revoke:${peer}`, 'direct');
  }

  cancel(peer: NodeId, ...kinds: readonly ErrandKind[]): void {
    for (const kind of kinds) this.#errands.cancel(`${kind}:${peer}`);
  }

  cancelRequest(requestId: string): void {
    this.#errands.cancel(`request:${requestId}`);
  }

  directSettled(ref: number, ok: boolean, now: Instant): void {
    const errand = this.#errands.errandOf(ref);
    if (errand === undefined) return;
    const counts = ok && (errand.kind !== 'revoke' || this.#isDeliveryEnough(errand, ref));
    this.#finish(this.#errands.directSettled(ref, counts, now));
    if (counts && errand.kind === 'revoke' && errand.peer !== undefined)
      this.#tombstoneTold(errand.peer, 'tellPeer');
    this.run(now);
  }

  registryDone(call: RegistryCall, subject: NodeId | string, ok: boolean, now: Instant): void {
    for (const kind of ERRANDS_OF[call]) {
      if (ok && kind === 'revoke' && typeof subject === 'number')
        this.#tombstoneTold(subject, 'tellRegistry');
      this.#finish(this.#errands.relaySettled(`${kind}:${subject}`, ok));
      if (ok && kind === 'revoke' && typeof subject === 'number') this.#errands.withdrawn(subject, now);
    }
    this.run(now);
  }

  /** The registry can be reached again. Many nodes notice at once, so each waits for a moment of its own. */
  registryBack(now: Instant): void {
    this.#errands.hasten('relay', undefined, now, REGISTRY_SPREAD);
    this.run(now);
  }

  /** A tunnel to the peer stands. */
  peerBack(peer: NodeId, now: Instant): void {
    this.#errands.hasten('direct', peer, now, 0);
    this.run(now);
  }

  /** Sends everything that is due. */
  run(now: Instant): void {
    if (this.#node === 0) return;
    const { departures, expired } = this.#errands.due(now);
    for (const errand of expired) {
      if (errand.kind !== 'revoke' || errand.peer === undefined) continue;
      this.#tombstoneTold(errand.peer, 'tellPeer');
      this.#tombstoneTold(errand.peer, 'tellRegistry');
    }
    for (const departure of departures) this.#send(departure, now);
    // A message too long for the direct way makes its relay due at once.
    if (departures.length > 0 && (this.#errands.nextTimeout() ?? Number.POSITIVE_INFINITY) <= now)
      this.run(now);
  }

  nextTimeout(): Instant | undefined {
    return this.#node === 0 ? undefined : this.#errands.nextTimeout();
  }

  #startRequest(request: OutgoingRequest, now: Instant, again: boolean): void {
    const errand: Errand = { kind: 'request', peer: request.node, requestId: request.requestId, reason: '' };
    this.#errands.start(errand, request.node === undefined ? ['relay'] : BOTH, now, again);
  }

  #startAnswer({ node: peer, requestId, answer, reason }: RequestAnswer, now: Instant): void {
    const kind = answer === 'accepted' ? 'accept' : 'reject';
    // A certificate that lacks the peer's signature is sent until that comes.
    const lasting = kind === 'accept' && this.#book.record(peer)?.draft !== undefined;
    this.#errands.start({ kind, peer, requestId, reason, lasting }, BOTH, now);
  }

  #startRevoke(tombstone: TrustTombstone, now: Instant): void {
    const legs: Leg[] = [];
    if (tombstone.tellPeer) legs.push('direct');
    if (tombstone.tellRegistry) legs.push('relay');
    const { node, requestId } = tombstone;
    if (legs.length > 0)
      this.#errands.start({ kind: 'revoke', peer: node, requestId: requestId ?? '', reason: '' }, legs, now);
  }

  #send(departure: Departure, now: Instant): void {
    const { errand, leg } = departure;
    const wallSeconds = Math.floor(this.#wall(now) / 1000);
    if (errand.peer === undefined || errand.kind === 'request') {
      this.#sendRequest(departure, wallSeconds, now);
      return;
    }
    const peer = errand.peer;
    if (errand.kind === 'report') {
      this.#emit({ type: 'reportTrust', peer, certificate: this.#book.record(peer)?.certificate ?? '' });
      return;
    }
    if (errand.kind === 'revoke' && this.#book.tombstone(peer)?.revokeId === undefined) {
      // The peer withdrew: only the registry's record of our half is left to clear.
      this.#emit({ type: 'revokeTrust', peer, message: '', revocation: '' });
      return;
    }
    const bytes = composeMessage(this.#identity, this.#node, this.#letter(errand, peer, wallSeconds));
    if (leg === 'direct') this.#sendDirect(departure, peer, bytes, now);
    else if (errand.kind === 'revoke') {
      const revocation = this.#book.tombstone(peer)?.revocation ?? '';
      this.#emit({ type: 'revokeTrust', peer, message: fromUtf8(bytes), revocation });
    } else {
      this.#emit({
        type: 'relayRespond',
        to: peer,
        accept: errand.kind === 'accept' || errand.kind === 'confirm',
        message: fromUtf8(bytes),
      });
    }
  }

  #sendRequest(departure: Departure, wallSeconds: number, now: Instant): void {
    const request = this.#book.outgoingBy(departure.errand.requestId);
    if (request === undefined || request.expiresAt <= this.#wall(now)) {
      this.#book.deleteOutgoing(departure.errand.requestId);
      this.#book.rememberClosed(departure.errand.requestId);
      this.#errands.cancel(`request:${departure.errand.requestId}`);
      return;
    }
    const { node, hostname, justification, requestId } = request;
    // A question to an unknown node keeps its time, so that it never overtakes what its node was told since.
    const timestamp =
      node === undefined ? (request.statedAt ?? wallSeconds) : this.#repeatStatement(node, wallSeconds);
    const bytes = this.#composeRequest(request, timestamp);
    if (departure.leg === 'direct' && node !== undefined) this.#sendDirect(departure, node, bytes, now);
    else if (departure.leg === 'relay') {
      const target = node === undefined ? { hostname: hostname ?? '' } : { node };
      this.#emit({ type: 'relayRequest', target, justification, message: fromUtf8(bytes), requestId });
    }
  }

  #sendDirect(departure: Departure, to: NodeId, message: Uint8Array, now: Instant): void {
    const limit = this.#book.registers.certifies(to) ? HANDSHAKE_LIMIT : DIRECT_LIMIT;
    if (message.length <= limit) this.#emit({ type: 'sendDirect', to, message, ref: departure.ref });
    else this.#errands.directSettled(departure.ref, false, now);
  }

  #composeRequest(request: Question, timestamp: number): Uint8Array {
    const { requestId, node, hostname, justification, terms } = request;
    const { registers } = this.#book;
    const serial = node === undefined ? registers.highestSerial() : registers.serial(node);
    const record = node === undefined ? undefined : this.#book.record(node);
    const holds = record && completedOf(record)?.serial;
    // A request after a withdrawal cites it: a peer that missed the withdrawal learns of it here and asks its user.
    const replyTo = (node === undefined ? undefined : this.#book.tombstone(node)?.revokeId) ?? '';
    const letter: Letter = {
      type: 'handshake_request',
      to: node ?? hostname ?? '',
      id: requestId,
      replyTo,
      justification,
      reason: '',
      timestamp,
      extra: {
        features: FEATURES,
        terms: termsMembers(terms),
        ...(serial > 0 && { serial }),
        ...(holds !== undefined && { holds }),
      },
    };
    return composeMessage(this.#identity, this.#node, letter);
  }

  #letter(errand: Errand, peer: NodeId, wallSeconds: number): Letter {
    const { kind, requestId, reason } = errand;
    const common = { to: peer, replyTo: requestId, justification: '' };
    if (kind === 'revoke') {
      const tombstone = this.#book.tombstone(peer);
      const id = tombstone?.revokeId ?? newId(this.#random);
      // Once we ask again, a repeated withdrawal must not appear newer than the question.
      const timestamp =
        tombstone?.statedAt !== undefined && this.#mayAskAgain(peer, tombstone.statedAt)
          ? tombstone.statedAt
          : this.#repeatStatement(peer, wallSeconds);
      const letter = { ...common, type: 'handshake_revoke', id, reason: 'trust revoked', timestamp } as const;
      // Old peers could not take so long a message, and know no certificates.
      const isRead = tombstone?.revocation !== undefined && this.#book.registers.certifies(peer);
      return isRead ? { ...letter, extra: { revocation: JSON.parse(tombstone.revocation!) } } : letter;
    }
    const id = newId(this.#random);
    if (kind === 'accept' || kind === 'confirm') {
      const timestamp = this.#repeatStatement(peer, wallSeconds);
      const letter = { ...common, type: 'handshake_accept', id, reason: '', timestamp } as const;
      const record = this.#book.record(peer);
      const certificate = certificateMember(
        kind === 'accept' ? (record?.draft ?? record?.certificate) : record?.certificate,
      );
      if (certificate === undefined) return letter;
      // A question that this statement made needless may still be on its way.
      const asking = this.#book.outgoingTo(peer)?.requestId ?? '';
      return { ...letter, extra: { features: FEATURES, certificate, asking } };
    }
    return { ...common, type: 'handshake_reject', id, reason, timestamp: wallSeconds };
  }

  /** An open question goes to this peer, or to a hostname that may turn out to be this peer's. */
  #mayAskAgain(peer: NodeId, since: number): boolean {
    if (this.#book.outgoingTo(peer) !== undefined) return true;
    return this.#book.outgoing().some(({ node, statedAt }) => node === undefined && (statedAt ?? 0) > since);
  }

  /** Kept, because after a restart with a clock set back the next statement must still be later. */
  #repeatStatement(peer: NodeId, wallSeconds: number): number {
    this.#book.markChanged();
    return this.#book.registers.repeatStatement(peer, wallSeconds);
  }

  /** Our peers confirm a revocation with a message of their own; of old ones delivery is all there will ever be. */
  #isDeliveryEnough(errand: Errand, ref: number): boolean {
    return errand.requestId === '' || this.#errands.countDelivery(ref) >= UNCONFIRMED_DELIVERIES;
  }

  #tombstoneTold(peer: NodeId, what: 'tellPeer' | 'tellRegistry'): void {
    const tombstone = this.#book.tombstone(peer);
    if (tombstone?.[what]) this.#book.setTombstone({ ...tombstone, [what]: false });
  }

  #finish(errand: Errand | undefined): void {
    if (errand?.peer === undefined) return;
    if (errand.kind === 'report') {
      const record = this.#book.record(errand.peer);
      if (record !== undefined) this.#book.setRecord({ ...record, reported: true });
    } else if (errand.kind === 'accept' || errand.kind === 'reject') {
      const answer = this.#book.answer(errand.peer, errand.requestId);
      if (answer !== undefined) this.#book.setAnswer({ ...answer, told: true });
    }
  }
}
