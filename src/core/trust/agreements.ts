import type { Random } from '../../base/random.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import { decodeTrustCertificate, type TrustCertificate } from '../../wire/trust-certificate.ts';
import type { TrustBook } from './book.ts';
import { type Certificates, completedOf, type Offered } from './certificates.ts';
import type { Correspondence } from './correspondence.ts';
import type { Endings } from './endings.ts';
import type { RefusalReason } from './inbox.ts';
import { EXPIRY_LOOK, RENEW_AT, RENEW_JITTER, SUCCESSORS_AT_ONCE } from './limits.ts';
import type { Claim } from './messages.ts';
import type { Questions } from './questions.ts';
import { agreedTerms, isSameWish, isScopeWithin, isTimeWithin, mirrored, type Terms } from './terms.ts';
import type { OutgoingRequest, PendingRequest, TrustOutput, TrustRecord } from './types.ts';

export interface AgreementsOptions {
  readonly book: TrustBook;
  readonly correspondence: Correspondence;
  readonly questions: Questions;
  readonly endings: Endings;
  readonly certificates: Certificates;
  readonly random: Random;
  readonly wall: (now: Instant) => UnixMillis;
  readonly emit: (output: TrustOutput) => void;
}

/** Why a question was not answered in time. */
export const OUTDATED = 'the time that was asked for is over';

/** What happens to a trust while it lasts: its certificate is completed, changed, renewed, and ends in time. */
export class Agreements {
  readonly #book: TrustBook;
  readonly #correspondence: Correspondence;
  readonly #questions: Questions;
  readonly #endings: Endings;
  readonly #certificates: Certificates;
  readonly #random: Random;
  readonly #wall: (now: Instant) => UnixMillis;
  readonly #emit: (output: TrustOutput) => void;
  /** Unix ms of the next end or renewal, for the book as it was at `#lookedAt`. */
  #nextAt: UnixMillis | undefined;
  #lookedAt = -1;
  /** Fraction of the renewal time by which each node is early, so that both sides seldom ask at once. */
  readonly #early: number;
  #keyChanged = true;

  constructor(options: AgreementsOptions) {
    this.#book = options.book;
    this.#correspondence = options.correspondence;
    this.#questions = options.questions;
    this.#endings = options.endings;
    this.#certificates = options.certificates;
    this.#random = options.random;
    this.#wall = options.wall;
    this.#emit = options.emit;
    this.#early = this.#random.fraction() * RENEW_JITTER;
  }

  /** We sign with another key: certificates that name the old one get successors. */
  keyChanged(): void {
    this.#keyChanged = true;
    this.#lookedAt = -1;
  }

  /** A certificate with our signature for what both agreed on. */
  draft(
    peer: { readonly node: NodeId; readonly key: Uint8Array },
    agreed: Terms,
    reason: string,
    wall: UnixMillis,
  ): { readonly draft: string; readonly serial: number } {
    const { registers } = this.#book;
    const serial = registers.serialFloor(peer.node) + 1;
    registers.usedSerial(peer.node, serial);
    const seconds = Math.floor(wall / 1000);
    return { draft: this.#certificates.draft(peer, agreed, { serial, reason, seconds }), serial };
  }

  /** Our user wants other terms with a peer it trusts. */
  change(
    record: TrustRecord,
    justification: string,
    terms: Terms,
    now: Instant,
  ): { readonly requestId: string; readonly status: 'sent' | 'already_trusted' | 'approved' } {
    const { node } = record;
    const pending = this.#book.pendingOf(node);
    if (pending !== undefined) {
      this.approveChange(record, pending, terms, 'mutual', now);
      return { requestId: pending.requestId, status: 'approved' };
    }
    const open = this.#book.outgoingTo(node);
    const certifies = this.#book.registers.certifies(node);
    const current = this.#certificates.inForce(record);
    // What the peer took back since can be asked for again.
    const holds = current !== undefined && isScopeWithin(terms, this.#certificates.termsOf(current));
    const isSame = isSameWish(terms, record.terms, this.#wall(now) / 1000);
    if (isSame && (open !== undefined || holds || !certifies)) {
      if (open !== undefined) this.#correspondence.request(open, true, now);
      return { requestId: open?.requestId ?? '', status: 'already_trusted' };
    }
    if (!certifies) {
      const termsAt = this.#book.registers.newStatement(node, Math.floor(this.#wall(now) / 1000));
      this.#set({ ...record, terms, termsAt }, now);
      this.#rescoped(node);
      return { requestId: '', status: 'already_trusted' };
    }
    const request = this.#questions.ask({ node, hostname: undefined }, justification, terms, this.#wall(now));
    if (open !== undefined) this.#questions.close(open);
    this.#set({ ...record, terms, termsAt: request.statedAt ?? 0 }, now);
    this.#correspondence.request(request, false, now);
    this.#rescoped(node);
    return { requestId: request.requestId, status: 'sent' };
  }

  /** A question of a peer that is trusted and signs certificates; it `holds` one that both signed, of this serial. */
  onRequest(asked: PendingRequest, holds: number, now: Instant): void {
    const { node, requestId } = asked;
    const record = this.#book.record(node)!;
    const answered = this.#book.answer(node, requestId)?.answer;
    if (answered === 'rejected') {
      this.#questions.answer(
        node,
        requestId,
        'rejected',
        this.#book.answer(node, requestId)?.reason ?? '',
        now,
      );
      return;
    }
    if (answered !== undefined || requestId === record.requestId) {
      // The peer knows of a later serial than the one that waits for its signature.
      const isLow = this.#book.registers.serialFloor(node) > record.serial;
      if (isLow && record.draft !== undefined) this.redraft(record, now);
      else this.#questions.answer(node, requestId, 'accepted', '', now);
      return;
    }
    const view = mirrored(asked.terms);
    const current = this.#within(record, view) ?? this.#certificates.inForce(record);
    const isWithin = current === undefined || isScopeWithin(view, this.#certificates.termsOf(current));
    const isRenewal = current !== undefined && !isTimeWithin(view.not_after, current.notAfter);
    const mayRenew =
      record.terms.renew === true && this.#isUsualLength(view.not_after, current, this.#wall(now));
    // A successor of ours for what is in force is no wish of our user for more.
    const open = this.#book.outgoingTo(node);
    const isOpenWithin =
      open !== undefined &&
      current !== undefined &&
      isScopeWithin(open.terms, this.#certificates.termsOf(current));
    const isAskedByBoth = open !== undefined && !isOpenWithin;
    if (isAskedByBoth || (isWithin && (!isRenewal || mayRenew))) {
      const own = isRenewal && mayRenew ? { ...record.terms, not_after: view.not_after } : record.terms;
      this.#grant(record, asked, own as Terms, isRenewal ? 'renewal' : record.approvedBy, now);
      return;
    }
    const known = this.#book.pendingOf(node);
    if (known?.requestId === requestId) return;
    const unwanted = this.#unwanted(record, holds, view);
    if (unwanted !== undefined && completedOf(record) === undefined) {
      // It has nothing of ours yet: it gets of what it asks now what our user has granted.
      const agreed = agreedTerms(unwanted, asked.terms);
      this.#grant(record, asked, record.terms as Terms, record.approvedBy, now, agreed);
      return;
    }
    if (known !== undefined) this.#questions.remember(known, 'replaced', now);
    this.#book.setPending({ ...asked, change: true });
    if (unwanted !== undefined) this.#replaceUnwanted(record, asked, now);
    this.#emit({
      type: 'event',
      event: { name: 'handshake.pending', peer: node, justification: asked.justification },
    });
  }

  /** The certificate that already says what the peer asks for: the one it has not signed yet, or the one both signed. */
  #within(record: TrustRecord, view: Terms): TrustCertificate | undefined {
    return [this.#certificates.inForce(record), completedOf(record)].find(
      (each) => each !== undefined && this.#isWithin(view, this.#certificates.termsOf(each)),
    );
  }

  /** What we signed for an older question of a peer that now wants less of it and will never sign. */
  #unwanted(record: TrustRecord, holds: number, view: Terms): Terms | undefined {
    // It may have signed already, and only its answer is missing.
    if (record.draft === undefined || holds >= record.serial) return undefined;
    const drafted = this.#certificates.termsOf(this.#certificates.inForce(record)!);
    return this.#isWithin(drafted, view) ? undefined : drafted;
  }

  /** While our user is asked, what both have signed goes on, as far as the peer still wants it. */
  #replaceUnwanted(record: TrustRecord, asked: PendingRequest, now: Instant): void {
    const held = this.#certificates.termsOf(completedOf(record)!);
    this.redraft(record, now, agreedTerms(held, asked.terms));
    this.#rescoped(record.node);
  }

  #isWithin(inner: Terms, outer: Terms): boolean {
    return isScopeWithin(inner, outer) && isTimeWithin(inner.not_after, outer.not_after);
  }

  approveChange(
    record: TrustRecord,
    asked: PendingRequest,
    terms: Terms,
    by: TrustRecord['approvedBy'],
    now: Instant,
  ): void {
    this.#book.deletePending(asked.node);
    this.#questions.closeAllTo(asked.node);
    this.#grant(record, asked, terms, by, now);
    this.#emit({ type: 'event', event: { name: 'handshake.approved', peer: asked.node } });
  }

  /** An accept of a peer that is trusted: the other signature, its own certificate, or a copy. */
  onAccept(
    claim: Claim,
    offered: Offered | 'invalid' | undefined,
    request: OutgoingRequest | undefined,
    now: Instant,
  ): RefusalReason | undefined {
    const { from } = claim;
    const record = this.#book.record(from)!;
    if (offered === 'invalid') return 'certificate_invalid';
    if (offered === undefined) {
      if (request !== undefined) this.#questions.close(request);
      return undefined;
    }
    const { certificate, complete } = offered;
    if (this.#certificates.isSame(record.draft, certificate)) {
      const installed = this.#install(record, certificate, now);
      // Both made the same one at the same time.
      if (!complete) this.confirm(installed, claim.id, now);
      return undefined;
    }
    if (this.#certificates.isSame(record.certificate, certificate)) {
      if (request !== undefined) this.#questions.close(request);
      if (!complete) this.confirm(record, claim.id, now);
      else if (record.draft === undefined) this.#correspondence.cancel(from, 'accept');
      return undefined;
    }
    // By the serial alone: an old certificate must not come back, whoever has kept it.
    const completed = record.draft === undefined ? record.serial : record.serial - 1;
    if (certificate.serial <= completed) return 'stale';
    if (this.#book.registers.isStaleYes(from, claim.timestamp, claim.replyTo)) return 'stale';
    if (complete && certificate.serial <= record.serial) return 'stale';
    if (!complete && this.#draftWins(record, certificate)) {
      if (request !== undefined) this.#questions.close(request);
      return undefined;
    }
    // Without an open question it answers one that is over; it may not give more than our user wants now.
    const { terms: wanted, termsAt } = this.#wanted(record, request);
    if (!this.isAcceptable(certificate, wanted, now)) {
      // An older wish of ours was granted: the peer has to learn of the newer one.
      if (request !== undefined && request.terms !== wanted) {
        this.#questions.close(request);
        this.#propose(record, record.terms.not_after, now);
      }
      return 'certificate_invalid';
    }
    if (request !== undefined) this.#questions.close(request);
    this.#book.registers.heardYes(from, claim.timestamp);
    const text = this.#install({ ...record, terms: wanted, termsAt }, certificate, now);
    if (!complete) this.confirm(text, claim.id, now);
    return undefined;
  }

  /** A question by hostname may have been asked before or after what our user told this peer. */
  #wanted(record: TrustRecord, request: OutgoingRequest | undefined): { terms: Terms; termsAt: number } {
    const { terms, termsAt = 0 } = record;
    if (request === undefined || request.node !== undefined) return { terms, termsAt };
    const askedAt = request.statedAt ?? 0;
    return askedAt > termsAt ? { terms: request.terms, termsAt: askedAt } : { terms, termsAt };
  }

  /** Whether a certificate gives away no more than our user wants. */
  isAcceptable(certificate: TrustCertificate, wanted: Terms, now: Instant): boolean {
    return (
      this.#certificates.isTimely(certificate, this.#wall(now)) &&
      this.#isWithin(this.#certificates.termsOf(certificate), wanted)
    );
  }

  /** Returns the other signature to the peer. */
  confirm(record: TrustRecord, acceptId: string, now: Instant): void {
    this.#correspondence.confirm(record.node, acceptId, now);
  }

  /** Ends what is over and asks for successors of what ends soon. */
  run(now: Instant): void {
    const wall = this.#wall(now);
    if (this.#keyChanged) this.#replaceKeys(now);
    const next = this.#next();
    if (next === undefined || next > wall) return;
    this.#lookedAt = -1;
    this.#dropOutdated(wall, now);
    for (const record of this.#book.records()) {
      if (record.notAfter === undefined) continue;
      if (record.notAfter * 1000 <= wall) this.#endings.expire(record, now);
      else if ((this.#renewalAt(record) ?? Number.POSITIVE_INFINITY) <= wall) this.#renew(record, now);
    }
  }

  nextTimeout(now: Instant): Instant | undefined {
    const next = this.#next();
    // A wall clock may be set at any time: it is looked at now and then.
    return next === undefined ? undefined : now + Math.min(Math.max(0, next - this.#wall(now)), EXPIRY_LOOK);
  }

  #next(): UnixMillis | undefined {
    if (this.#lookedAt === this.#book.version) return this.#nextAt;
    this.#lookedAt = this.#book.version;
    this.#nextAt = undefined;
    for (const record of this.#book.records()) {
      if (record.notAfter === undefined) continue;
      const at = Math.min(record.notAfter * 1000, this.#renewalAt(record) ?? Number.POSITIVE_INFINITY);
      if (this.#nextAt === undefined || at < this.#nextAt) this.#nextAt = at;
    }
    for (const { terms } of [...this.#book.pending(), ...this.#book.outgoing()]) {
      const at = (terms.not_after ?? Number.POSITIVE_INFINITY) * 1000;
      if (at < (this.#nextAt ?? Number.POSITIVE_INFINITY)) this.#nextAt = at;
    }
    return this.#nextAt;
  }

  /** Questions for a time that is over. */
  #dropOutdated(wall: UnixMillis, now: Instant): void {
    const isOver = ({ not_after }: Terms): boolean => not_after !== undefined && not_after * 1000 <= wall;
    for (const { node, requestId, terms } of this.#book.pending()) {
      if (!isOver(terms)) continue;
      this.#book.deletePending(node);
      this.#questions.answer(node, requestId, 'rejected', OUTDATED, now);
    }
    for (const request of this.#book.outgoing()) {
      if (!isOver(request.terms)) continue;
      this.#questions.fail(request);
      // The question carried a withdrawal to the peer that nobody else carries now.
      const tombstone = request.node === undefined ? undefined : this.#book.tombstone(request.node);
      if (tombstone?.tellPeer === true) this.#correspondence.revoke(tombstone, now);
    }
  }

  /** When a successor is to be asked for; undefined when it was, or nobody here wants one. */
  #renewalAt(record: TrustRecord): UnixMillis | undefined {
    const certificate = this.#certificates.inForce(record);
    if (record.terms.renew !== true || certificate?.notAfter === undefined || record.draft !== undefined)
      return undefined;
    if (record.renewAsked === record.serial || this.#book.outgoingTo(record.node) !== undefined)
      return undefined;
    const length = certificate.notAfter - certificate.notBefore;
    return (certificate.notBefore + length * (RENEW_AT - this.#early)) * 1000;
  }

  #renew(record: TrustRecord, now: Instant): void {
    const certificate = this.#certificates.inForce(record)!;
    const length = certificate.notAfter! - certificate.notBefore;
    const not_after = Math.floor(this.#wall(now) / 1000) + length;
    this.#emit({ type: 'event', event: { name: 'trust.renewing', peer: record.node } });
    this.#propose({ ...record, terms: { ...record.terms, not_after } }, not_after, now);
  }

  /** A new certificate of the same scope. */
  #propose(record: TrustRecord, not_after: number | undefined, now: Instant): void {
    const { give, get } = this.#certificates.effective(record);
    const terms: Terms = {
      give,
      get,
      ...(not_after !== undefined && { not_after }),
      ...(record.terms.renew === true && { renew: true }),
    };
    this.#set({ ...record, renewAsked: record.serial }, now);
    if (this.#book.outgoingTo(record.node) !== undefined || !this.#book.hasRoomForOutgoing()) return;
    const request = this.#questions.ask(
      { node: record.node, hostname: undefined },
      '',
      terms,
      this.#wall(now),
    );
    this.#correspondence.request(request, false, now);
  }

  /** A few at a time: each is a question to a peer. */
  #replaceKeys(now: Instant): void {
    let left = SUCCESSORS_AT_ONCE - this.#book.outgoing().length;
    for (const record of this.#book.records()) {
      if (this.#certificates.isCurrentKey(record)) continue;
      if (left-- <= 0) return;
      if (record.renewAsked === record.serial) continue;
      const certificate = this.#certificates.inForce(record);
      if (record.draft !== undefined) this.redraft(record, now);
      else this.#propose(record, certificate?.notAfter, now);
    }
    this.#keyChanged = false;
  }

  /** What the peer has not signed yet is made anew: a key it names was replaced, or `agreed` is another. */
  redraft(record: TrustRecord, now: Instant, agreed?: Terms): void {
    if (record.draft === undefined) return;
    const { node, publicKey, requestId = '' } = record;
    const certificate = this.#certificates.inForce(record)!;
    const terms = agreed ?? this.#certificates.termsOf(certificate);
    const made = this.draft({ node, key: publicKey }, terms, certificate.reason, this.#wall(now));
    this.#set({ ...record, ...made }, now);
    this.#questions.answer(node, requestId, 'accepted', '', now);
  }

  #grant(
    record: TrustRecord,
    asked: PendingRequest,
    own: Terms,
    by: TrustRecord['approvedBy'],
    now: Instant,
    agreed = agreedTerms(own, asked.terms),
  ): void {
    const { node, requestId, terms: peerTerms, justification } = asked;
    const wall = this.#wall(now);
    const made = this.draft({ node, key: record.publicKey }, agreed, justification, wall);
    const statedAt = this.#book.registers.newStatement(node, Math.floor(wall / 1000));
    const termsAt = own === record.terms ? (record.termsAt ?? 0) : statedAt;
    this.#set({ ...record, ...made, terms: own, termsAt, peerTerms, approvedBy: by, requestId }, now);
    this.#questions.answer(node, requestId, 'accepted', '', now);
    this.#rescoped(node);
  }

  /** The certificate is complete, or we complete it. Returns the record as it is then. */
  #install(record: TrustRecord, certificate: TrustCertificate, now: Instant): TrustRecord {
    const { draft: _, ...rest } = record;
    const { node } = record;
    const { serial } = certificate;
    this.#book.registers.usedSerial(node, serial);
    const text = this.#certificates.countersign(certificate);
    this.#correspondence.cancel(node, 'accept');
    const installed = this.#set({ ...rest, certificate: text, serial, reported: false }, now);
    this.#correspondence.report(node, now);
    this.#emit({ type: 'event', event: { name: 'trust.certified', peer: node, serial } });
    this.#rescoped(node);
    this.#correspondence.run(now);
    return installed;
  }

  /** Of two halves that were made at once, both sides keep the one with the higher serial, then of the lower node. */
  #draftWins({ node, draft }: TrustRecord, certificate: TrustCertificate): boolean {
    const ours = draft === undefined ? undefined : decodeTrustCertificate(draft);
    if (ours === undefined || typeof ours === 'string') return false;
    if (ours.serial !== certificate.serial) return ours.serial > certificate.serial;
    return this.#certificates.node < node;
  }

  #isUsualLength(
    until: number | undefined,
    current: TrustCertificate | undefined,
    wall: UnixMillis,
  ): boolean {
    if (until === undefined || current?.notAfter === undefined) return false;
    // A tenth more, because the peer counts from its own clock.
    return until - wall / 1000 <= (current.notAfter - current.notBefore) * 1.1;
  }

  #set(record: TrustRecord, _now: Instant): TrustRecord {
    const { notAfter: _, ...rest } = record;
    const end = this.#certificates.effective(rest).not_after;
    const next = { ...rest, ...(end !== undefined && { notAfter: end }) };
    this.#book.setRecord(next);
    return next;
  }

  #rescoped(peer: NodeId): void {
    this.#emit({ type: 'rescoped', peer });
  }
}
