import { PilotError } from '../../api/errors.ts';
import { utf8 } from '../../base/bytes.ts';
import type { Crypto, SigningKey } from '../../base/crypto.ts';
import type { Machine } from '../../base/machine.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import { TrustBook } from './book.ts';
import { Correspondence, type RegistryCall } from './correspondence.ts';
import { Decisions } from './decisions.ts';
import type { RelayedRequest, RelayedResponse, RelayedRevoke } from './inbox.ts';
import { type Arrival, Inbox } from './inbox.ts';
import { JUSTIFICATION_LIMIT } from './limits.ts';
import type { Recipient } from './messages.ts';
import type {
  ApprovedBy,
  OutgoingRequest,
  PendingRequest,
  Terms,
  TrustOutput,
  TrustRecord,
  TrustSnapshot,
  TrustTarget,
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
  /** `autoApprove` trusts whoever asks. @default false */
  readonly config?: { readonly autoApprove?: boolean } | undefined;
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
  readonly #decisions: Decisions;
  readonly #outputs: TrustOutput[] = [];
  #effects: TrustOutput[] = [];
  #node: NodeId;
  #hostname: string | undefined;
  #now: Instant = 0;
  #wallOffset = 0;

  constructor(options: TrustOptions) {
    this.#wallAt = options.wall;
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
    this.#correspondence = new Correspondence({ ...common, identity: options.identity });
    this.#decisions = new Decisions({
      ...common,
      correspondence: this.#correspondence,
      autoApprove: options.config?.autoApprove ?? false,
    });
    this.#correspondence.setNode(this.#node);
    this.#correspondence.resume();
  }

  /** Our node id; nothing is sent before it is known. */
  setNode(node: NodeId): void {
    this.#node = node;
    this.#correspondence.setNode(node);
  }

  /** The name under which others may ask for us. */
  setHostname(hostname: string | undefined): void {
    this.#hostname = hostname;
  }

  isTrusted(node: NodeId): boolean {
    return this.#book.record(node) !== undefined;
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
    const node = 'node' in target ? target.node : undefined;
    const hostname = 'hostname' in target ? target.hostname.toLowerCase() : undefined;
    this.#checkTarget(node, hostname, justification);
    if (node !== undefined && this.isTrusted(node)) return { requestId: '', status: 'already_trusted' };
    const pending = node === undefined ? undefined : this.#book.pendingOf(node);
    if (pending !== undefined && this.#decisions.approvePending(pending, 'mutual', now)) {
      this.#settle();
      return { requestId: pending.requestId, status: 'approved' };
    }
    const open = node === undefined ? this.#book.outgoingNamed(hostname ?? '') : this.#book.outgoingTo(node);
    const request = open ?? this.#decisions.newRequest(node, hostname, justification, terms, wall);
    this.#correspondence.request(request, open !== undefined, now);
    this.#settle();
    return { requestId: request.requestId, status: 'sent' };
  }

  /** Trusts a peer that asked. Approving twice is harmless. */
  approve(node: NodeId, _grant: Approval, wall: UnixMillis, now: Instant): 'approved' | 'not_pending' {
    this.#setWall(wall, now);
    const pending = this.#book.pendingOf(node);
    if (pending !== undefined) this.#decisions.approvePending(pending, 'approval', now);
    this.#settle();
    return this.isTrusted(node) ? 'approved' : 'not_pending';
  }

  /** Declines a request and tells its sender. */
  reject(node: NodeId, reason: string, wall: UnixMillis, now: Instant): 'rejected' | 'not_pending' {
    this.#setWall(wall, now);
    const pending = this.#book.pendingOf(node);
    if (pending === undefined) return 'not_pending';
    this.#book.deletePending(node);
    this.#decisions.answer(node, pending.requestId, 'rejected', reason.slice(0, REASON_LIMIT), now);
    this.#effects.push({ type: 'event', event: { name: 'handshake.rejected', peer: node, reason } });
    this.#settle();
    return 'rejected';
  }

  /**
   * Withdraws trust, or a request that has not been answered. Lasting: the peer is told, and is trusted again only
   * when both sides ask or approve anew.
   */
  untrust(node: NodeId, _reason: string, wall: UnixMillis, now: Instant): 'revoked' | 'not_trusted' {
    this.#setWall(wall, now);
    const isWithdrawn = this.#decisions.withdraw(node, now);
    this.#settle();
    return isWithdrawn ? 'revoked' : 'not_trusted';
  }

  /** A message that came to port 444 over the tunnel of `source`. */
  directMessage(source: NodeId, bytes: Uint8Array, wall: UnixMillis, now: Instant): void {
    this.#setWall(wall, now);
    this.#arrived(this.#inbox.direct(source, bytes, this.#us(), wall, now), now);
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

  handleTimeout(now: Instant): void {
    this.#now = now;
    for (const arrival of this.#inbox.handleTimeout(now)) this.#arrived(arrival, now);
    this.#correspondence.run(now);
    this.#settle();
  }

  nextTimeout(): Instant | undefined {
    const next = Math.min(
      this.#inbox.nextTimeout() ?? Number.POSITIVE_INFINITY,
      this.#correspondence.nextTimeout() ?? Number.POSITIVE_INFINITY,
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
            this.#decisions.onRevoke(arrival.claim, now);
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
