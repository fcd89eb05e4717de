import type { Random } from '../../base/random.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import { encodeTrustRevocation, type TrustRevocation } from '../../wire/trust-revocation.ts';
import type { TrustBook } from './book.ts';
import type { Certificates } from './certificates.ts';
import type { Correspondence } from './correspondence.ts';
import { TOMBSTONE_LIMIT } from './limits.ts';
import { newId } from './messages.ts';
import type { Questions } from './questions.ts';
import type { TrustOutput, TrustRecord, TrustTombstone } from './types.ts';

export interface EndingsOptions {
  readonly book: TrustBook;
  readonly correspondence: Correspondence;
  readonly questions: Questions;
  readonly certificates: Certificates;
  readonly random: Random;
  readonly wall: (now: Instant) => UnixMillis;
  readonly emit: (output: TrustOutput) => void;
}

/** How trust ends: by our user, by the peer, by its time. */
export class Endings {
  readonly #book: TrustBook;
  readonly #correspondence: Correspondence;
  readonly #questions: Questions;
  readonly #certificates: Certificates;
  readonly #random: Random;
  readonly #wall: (now: Instant) => UnixMillis;
  readonly #emit: (output: TrustOutput) => void;

  constructor(options: EndingsOptions) {
    this.#book = options.book;
    this.#correspondence = options.correspondence;
    this.#questions = options.questions;
    this.#certificates = options.certificates;
    this.#random = options.random;
    this.#wall = options.wall;
    this.#emit = options.emit;
  }

  /** Our user withdraws trust in the peer, or a question to it. False when there is neither. */
  withdraw(node: NodeId, reason: string, now: Instant): boolean {
    const record = this.#book.record(node);
    const open = this.#book.outgoingTo(node);
    if (record === undefined && open === undefined) return false;
    this.#takeBack(node, record?.requestId ?? open?.requestId, reason, now);
    this.#emit({ type: 'event', event: { name: 'trust.revoked', peer: node } });
    return true;
  }

  /** What we asked or granted counts no more, and the peer is told. */
  #takeBack(node: NodeId, requestId: string | undefined, reason: string, now: Instant): void {
    this.#questions.dropPending(node, 'revoked', now);
    this.#book.withdrawAnswers(node);
    if (requestId !== undefined) this.#questions.remember({ node, requestId }, 'revoked', now);
    this.#endTrust(node);
    this.#questions.closeAllTo(node);
    this.#tellRevocation(node, requestId, reason, now, { tellRegistry: true });
  }

  /** Asking with other words: the question before is taken back first, so that nobody can answer it any more. */
  replaceQuestion(node: NodeId, now: Instant): void {
    const open = this.#book.outgoingTo(node);
    if (open !== undefined) this.#takeBack(node, open.requestId, 'asked anew', now);
  }

  /**
   * The time of a trust is over. With a certificate that says so both sides know, and everything they said before is
   * void; else the peer has to be told.
   */
  expire(record: TrustRecord, now: Instant): void {
    const { node } = record;
    const wall = this.#wall(now);
    const end = this.#certificates.inForce(record)?.notAfter;
    this.#emit({ type: 'event', event: { name: 'trust.expired', peer: node } });
    // A certificate the peer has not signed may never have reached it, and a question of ours may still be on its way.
    const isOpen = record.draft !== undefined || this.#book.outgoingTo(node) !== undefined;
    if (end === undefined || end * 1000 > wall || isOpen) {
      this.#takeBack(node, record.requestId, 'expired', now);
      return;
    }
    this.#questions.dropPending(node, 'revoked', now);
    this.#book.withdrawAnswers(node);
    this.#endTrust(node);
    this.#questions.closeAllTo(node);
    this.#book.registers.close(node, end);
    this.#book.markChanged();
  }

  /**
   * The peer's withdrawal takes our consent with it: it was given to what the peer wanted before. Peers of ours are
   * told so, because a question of ours may still be on its way to them.
   */
  revokedByPeer(
    peer: NodeId,
    requestId: string,
    now: Instant,
    tellPeer: boolean,
    revocation?: TrustRevocation | undefined,
  ): void {
    if (revocation !== undefined) this.#book.registers.usedSerial(peer, revocation.serial);
    const wasTrusted = this.#endTrust(peer);
    // Or an answer that is still on its way, to a question that is over, would speak for the next one.
    this.#book.withdrawAnswers(peer);
    this.#book.deletePending(peer);
    const request = this.#book.outgoingBy(requestId);
    if (request?.node === peer) this.#questions.close(request);
    if (!wasTrusted) return;
    // A question for other terms of the trust that is over now.
    this.#questions.closeAllTo(peer);
    this.#emit({ type: 'event', event: { name: 'trust.revoked_by_peer', peer } });
    const proof = revocation && encodeTrustRevocation(revocation);
    if (tellPeer) {
      this.#tellRevocation(peer, undefined, 'withdrawn by the peer', now, { tellRegistry: true }, proof);
      return;
    }
    const tombstone: TrustTombstone = {
      node: peer,
      revokedAt: this.#wall(now),
      tellPeer,
      tellRegistry: true,
      serial: this.#book.registers.serial(peer),
      ...(proof !== undefined && { peerRevocation: proof }),
    };
    this.#book.setTombstone(tombstone);
    this.#correspondence.revoke(tombstone, now);
  }

  /** Tells a peer that believes in a trust we don't have. */
  contradict(peer: NodeId, requestId: string, now: Instant): void {
    if (this.#book.outgoingTo(peer) !== undefined || this.#book.pendingOf(peer) !== undefined) return;
    const tombstone = this.#book.tombstone(peer);
    if (tombstone?.revokeId !== undefined && tombstone.tellPeer) return;
    // Strangers may not push out what our user decided.
    if (tombstone === undefined && this.#book.tombstones().length >= TOMBSTONE_LIMIT / 2) return;
    this.#tellRevocation(peer, requestId, 'not trusted', now, {
      tellRegistry: tombstone?.tellRegistry ?? false,
    });
  }

  #tellRevocation(
    node: NodeId,
    requestId: string | undefined,
    reason: string,
    now: Instant,
    { tellRegistry }: { tellRegistry: boolean },
    peerRevocation = this.#book.tombstone(node)?.peerRevocation,
  ): void {
    const wall = this.#wall(now);
    const { registers } = this.#book;
    const serial = registers.serial(node);
    const statedAt = registers.newStatement(node, Math.floor(wall / 1000));
    registers.voidOwn(node, statedAt);
    const tombstone: TrustTombstone = {
      node,
      revokedAt: wall,
      tellPeer: true,
      tellRegistry,
      revokeId: newId(this.#random),
      statedAt,
      ...(requestId !== undefined && { requestId }),
      serial,
      ...(serial > 0 && {
        revocation: this.#certificates.revocation(node, serial, Math.floor(wall / 1000), reason),
      }),
      ...(peerRevocation !== undefined && { peerRevocation }),
    };
    this.#book.setTombstone(tombstone);
    this.#correspondence.revoke(tombstone, now);
  }

  #endTrust(node: NodeId): boolean {
    this.#correspondence.cancel(node, 'accept', 'reject', 'report', 'confirm');
    if (!this.#book.deleteRecord(node)) return false;
    this.#emit({ type: 'dropped', peer: node });
    return true;
  }
}
