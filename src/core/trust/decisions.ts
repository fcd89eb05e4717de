import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import type { TrustCertificate } from '../../wire/trust-certificate.ts';
import { type Agreements, OUTDATED } from './agreements.ts';
import type { TrustBook } from './book.ts';
import { type Certificates, type Offered, serialFrom } from './certificates.ts';
import type { Correspondence } from './correspondence.ts';
import type { Endings } from './endings.ts';
import type { RefusalReason } from './inbox.ts';
import { type Claim, isCertifying } from './messages.ts';
import type { Questions } from './questions.ts';
import { ALL_TERMS, agreedTerms, type Terms, termsFrom } from './terms.ts';
import type {
  ApprovedBy,
  OutgoingRequest,
  PendingRequest,
  TrustEvent,
  TrustOutput,
  TrustRecord,
} from './types.ts';

/** What new trust rests on. Messages are empty with old peers. */
interface Basis {
  readonly by: ApprovedBy;
  readonly requestId: string;
  readonly request: string;
  /** Ours. */
  readonly terms: Terms;
  readonly peerTerms: Terms;
  readonly reason: string;
  /** The peer signs certificates: we make one. */
  readonly certifies: boolean;
  /** The accept of the peer, when trust rests on one. */
  readonly accept?: string;
  /** Our statement that named our terms. */
  readonly termsAt?: number | undefined;
  /** The certificate it brought, with the peer's signature. */
  readonly certificate?: TrustCertificate | undefined;
}

export interface DecisionsOptions {
  readonly book: TrustBook;
  readonly correspondence: Correspondence;
  readonly questions: Questions;
  readonly endings: Endings;
  readonly agreements: Agreements;
  readonly certificates: Certificates;
  readonly wall: (now: Instant) => UnixMillis;
  readonly emit: (output: TrustOutput) => void;
}

/** The rules by which trust begins: what each verified message and each wish of the user changes. */
export class Decisions {
  readonly #book: TrustBook;
  readonly #correspondence: Correspondence;
  readonly #questions: Questions;
  readonly #endings: Endings;
  readonly #agreements: Agreements;
  readonly #certificates: Certificates;
  readonly #wall: (now: Instant) => UnixMillis;
  readonly #emit: (output: TrustOutput) => void;
  readonly #refusals = new Map<RefusalReason, number>();

  constructor(options: DecisionsOptions) {
    this.#book = options.book;
    this.#correspondence = options.correspondence;
    this.#questions = options.questions;
    this.#endings = options.endings;
    this.#agreements = options.agreements;
    this.#certificates = options.certificates;
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
    const asked = this.#askedBy(claim, key, now);
    if (asked === undefined) {
      this.refuse(from, 'malformed');
      return;
    }
    if (this.#isStaleYes(claim)) {
      this.#onStaleRequest(claim, now);
      return;
    }
    const missedRevocation = claim.replyTo !== '' && claim.replyTo !== registers.heardRevoke(from);
    if (missedRevocation) {
      registers.heardNo(from, claim.timestamp, claim.replyTo);
      this.#endings.revokedByPeer(from, '', now, true);
      this.#correspondence.acknowledge(from, claim.replyTo, now);
    }
    if (claim.signed) registers.heardYes(from, claim.timestamp);
    if (asked.certifies) {
      registers.setCertifies(from);
      registers.heardSerial(from, serialFrom(claim.message?.extra?.serial));
    }
    if (asked.terms.not_after !== undefined && asked.terms.not_after * 1000 <= this.#wall(now)) {
      if (this.#book.pendingOf(from)?.requestId === id) this.#book.deletePending(from);
      // To a stranger an answer would say that we exist; its own question ends with its time.
      if (this.#isTrusted(from)) this.#questions.answer(from, id, 'rejected', OUTDATED, now);
      return;
    }
    const answered = id === '' ? undefined : this.#book.answer(from, id);
    const known = this.#book.pendingOf(from);
    const isRepeated = known?.requestId === id && known.justification === justification;
    if (!isRepeated && answered === undefined)
      this.#event({ name: 'handshake.received', peer: from, justification });
    const outgoing = this.#book.outgoingTo(from);
    if (this.#isTrusted(from)) {
      if (asked.certifies) this.#agreements.onRequest(asked, serialFrom(claim.message?.extra?.holds), now);
      else this.#questions.answer(from, id, 'accepted', '', now);
    } else if (answered !== undefined && (answered.answer === 'rejected' || answered.answer === 'revoked')) {
      const reason = answered.answer === 'revoked' ? 'trust revoked' : answered.reason;
      this.#questions.answer(from, id, answered.answer, reason, now);
    } else if (outgoing !== undefined && !missedRevocation && this.#isExpected(outgoing, key)) {
      // After a withdrawal we did not hear of, our own question may be the one that was withdrawn: our user decides.
      this.approvePending(asked, outgoing.terms, 'mutual', now);
    } else if (!isRepeated) {
      if (known !== undefined) this.#questions.remember(known, 'replaced', now);
      this.#book.setPending(asked);
      this.#event({ name: 'handshake.pending', peer: from, justification });
    }
  }

  /** The question as it would wait for the user; undefined when its terms are none. */
  #askedBy(claim: Claim, key: Uint8Array, now: Instant): PendingRequest | undefined {
    const stated = claim.signed ? claim.message?.extra?.terms : undefined;
    const terms = stated === undefined ? ALL_TERMS : termsFrom(stated);
    if (terms === undefined) return undefined;
    return {
      node: claim.from,
      publicKey: key,
      justification: claim.justification,
      receivedAt: this.#wall(now),
      requestId: claim.id,
      message: claim.text,
      terms,
      change: false,
      certifies: isCertifying(claim),
    };
  }

  /** A question that a newer statement of its asker overtook. Only an answer makes its asker drop it. */
  #onStaleRequest({ from, id, signed }: Claim, now: Instant): void {
    this.refuse(from, 'stale');
    if (!signed) return;
    // What waits for our user is not answered by what its asker agreed to meanwhile.
    if (this.#book.pendingOf(from)?.requestId === id) return;
    if (this.#isTrusted(from)) this.#questions.answer(from, id, 'accepted', '', now);
    else if (this.#book.pendingOf(from) === undefined)
      this.#questions.answer(from, id, 'revoked', 'overtaken by a withdrawal: ask again', now);
  }

  onAccept(claim: Claim, key: Uint8Array, now: Instant): void {
    const { from, replyTo } = claim;
    let request = this.#questions.answeredBy(claim);
    if (request !== undefined && this.#questions.isWithdrawn(request, from)) {
      this.#questions.close(request);
      request = undefined;
    }
    if (request !== undefined && !this.#isExpected(request, key)) {
      this.refuse(from, 'key_mismatch');
      return;
    }
    const offered = claim.signed
      ? this.#certificates.offered(claim.message?.extra?.certificate, from, key)
      : undefined;
    this.#dropOvertaken(claim, now);
    if (this.#isTrusted(from)) {
      const refusal = this.#agreements.onAccept(claim, offered, request, now);
      if (refusal !== undefined) this.refuse(from, refusal);
      return;
    }
    if (request === undefined) {
      this.refuse(from, 'unsolicited');
      // Whoever was never asked anything gets no answer: it would tell a stranger that we are here.
      const isKnown = this.#book.registers.hasSpokenTo(from) || this.#book.isClosed(replyTo);
      if (isKnown && claim.signed && !this.#isStaleYes(claim)) this.#endings.contradict(from, replyTo, now);
      return;
    }
    const tombstone = this.#book.tombstone(from);
    const isOlderThanRequest = tombstone !== undefined && claim.timestamp * 1000 < request.createdAt;
    if (this.#isStaleYes(claim) || (!claim.signed && isOlderThanRequest)) {
      this.refuse(from, 'stale');
      return;
    }
    this.#accepted(claim, key, request, offered, now);
  }

  /** Our user said whose key must answer; whoever answers under the name has to have it. */
  #isExpected({ fingerprint }: OutgoingRequest, key: Uint8Array): boolean {
    return this.#certificates.isKey(key, fingerprint);
  }

  /** A newer statement of the peer says that it asks nothing any more, or something else than what waits here. */
  #dropOvertaken(claim: Claim, now: Instant): void {
    const asking = claim.signed ? claim.message?.extra?.asking : undefined;
    const pending = this.#book.pendingOf(claim.from);
    if (asking === undefined || pending === undefined || pending.requestId === asking) return;
    if (!this.#isStaleYes(claim)) this.#questions.dropPending(claim.from, 'replaced', now);
  }

  #accepted(
    claim: Claim,
    key: Uint8Array,
    request: OutgoingRequest,
    offered: Offered | 'invalid' | undefined,
    now: Instant,
  ): void {
    const { from } = claim;
    const { registers } = this.#book;
    const { requestId, message, terms, justification } = request;
    if (offered !== undefined) {
      if (offered === 'invalid' || !this.#agreements.isAcceptable(offered.certificate, terms, now)) {
        this.refuse(from, 'certificate_invalid');
        return;
      }
      if (offered.certificate.serial <= registers.serial(from)) {
        this.refuse(from, 'stale');
        return;
      }
      registers.setCertifies(from);
    }
    if (claim.signed) registers.heardYes(from, claim.timestamp);
    const basis: Basis = {
      by: 'peer',
      requestId,
      request: message,
      terms,
      peerTerms: ALL_TERMS,
      reason: justification,
      certifies: false,
      accept: claim.text,
      termsAt: request.statedAt,
      certificate: offered?.certificate,
    };
    if (!this.#establish(from, key, basis, now)) return;
    this.#questions.close(request);
    const record = this.#book.record(from);
    if (offered?.complete === false && record !== undefined) this.#agreements.confirm(record, claim.id, now);
  }

  onReject(claim: Claim): void {
    const { from, replyTo, reason } = claim;
    if (replyTo !== '' && this.#book.tombstone(from)?.revokeId === replyTo) {
      this.#correspondence.revocationHeard(from);
      return;
    }
    const request = this.#questions.answeredBy(claim);
    if (request === undefined) {
      if (!this.#book.isClosed(replyTo)) this.refuse(from, 'unsolicited');
      return;
    }
    this.#questions.fail(request);
    this.#event({ name: 'handshake.rejected', peer: from, reason });
  }

  onRevoke(claim: Claim, key: Uint8Array, now: Instant): void {
    const { from, id, replyTo, timestamp } = claim;
    const { registers } = this.#book;
    if (!claim.signed) {
      const record = this.#book.record(from);
      if (claim.message !== undefined) {
        this.#endings.revokedByPeer(from, this.#book.outgoingTo(from)?.requestId ?? '', now, false);
      } else if (record?.proof !== undefined) {
        // A registry alone can't end what two signatures made.
        this.refuse(from, 'unsigned');
      } else if (record !== undefined) {
        this.#endings.revokedByPeer(from, '', now, false);
      }
      return;
    }
    const isRepeated = id === registers.heardRevoke(from);
    // What its sender has overtaken itself is acknowledged as well: it would be told for ever.
    const isOvertaken = !isRepeated && registers.isStaleNo(from, timestamp);
    if (isOvertaken) this.refuse(from, 'stale');
    else if (!isRepeated) {
      registers.heardNo(from, timestamp, id);
      this.#book.markChanged();
      const revocation = this.#certificates.revocationOf(claim.message?.extra?.revocation, from, key);
      this.#endings.revokedByPeer(from, replyTo, now, true, revocation);
    }
    this.#correspondence.acknowledge(from, id, now);
  }

  /** Whether the peer withdrew after saying this. */
  #isStaleYes(claim: Claim): boolean {
    if (claim.signed) return this.#book.registers.isStaleYes(claim.from, claim.timestamp, claim.replyTo);
    const tombstone = this.#book.tombstone(claim.from);
    return tombstone !== undefined && claim.timestamp * 1000 <= tombstone.revokedAt;
  }

  approvePending(pending: PendingRequest, terms: Terms, by: ApprovedBy, now: Instant): boolean {
    const { node, publicKey, requestId, message, certifies } = pending;
    const record = this.#book.record(node);
    if (record !== undefined) {
      this.#agreements.approveChange(record, pending, terms, by, now);
      return true;
    }
    const basis: Basis = {
      by,
      requestId,
      request: message,
      terms,
      peerTerms: pending.terms,
      reason: pending.justification,
      certifies,
    };
    if (!this.#establish(node, publicKey, basis, now)) return false;
    this.#questions.answer(node, requestId, 'accepted', '', now);
    return true;
  }

  #establish(node: NodeId, publicKey: Uint8Array, basis: Basis, now: Instant): boolean {
    if (!this.#book.hasRoomForTrust()) {
      this.refuse(node, 'too_many_trusted');
      return false;
    }
    const wall = this.#wall(now);
    const tombstone = this.#book.tombstone(node);
    if (tombstone?.revokeId !== undefined) this.#book.rememberClosed(tombstone.revokeId);
    this.#book.deleteTombstone(node);
    this.#questions.dropPending(node, 'replaced', now);
    this.#correspondence.cancel(node, 'revoke', 'reject');
    const { by, certifies } = basis;
    const statedAt =
      by === 'peer' ? basis.termsAt : this.#book.registers.newStatement(node, Math.floor(wall / 1000));
    this.#setRecord(node, publicKey, { ...basis, termsAt: statedAt }, wall);
    this.#questions.closeAllTo(node);
    if (by === 'user') this.#event({ name: 'handshake.approved', peer: node });
    else if (by !== 'peer')
      this.#event({
        name: 'handshake.auto_approved',
        peer: node,
        reason: by === 'mutual' ? 'mutual' : 'auto_approve',
      });
    this.#event({ name: 'trust.established', peer: node });
    const serial = basis.certificate?.serial;
    if (serial !== undefined) this.#event({ name: 'trust.certified', peer: node, serial });
    // Half a certificate proves nothing: the registry hears of it when the peer has signed too.
    if (!certifies) this.#correspondence.report(node, now);
    this.#correspondence.run(now);
    return true;
  }

  #setRecord(node: NodeId, publicKey: Uint8Array, basis: Basis, wall: UnixMillis): void {
    const { by, terms, peerTerms, certifies, certificate } = basis;
    const proof = this.#proof(node, basis, wall);
    const agreed =
      certificate === undefined ? agreedTerms(terms, peerTerms) : this.#certificates.termsOf(certificate);
    const made = certifies
      ? this.#agreements.draft({ node, key: publicKey }, agreed, basis.reason, wall)
      : { serial: certificate?.serial ?? 0 };
    if (certificate !== undefined) this.#book.registers.usedSerial(node, certificate.serial);
    const record: TrustRecord = {
      node,
      publicKey,
      approvedAt: wall,
      mutual: by === 'peer' || by === 'mutual',
      reported: false,
      ...(proof && { proof, requestId: basis.requestId }),
      terms,
      termsAt: basis.termsAt ?? 0,
      peerTerms,
      ...made,
      ...(certificate && { certificate: this.#certificates.countersign(certificate) }),
      ...(agreed.not_after !== undefined && { notAfter: agreed.not_after }),
      approvedBy: by,
    };
    this.#book.setRecord(record);
  }

  #proof(node: NodeId, basis: Basis, wall: UnixMillis): TrustRecord['proof'] {
    if (basis.accept !== undefined)
      return basis.accept === '' ? undefined : { request: basis.request, accept: basis.accept };
    if (basis.request === '') return undefined;
    return {
      request: basis.request,
      accept: this.#correspondence.composeAccept(node, basis.requestId, wall),
    };
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
