import { PilotError } from '../../api/errors.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import type { TrustBook } from './book.ts';
import type { Correspondence } from './correspondence.ts';
import type { RefusalReason } from './inbox.ts';
import { CLOSED_LIMIT, REQUEST_LIFETIME, TOMBSTONE_LIMIT } from './limits.ts';
import { type Claim, newId } from './messages.ts';
import { ALL_TERMS, type Terms } from './terms.ts';
import type {
  ApprovedBy,
  OutgoingRequest,
  PendingRequest,
  TrustEvent,
  TrustOutput,
  TrustRecord,
} from './types.ts';

/** What new trust rests on. Id and messages are empty with old peers. */
type Basis =
  | {
      readonly by: 'approval' | 'mutual' | 'auto_approve';
      readonly requestId: string;
      readonly request: string;
    }
  | { readonly by: 'accept'; readonly requestId: string; readonly request: string; readonly accept: string };

export interface DecisionsOptions {
  readonly book: TrustBook;
  readonly correspondence: Correspondence;
  readonly random: Random;
  readonly autoApprove: boolean;
  readonly wall: (now: Instant) => UnixMillis;
  readonly emit: (output: TrustOutput) => void;
}

/** The rules by which trust begins and ends: what each verified message and each wish of the user changes. */
export class Decisions {
  readonly #book: TrustBook;
  readonly #correspondence: Correspondence;
  readonly #random: Random;
  readonly #autoApprove: boolean;
  readonly #wall: (now: Instant) => UnixMillis;
  readonly #emit: (output: TrustOutput) => void;
  readonly #refusals = new Map<RefusalReason, number>();
  /** Ids of our requests and revocations that are over: a second copy of their answer is no surprise. */
  readonly #closed = new Set<string>();

  constructor(options: DecisionsOptions) {
    this.#book = options.book;
    this.#correspondence = options.correspondence;
    this.#random = options.random;
    this.#autoApprove = options.autoApprove;
    this.#wall = options.wall;
    this.#emit = options.emit;
  }

  /** Messages refused since the start, by reason. */
  refusals(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refusals);
  }

  onRequest(claim: Claim, key: Uint8Array, now: Instant): void {
    const { from, id, justification } = claim;
    const { registers } = this.#book;
    if (this.#isStaleYes(claim)) {
      this.#onStaleRequest(claim, now);
      return;
    }
    const missedRevocation = claim.replyTo !== '' && claim.replyTo !== registers.heardRevoke(from);
    if (missedRevocation) {
      registers.heardNo(from, claim.timestamp, claim.replyTo);
      this.#revokedByPeer(from, '', now, true);
      this.#correspondence.acknowledge(from, claim.replyTo, now);
    }
    if (claim.signed) registers.heardYes(from, claim.timestamp);
    const pending: PendingRequest = {
      node: from,
      publicKey: key,
      justification,
      receivedAt: this.#wall(now),
      requestId: id,
      message: claim.text,
      terms: ALL_TERMS,
      change: false,
      certifies: false,
    };
    const answered = id === '' ? undefined : this.#book.answer(from, id);
    const known = this.#book.pendingOf(from);
    const isRepeated = known?.requestId === id && known.justification === justification;
    if (!isRepeated && answered === undefined)
      this.#event({ name: 'handshake.received', peer: from, justification });
    if (this.#isTrusted(from)) {
      this.answer(from, id, 'accepted', '', now);
    } else if (answered !== undefined && (answered.answer === 'rejected' || answered.answer === 'revoked')) {
      const reason = answered.answer === 'revoked' ? 'trust revoked' : answered.reason;
      this.answer(from, id, answered.answer, reason, now);
    } else if (this.#book.outgoingTo(from) !== undefined && !missedRevocation) {
      // After a withdrawal we did not hear of, our own question may be the one that was withdrawn: our user decides.
      this.approvePending(pending, 'mutual', now);
    } else if (this.#autoApprove) {
      this.approvePending(pending, 'auto_approve', now);
    } else if (!isRepeated) {
      if (known !== undefined) this.#remember(known, 'replaced', now);
      this.#book.setPending(pending);
      this.#event({ name: 'handshake.pending', peer: from, justification });
    }
  }

  /** A question that a newer statement of its asker overtook. Only an answer makes its asker drop it. */
  #onStaleRequest({ from, id, signed }: Claim, now: Instant): void {
    this.refuse(from, 'stale');
    if (!signed) return;
    if (this.#isTrusted(from)) this.answer(from, id, 'accepted', '', now);
    else if (this.#book.pendingOf(from) === undefined)
      this.answer(from, id, 'revoked', 'overtaken by a withdrawal: ask again', now);
  }

  onAccept(claim: Claim, key: Uint8Array, now: Instant): void {
    const { from, replyTo } = claim;
    let request = this.#answeredRequest(claim);
    if (request !== undefined && this.#isWithdrawn(request, from)) {
      this.#close(request);
      request = undefined;
    }
    if (request === undefined) {
      if (this.#isTrusted(from)) return;
      this.refuse(from, 'unsolicited');
      if (claim.signed && !this.#isStaleYes(claim)) this.#contradict(from, replyTo, now);
      return;
    }
    const tombstone = this.#book.tombstone(from);
    const isOlderThanRequest = tombstone !== undefined && claim.timestamp * 1000 < request.createdAt;
    if (this.#isStaleYes(claim) || (!claim.signed && isOlderThanRequest)) {
      this.refuse(from, 'stale');
      return;
    }
    if (claim.signed) this.#book.registers.heardYes(from, claim.timestamp);
    if (this.#isTrusted(from)) {
      this.#close(request);
      return;
    }
    const { requestId, message } = request;
    if (this.#establish(from, key, { by: 'accept', requestId, request: message, accept: claim.text }, now)) {
      this.#close(request);
    }
  }

  onReject(claim: Claim): void {
    const { from, replyTo, reason } = claim;
    if (replyTo !== '' && this.#book.tombstone(from)?.revokeId === replyTo) {
      this.#correspondence.revocationHeard(from);
      return;
    }
    const request = this.#answeredRequest(claim);
    if (request === undefined) {
      if (!this.#closed.has(replyTo)) this.refuse(from, 'unsolicited');
      return;
    }
    this.#close(request);
    if (!this.#isTrusted(from)) this.#event({ name: 'handshake.rejected', peer: from, reason });
  }

  onRevoke(claim: Claim, now: Instant): void {
    const { from, id, replyTo, timestamp } = claim;
    const { registers } = this.#book;
    if (!claim.signed) {
      const record = this.#book.record(from);
      if (claim.message !== undefined) {
        this.#revokedByPeer(from, this.#book.outgoingTo(from)?.requestId ?? '', now, false);
      } else if (record?.proof !== undefined) {
        // A registry alone can't end what two signatures made.
        this.refuse(from, 'unsigned');
      } else if (record !== undefined) {
        this.#revokedByPeer(from, '', now, false);
      }
      return;
    }
    const isRepeated = id === registers.heardRevoke(from);
    if (!isRepeated && registers.isStaleNo(from, timestamp)) {
      this.refuse(from, 'stale');
      return;
    }
    if (!isRepeated) {
      registers.heardNo(from, timestamp, id);
      this.#book.markChanged();
      this.#revokedByPeer(from, replyTo, now, true);
    }
    this.#correspondence.acknowledge(from, id, now);
  }

  /** Our user withdraws trust in the peer, or a question to it. False when there is neither. */
  withdraw(node: NodeId, now: Instant): boolean {
    const record = this.#book.record(node);
    const open = this.#book.outgoingTo(node);
    if (record === undefined && open === undefined) return false;
    const requestId = record === undefined ? open?.requestId : record.requestId;
    this.#dropPending(node, 'revoked', now);
    this.#book.withdrawAnswers(node);
    if (requestId !== undefined) this.#remember({ node, requestId }, 'revoked', now);
    this.#endTrust(node);
    this.#closeRequestsTo(node);
    this.#event({ name: 'trust.revoked', peer: node });
    this.#tellRevocation(node, requestId, now, { tellRegistry: true });
    return true;
  }

  /** The live request of ours that this answers. Old peers can't name it: for them there is one per peer. */
  #answeredRequest(claim: Claim): OutgoingRequest | undefined {
    if (!claim.signed) return this.#book.outgoingTo(claim.from);
    const request = this.#book.outgoingBy(claim.replyTo);
    return request?.node === undefined || request.node === claim.from ? request : undefined;
  }

  /** A question by hostname turns out to concern a peer that our user turned away from after asking. */
  #isWithdrawn(request: OutgoingRequest, from: NodeId): boolean {
    const withdrawnAt = this.#book.tombstone(from)?.statedAt;
    return request.node === undefined && withdrawnAt !== undefined && (request.statedAt ?? 0) < withdrawnAt;
  }

  /** Whether the peer withdrew after saying this. */
  #isStaleYes(claim: Claim): boolean {
    if (claim.signed) return this.#book.registers.isStaleYes(claim.from, claim.timestamp, claim.replyTo);
    const tombstone = this.#book.tombstone(claim.from);
    return tombstone !== undefined && claim.timestamp * 1000 <= tombstone.revokedAt;
  }

  approvePending(pending: PendingRequest, by: 'approval' | 'mutual' | 'auto_approve', now: Instant): boolean {
    const { node, publicKey, requestId, message } = pending;
    if (!this.#establish(node, publicKey, { by, requestId, request: message }, now)) return false;
    this.answer(node, requestId, 'accepted', '', now);
    return true;
  }

  #establish(node: NodeId, publicKey: Uint8Array, basis: Basis, now: Instant): boolean {
    if (!this.#book.hasRoomForTrust()) {
      this.refuse(node, 'too_many_trusted');
      return false;
    }
    const wall = this.#wall(now);
    const tombstone = this.#book.tombstone(node);
    if (tombstone?.revokeId !== undefined) this.#rememberClosed(tombstone.revokeId);
    this.#book.deleteTombstone(node);
    this.#dropPending(node, 'replaced', now);
    this.#correspondence.cancel(node, 'revoke', 'reject');
    if (basis.by !== 'accept') this.#book.registers.newStatement(node, Math.floor(wall / 1000));
    const proof = this.#proof(node, basis, wall);
    this.#book.setRecord({
      node,
      publicKey,
      approvedAt: wall,
      mutual: basis.by === 'accept' || basis.by === 'mutual',
      reported: false,
      terms: ALL_TERMS,
      peerTerms: ALL_TERMS,
      serial: 0,
      approvedBy: 'user' satisfies ApprovedBy,
      ...(proof && { proof, requestId: basis.requestId }),
    });
    this.#closeRequestsTo(node);
    if (basis.by === 'approval') this.#event({ name: 'handshake.approved', peer: node });
    else if (basis.by !== 'accept')
      this.#event({ name: 'handshake.auto_approved', peer: node, reason: basis.by });
    this.#event({ name: 'trust.established', peer: node });
    this.#correspondence.report(node, now);
    this.#correspondence.run(now);
    return true;
  }

  #proof(node: NodeId, basis: Basis, wall: UnixMillis): TrustRecord['proof'] {
    if (basis.by === 'accept')
      return basis.accept === '' ? undefined : { request: basis.request, accept: basis.accept };
    if (basis.request === '') return undefined;
    return {
      request: basis.request,
      accept: this.#correspondence.composeAccept(node, basis.requestId, wall),
    };
  }

  /**
   * The peer's withdrawal takes our consent with it: it was given to what the peer wanted before. Peers of ours are
   * told so, because a question of ours may still be on its way to them.
   */
  #revokedByPeer(peer: NodeId, requestId: string, now: Instant, tellPeer: boolean): void {
    const wasTrusted = this.#endTrust(peer);
    this.#book.deletePending(peer);
    const request = this.#book.outgoingBy(requestId);
    if (request?.node === peer) this.#close(request);
    if (!wasTrusted) return;
    this.#event({ name: 'trust.revoked_by_peer', peer });
    const wall = this.#wall(now);
    if (tellPeer) {
      this.#tellRevocation(peer, undefined, now, { tellRegistry: true });
      return;
    }
    const tombstone = { node: peer, revokedAt: wall, tellPeer, tellRegistry: true, serial: 0 };
    this.#book.setTombstone(tombstone);
    this.#correspondence.revoke(tombstone, now);
  }

  /** Tells a peer that believes in a trust we don't have. */
  #contradict(peer: NodeId, requestId: string, now: Instant): void {
    if (this.#book.outgoingTo(peer) !== undefined || this.#book.pendingOf(peer) !== undefined) return;
    const tombstone = this.#book.tombstone(peer);
    if (tombstone?.revokeId !== undefined && tombstone.tellPeer) return;
    // Strangers may not push out what our user decided.
    if (tombstone === undefined && this.#book.tombstones().length >= TOMBSTONE_LIMIT / 2) return;
    this.#tellRevocation(peer, requestId, now, {
      tellRegistry: tombstone?.tellRegistry ?? false,
    });
  }

  #tellRevocation(
    node: NodeId,
    requestId: string | undefined,
    now: Instant,
    { tellRegistry }: { tellRegistry: boolean },
  ): void {
    const wall = this.#wall(now);
    const tombstone = {
      node,
      revokedAt: wall,
      tellPeer: true,
      tellRegistry,
      revokeId: newId(this.#random),
      statedAt: this.#book.registers.newStatement(node, Math.floor(wall / 1000)),
      ...(requestId !== undefined && { requestId }),
      serial: 0,
    };
    this.#book.setTombstone(tombstone);
    this.#correspondence.revoke(tombstone, now);
  }

  #endTrust(node: NodeId): boolean {
    this.#correspondence.cancel(node, 'accept', 'reject', 'report');
    if (!this.#book.deleteRecord(node)) return false;
    this.#emit({ type: 'dropped', peer: node });
    return true;
  }

  /** The peer's question is not open any more, without a message that says so. */
  #dropPending(node: NodeId, answer: 'replaced' | 'revoked', now: Instant): void {
    const pending = this.#book.pendingOf(node);
    if (pending !== undefined) this.#remember(pending, answer, now);
    this.#book.deletePending(node);
  }

  #remember(
    { node, requestId }: Pick<PendingRequest, 'node' | 'requestId'>,
    answer: 'replaced' | 'revoked',
    now: Instant,
  ): void {
    if (requestId === '') return;
    this.#book.setAnswer({ node, requestId, answer, reason: '', at: this.#wall(now), told: true });
  }

  answer(
    node: NodeId,
    requestId: string,
    answer: 'accepted' | 'rejected' | 'revoked',
    reason: string,
    now: Instant,
  ): void {
    const known = this.#book.answer(node, requestId);
    const told = answer === 'revoked';
    const record = { node, requestId, answer, reason, at: this.#wall(now), told };
    if (known?.answer !== answer || requestId === '') this.#book.setAnswer(record);
    this.#correspondence.answer(record, now);
  }

  newRequest(
    node: NodeId | undefined,
    hostname: string | undefined,
    justification: string,
    terms: Terms,
    wall: UnixMillis,
  ): OutgoingRequest {
    const requestId = newId(this.#random);
    const question = { requestId, node, hostname, justification, terms };
    const composed = this.#correspondence.composeRequest(question, wall);
    if (composed === undefined) {
      throw new PilotError('too_large', 'Cannot ask for trust: the justification is too long');
    }
    const request = { ...question, ...composed, createdAt: wall, expiresAt: wall + REQUEST_LIFETIME };
    this.#book.setOutgoing(request);
    // From here on the request itself carries the withdrawal to the peer.
    if (node !== undefined) this.#correspondence.leaveRevocationToRequest(node);
    return request;
  }

  #closeRequestsTo(node: NodeId): void {
    for (const request of this.#book.outgoing()) if (request.node === node) this.#close(request);
  }

  #close(request: OutgoingRequest): void {
    this.#book.deleteOutgoing(request.requestId);
    this.#correspondence.cancelRequest(request.requestId);
    this.#rememberClosed(request.requestId);
  }

  #rememberClosed(id: string): void {
    if (this.#closed.size >= CLOSED_LIMIT) this.#closed.delete(this.#closed.keys().next().value!);
    this.#closed.add(id);
  }

  refuse(peer: NodeId, reason: RefusalReason): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
    this.#event({ name: 'trust.refused_message', peer, reason });
  }

  #isTrusted(node: NodeId): boolean {
    return this.#book.record(node) !== undefined;
  }

  #event(event: TrustEvent): void {
    this.#emit({ type: 'event', event });
  }
}
