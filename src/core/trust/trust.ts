import { PilotError } from '../../api/errors.ts';
import { equal, utf8 } from '../../base/bytes.ts';
import type { Crypto, SigningKey } from '../../base/crypto.ts';
import type { Machine } from '../../base/machine.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import { followRotations, type KeyRotation } from '../../wire/key-rotation.ts';
import { Agreements } from './agreements.ts';
import { TrustBook } from './book.ts';
import { Certificates, type Scope } from './certificates.ts';
import { Correspondence, type RegistryCall } from './correspondence.ts';
import { Decisions } from './decisions.ts';
import { Endings } from './endings.ts';
import type { RelayedRequest, RelayedResponse, RelayedRevoke } from './inbox.ts';
import { type Arrival, Inbox } from './inbox.ts';
import { JUSTIFICATION_LIMIT } from './limits.ts';
import type { Recipient } from './messages.ts';
import { type Asked, Questions } from './questions.ts';
import { ALL_TERMS, checkedTerms, isSameWish } from './terms.ts';
import type {
  ApprovedBy,
  OutgoingRequest,
  PendingRequest,
  Terms,
  TrustOutput,
  TrustRecord,
  TrustSnapshot,
  TrustTarget,
  TrustTombstone,
} from './types.ts';

export type { RegistryCall } from './correspondence.ts';
export type { RefusalReason, RelayedRequest, RelayedResponse, RelayedRevoke } from './inbox.ts';

export interface TrustOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly identity: SigningKey;
  readonly node?: NodeId | undefined;
  readonly hostname?: string | undefined;
  /** From the last `persist` output. */
  readonly snapshot?: TrustSnapshot | undefined;
  /** Wall time at an instant. Without it, the time told with the last command is carried forward. */
  readonly wall?: ((now: Instant) => UnixMillis) | undefined;
}

export interface RequestResult {
  /** Empty when already trusted. */
  readonly requestId: string;
  readonly status: 'sent' | 'already_trusted' | 'approved';
}

/** What a user, or a rule of theirs, grants to a peer that asked. */
export interface Approval {
  /** @default everything that was asked for */
  readonly terms?: Terms | undefined;
  /** @default 'user' */
  readonly by?: ApprovedBy | undefined;
}

const REASON_LIMIT = 200;

/**
 * Mutual trust between nodes. Nobody becomes trusted by one side's word: each side has asked or approved since
 * either of them last withdrew. What must survive is put out with `persist` before anything it causes. spec/11
 */
export class Trust implements Machine<TrustOutput> {
  readonly #wallAt: ((now: Instant) => UnixMillis) | undefined;
  readonly #book: TrustBook;
  readonly #inbox: Inbox;
  readonly #correspondence: Correspondence;
  readonly #certificates: Certificates;
  readonly #questions: Questions;
  readonly #endings: Endings;
  readonly #agreements: Agreements;
  readonly #decisions: Decisions;
  readonly #crypto: Crypto;
  readonly #outputs: TrustOutput[] = [];
  #effects: TrustOutput[] = [];
  #node: NodeId;
  #hostname: string | undefined;
  #now: Instant = 0;
  #wallOffset = 0;

  constructor(options: TrustOptions) {
    this.#wallAt = options.wall;
    this.#crypto = options.crypto;
    this.#node = options.node ?? 0;
    this.#hostname = options.hostname;
    this.#book = new TrustBook(options.snapshot);
    this.#inbox = new Inbox(options.crypto, (peer) => this.#book.record(peer)?.publicKey);
    const common = {
      book: this.#book,
      random: options.random,
      wall: (now: Instant) => this.#wall(now),
      emit: (output: TrustOutput) => this.#effects.push(output),
    };
    this.#certificates = new Certificates(options.crypto, options.identity);
    const correspondence = new Correspondence({ ...common, identity: options.identity });
    const questions = new Questions({ ...common, correspondence });
    const parts = { ...common, correspondence, questions, certificates: this.#certificates };
    this.#correspondence = correspondence;
    this.#questions = questions;
    this.#endings = new Endings(parts);
    this.#agreements = new Agreements({ ...parts, endings: this.#endings });
    this.#decisions = new Decisions({
      ...parts,
      endings: this.#endings,
      agreements: this.#agreements,
    });
    this.#certificates.node = this.#node;
    this.#correspondence.setNode(this.#node);
    this.#correspondence.resume();
  }

  /** Our node id; nothing is sent before it is known. */
  setNode(node: NodeId): void {
    this.#node = node;
    this.#certificates.node = node;
    this.#correspondence.setNode(node);
  }

  /** We sign with another key from now on; certificates that name the old one get successors. */
  setIdentity(identity: SigningKey, now: Instant): void {
    this.#now = now;
    this.#correspondence.setIdentity(identity);
    this.#certificates.setIdentity(identity);
    this.#agreements.keyChanged();
    if (this.#node !== 0) this.#agreements.run(now);
    this.#settle();
  }

  /** Signed key rotations of a peer. Those that don't lead on from its pinned key change nothing. */
  keyRotated(peer: NodeId, rotations: readonly KeyRotation[], now: Instant): void {
    this.#now = now;
    const record = this.#book.record(peer);
    const pinned = record?.publicKey ?? this.#book.pendingOf(peer)?.publicKey;
    const found = pinned && followRotations(this.#crypto, peer, pinned, rotations);
    if (pinned !== undefined && typeof found === 'object' && !equal(found.key, pinned)) {
      const publicKey = found.key;
      const pending = this.#book.pendingOf(peer);
      if (pending !== undefined && equal(pending.publicKey, pinned))
        this.#book.setPending({ ...pending, publicKey });
      if (record !== undefined) {
        this.#book.setRecord({ ...record, publicKey });
        this.#effects.push({ type: 'repinned', peer, publicKey });
        this.#effects.push({ type: 'event', event: { name: 'trust.key_rotated', peer } });
        this.#agreements.redraft({ ...record, publicKey }, now);
      }
    }
    this.#settle();
  }

  /** The name under which others may ask for us. */
  setHostname(hostname: string | undefined): void {
    this.#hostname = hostname;
  }

  isTrusted(node: NodeId): boolean {
    return this.#book.record(node) !== undefined;
  }
  /** What trust lets both open at each other; undefined without trust. */
  scope(node: NodeId): Scope | undefined {
    const record = this.#book.record(node);
    return record && this.#certificates.scope(record);
  }
  /** The same as terms, from our side. */
  effective(node: NodeId): Terms | undefined {
    const record = this.#book.record(node);
    return record && this.#certificates.effective(record);
  }
  /** Our withdrawal still has to reach the peer itself. */
  isTelling(node: NodeId): boolean {
    return this.#book.tombstone(node)?.tellPeer === true;
  }
  isAsking(node: NodeId): boolean {
    return this.#book.outgoingTo(node) !== undefined;
  }
  tombstone(node: NodeId): TrustTombstone | undefined {
    return this.#book.tombstone(node);
  }
  record(node: NodeId): TrustRecord | undefined {
    return this.#book.record(node);
  }
  trusted(): readonly TrustRecord[] {
    return this.#book.records();
  }
  pending(): readonly PendingRequest[] {
    return this.#book.pending();
  }
  outgoing(): readonly OutgoingRequest[] {
    return this.#book.outgoing();
  }
  snapshot(): TrustSnapshot {
    return this.#book.snapshot();
  }
  /** Messages refused since the start, by reason. */
  refusals(): Readonly<Record<string, number>> {
    return this.#decisions.refusals();
  }

  /**
   * Asks for trust, or repeats a question that is still open. `approved` means that the peer had asked too.
   * Throws PilotError: `unavailable` before our node id is known, `invalid_argument` for ourselves,
   * `too_large` for more than 1024 bytes of justification, `rate_limited` with 256 open questions.
   */
  request(
    target: TrustTarget,
    justification: string,
    terms: Terms,
    wall: UnixMillis,
    now: Instant,
  ): RequestResult {
    this.#setWall(wall, now);
    const { fingerprint } = target;
    const asked: Asked = {
      node: 'node' in target ? target.node : undefined,
      hostname: 'hostname' in target ? target.hostname.toLowerCase() : undefined,
      ...(fingerprint !== undefined && { fingerprint }),
    };
    const wanted = this.#checkTerms(terms, wall);
    this.#checkTarget(asked.node, asked.hostname, justification);
    const result = this.#ask(asked, justification, wanted, now);
    this.#settle();
    return result;
  }

  #ask(asked: Asked, justification: string, terms: Terms, now: Instant): RequestResult {
    const { node, hostname, fingerprint } = asked;
    const record = node === undefined ? undefined : this.#book.record(node);
    if (record !== undefined) return this.#agreements.change(record, justification, terms, now);
    const pending = node === undefined ? undefined : this.#book.pendingOf(node);
    const isExpected = pending !== undefined && this.#certificates.isKey(pending.publicKey, fingerprint);
    if (isExpected && this.#decisions.approvePending(pending, terms, 'mutual', now))
      return { requestId: pending.requestId, status: 'approved' };
    let open = node === undefined ? this.#book.outgoingNamed(hostname ?? '') : this.#book.outgoingTo(node);
    const isSame = (other: OutgoingRequest): boolean =>
      other.fingerprint === fingerprint && isSameWish(terms, other.terms, this.#wall(now) / 1000);
    if (open !== undefined && !isSame(open)) {
      if (open.node === undefined) this.#questions.close(open);
      else this.#endings.replaceQuestion(open.node, now);
      open = undefined;
    }
    const request = open ?? this.#questions.ask(asked, justification, terms, this.#wall(now));
    this.#correspondence.request(request, open !== undefined, now);
    return { requestId: request.requestId, status: 'sent' };
  }

  /**
   * Trusts a peer that asked, or lets it have the change it asked for. What both want is what counts. Approving twice
   * is harmless. Throws PilotError `invalid_argument` for terms that are none.
   */
  approve(node: NodeId, approval: Approval, wall: UnixMillis, now: Instant): 'approved' | 'not_pending' {
    this.#setWall(wall, now);
    const pending = this.#book.pendingOf(node);
    const terms = this.#checkTerms(approval.terms ?? this.#defaultTerms(node), wall);
    if (pending !== undefined) this.#decisions.approvePending(pending, terms, approval.by ?? 'user', now);
    this.#settle();
    return this.isTrusted(node) ? 'approved' : 'not_pending';
  }

  /** Whoever approves a change without a word about renewal leaves that as it is. */
  #defaultTerms(node: NodeId): Terms {
    return this.#book.record(node)?.terms.renew === true ? { ...ALL_TERMS, renew: true } : ALL_TERMS;
  }

  /** Declines a request and tells its sender. */
  reject(node: NodeId, reason: string, wall: UnixMillis, now: Instant): 'rejected' | 'not_pending' {
    this.#setWall(wall, now);
    const pending = this.#book.pendingOf(node);
    if (pending === undefined) return 'not_pending';
    this.#book.deletePending(node);
    this.#questions.answer(node, pending.requestId, 'rejected', reason.slice(0, REASON_LIMIT), now);
    this.#effects.push({ type: 'event', event: { name: 'handshake.rejected', peer: node, reason } });
    this.#settle();
    return 'rejected';
  }

  /**
   * Withdraws trust, or a request that has not been answered. Lasting: the peer is told, and is trusted again only
   * when both sides ask or approve anew.
   */
  untrust(node: NodeId, reason: string, wall: UnixMillis, now: Instant): 'revoked' | 'not_trusted' {
    this.#setWall(wall, now);
    const isWithdrawn = this.#endings.withdraw(node, reason === '' ? 'trust revoked' : reason, now);
    this.#settle();
    return isWithdrawn ? 'revoked' : 'not_trusted';
  }

  /** A message that came to port 444 over the tunnel of `source`. Without `mayAsk` no request is taken from it. */
  directMessage(source: NodeId, bytes: Uint8Array, wall: UnixMillis, now: Instant, mayAsk = true): void {
    this.#setWall(wall, now);
    this.#arrived(this.#inbox.direct(source, bytes, this.#us(), { mayAsk, wall, now }), now);
    this.#settle();
  }

  relayedRequest(request: RelayedRequest, wall: UnixMillis, now: Instant): void {
    this.#setWall(wall, now);
    this.#arrived(this.#inbox.relayedRequest(request, this.#us(), wall, now), now);
    this.#settle();
  }

  relayedResponse(response: RelayedResponse, wall: UnixMillis, now: Instant): void {
    this.#setWall(wall, now);
    this.#arrived(this.#inbox.relayedResponse(response, this.#us(), wall, now), now);
    this.#settle();
  }

  relayedRevoke(revoke: RelayedRevoke, wall: UnixMillis, now: Instant): void {
    this.#setWall(wall, now);
    this.#arrived(this.#inbox.relayedRevoke(revoke, this.#us(), wall, now), now);
    this.#settle();
  }

  /** The directory's answer to `needKey`; undefined when it does not know the peer or can't be reached. */
  identityKey(peer: NodeId, key: Uint8Array | undefined, now: Instant): void {
    this.#now = now;
    for (const arrival of this.#inbox.keyArrived(peer, key, this.#us(), now)) this.#arrived(arrival, now);
    this.#settle();
  }

  /** The peer's side acknowledged every byte of the message. */
  directDelivered(ref: number, now: Instant): void {
    this.#now = now;
    this.#correspondence.directSettled(ref, true, now);
    this.#settle();
  }

  directFailed(ref: number, now: Instant): void {
    this.#now = now;
    this.#correspondence.directSettled(ref, false, now);
    this.#settle();
  }

  /**
   * The registry's answer to `reportTrust`, `revokeTrust`, `relayRespond` (subject: the peer) or `relayRequest`
   * (subject: the request's id). That the registry has no such pair to revoke is a success.
   */
  registryDone(call: RegistryCall, subject: NodeId | string, ok: boolean, now: Instant): void {
    this.#now = now;
    this.#correspondence.registryDone(call, subject, ok, now);
    this.#settle();
  }

  /** The registry can be reached again: what it was to be told need not wait for its turn. */
  registryBack(now: Instant): void {
    this.#now = now;
    this.#correspondence.registryBack(now);
    this.#settle();
  }

  /** A tunnel to the peer stands: the same for what it was to be told. */
  peerBack(peer: NodeId, now: Instant): void {
    this.#now = now;
    this.#correspondence.peerBack(peer, now);
    this.#settle();
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    for (const arrival of this.#inbox.handleTimeout(now)) this.#arrived(arrival, now);
    if (this.#node !== 0) this.#agreements.run(now);
    this.#correspondence.run(now);
    this.#settle();
  }

  nextTimeout(): Instant | undefined {
    const next = Math.min(
      this.#inbox.nextTimeout() ?? Number.POSITIVE_INFINITY,
      this.#correspondence.nextTimeout() ?? Number.POSITIVE_INFINITY,
      (this.#node === 0 ? undefined : this.#agreements.nextTimeout(this.#now)) ?? Number.POSITIVE_INFINITY,
    );
    return next === Number.POSITIVE_INFINITY ? undefined : Math.max(next, this.#now);
  }

  poll(): TrustOutput | undefined {
    return this.#outputs.shift();
  }

  #arrived(arrival: Arrival, now: Instant): void {
    switch (arrival.kind) {
      case 'held':
        if (arrival.ask) this.#effects.push({ type: 'needKey', peer: arrival.peer });
        return;
      case 'refused':
        this.#decisions.refuse(arrival.peer, arrival.reason);
        if (arrival.reason === 'key_changed')
          this.#effects.push({ type: 'needRotations', peer: arrival.peer });
        return;
      case 'verified':
        switch (arrival.claim.type) {
          case 'handshake_request':
            this.#decisions.onRequest(arrival.claim, arrival.key, now);
            return;
          case 'handshake_accept':
            this.#decisions.onAccept(arrival.claim, arrival.key, now);
            return;
          case 'handshake_reject':
            this.#decisions.onReject(arrival.claim);
            return;
          case 'handshake_revoke':
            this.#decisions.onRevoke(arrival.claim, arrival.key, now);
            return;
          default:
            arrival.claim.type satisfies never;
        }
        return;
      default:
        arrival satisfies never;
    }
  }

  #checkTarget(node: NodeId | undefined, hostname: string | undefined, justification: string): void {
    if (this.#node === 0)
      throw new PilotError('unavailable', 'Cannot ask for trust before this node is registered');
    if (node === this.#node || node === 0 || hostname === '' || (hostname && hostname === this.#hostname)) {
      throw new PilotError('invalid_argument', 'Cannot ask this node itself for trust');
    }
    if (utf8(justification).length > JUSTIFICATION_LIMIT) {
      throw new PilotError(
        'too_large',
        `Cannot ask for trust: the justification exceeds ${JUSTIFICATION_LIMIT} bytes`,
      );
    }
    if (!this.#book.hasRoomForOutgoing()) {
      throw new PilotError('rate_limited', 'Cannot ask for trust: too many requests are unanswered');
    }
  }

  #checkTerms(terms: Terms, wall: UnixMillis): Terms {
    let checked: Terms;
    try {
      checked = checkedTerms(terms);
    } catch (error) {
      throw new PilotError('invalid_argument', `Cannot use these terms: ${(error as Error).message}`);
    }
    if (checked.not_after !== undefined && checked.not_after * 1000 <= wall)
      throw new PilotError('invalid_argument', 'Cannot use these terms: their time is over already');
    return checked;
  }

  #us(): Recipient {
    return { node: this.#node, hostname: this.#hostname };
  }

  #setWall(wall: UnixMillis, now: Instant): void {
    this.#now = now;
    this.#wallOffset = wall - now;
  }

  #wall(now: Instant): UnixMillis {
    return this.#wallAt === undefined ? now + this.#wallOffset : this.#wallAt(now);
  }

  /** Puts what changed before what it causes. */
  #settle(): void {
    const snapshot = this.#book.takeChanges();
    if (snapshot !== undefined) this.#outputs.push({ type: 'persist', snapshot });
    this.#outputs.push(...this.#effects);
    this.#effects = [];
  }
}
