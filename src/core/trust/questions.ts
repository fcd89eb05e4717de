import { PilotError } from '../../api/errors.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import type { TrustBook } from './book.ts';
import type { Correspondence } from './correspondence.ts';
import { REQUEST_LIFETIME } from './limits.ts';
import { type Claim, newId } from './messages.ts';
import type { Terms } from './terms.ts';
import type { OutgoingRequest, PendingRequest } from './types.ts';

/** Whom a question goes to: a node, or whoever has a name; with a fingerprint, only the holder of its key. */
export type Asked = Pick<OutgoingRequest, 'node' | 'hostname' | 'fingerprint'>;

/** The questions that are open between us and peers, and the answers to them. */
export class Questions {
  readonly #book: TrustBook;
  readonly #correspondence: Correspondence;
  readonly #random: Random;
  readonly #wall: (now: Instant) => UnixMillis;

  constructor(parts: {
    book: TrustBook;
    correspondence: Correspondence;
    random: Random;
    wall: (now: Instant) => UnixMillis;
  }) {
    this.#book = parts.book;
    this.#correspondence = parts.correspondence;
    this.#random = parts.random;
    this.#wall = parts.wall;
  }

  /** Throws PilotError `too_large`. */
  ask(asked: Asked, justification: string, terms: Terms, wall: UnixMillis): OutgoingRequest {
    const requestId = newId(this.#random);
    const { node } = asked;
    const question = { requestId, ...asked, justification, terms };
    const composed = this.#correspondence.composeRequest(question, wall);
    if (composed === undefined) {
      throw new PilotError(
        'too_large',
        'Cannot ask for trust: justification and ports are too long together',
      );
    }
    const request = { ...question, ...composed, createdAt: wall, expiresAt: wall + REQUEST_LIFETIME };
    this.#book.setOutgoing(request);
    // From here on the request itself carries the withdrawal to the peer.
    if (node !== undefined) this.#correspondence.leaveRevocationToRequest(node);
    return request;
  }

  /** The live request of ours that this answers. Old peers can't name it: for them there is one per peer. */
  answeredBy(claim: Claim): OutgoingRequest | undefined {
    if (!claim.signed) return this.#book.outgoingTo(claim.from);
    const request = this.#book.outgoingBy(claim.replyTo);
    return request?.node === undefined || request.node === claim.from ? request : undefined;
  }

  /** A question by hostname turns out to concern a peer that our user turned away from, or asked anew, after asking. */
  isWithdrawn(request: OutgoingRequest, from: NodeId): boolean {
    if (request.node !== undefined) return false;
    const statedAt = request.statedAt ?? 0;
    // Asked again by id since, perhaps for less.
    if ((this.#book.outgoingTo(from)?.statedAt ?? 0) > statedAt) return true;
    return (
      this.#book.registers.isVoid(from, statedAt) || statedAt < (this.#book.tombstone(from)?.statedAt ?? 0)
    );
  }

  closeAllTo(node: NodeId): void {
    for (const request of this.#book.outgoing()) if (request.node === node) this.close(request);
  }

  close(request: OutgoingRequest): void {
    this.#book.deleteOutgoing(request.requestId);
    this.#correspondence.cancelRequest(request.requestId);
    this.#book.rememberClosed(request.requestId);
  }

  /** It came to nothing; what our user asked the same node before it, perhaps by name and for more, is over with it. */
  fail(request: OutgoingRequest): void {
    this.close(request);
    if (request.node !== undefined) this.#book.registers.voidOwn(request.node, request.statedAt ?? 0);
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

  /** The peer's question is not open any more, without a message that says so. */
  dropPending(node: NodeId, answer: 'replaced' | 'revoked', now: Instant): void {
    const pending = this.#book.pendingOf(node);
    if (pending !== undefined) this.remember(pending, answer, now);
    this.#book.deletePending(node);
  }

  remember(
    { node, requestId }: Pick<PendingRequest, 'node' | 'requestId'>,
    answer: 'replaced' | 'revoked',
    now: Instant,
  ): void {
    if (requestId === '') return;
    this.#book.setAnswer({ node, requestId, answer, reason: '', at: this.#wall(now), told: true });
  }
}
