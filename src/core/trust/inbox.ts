import { toHex, utf8 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Instant, NodeId, UnixMillis } from '../../base/units.ts';
import {
  JUSTIFICATION_LIMIT,
  REPLAY_LIMIT,
  REPLAY_RETENTION,
  REQUEST_LIFETIME,
  SIGNED_MAX_SKEW,
} from './limits.ts';
import { type Claim, type ClaimError, isSignedBy, type Recipient, readClaim } from './messages.ts';
import { WaitingRoom } from './waiting-room.ts';

/** A request the registry hands over. */
export interface RelayedRequest {
  readonly from: NodeId;
  readonly justification: string;
  /** When the registry stored it, unix seconds. */
  readonly timestamp: number;
  /** The signed message, JSON; absent with old peers and old registries. */
  readonly message?: string | undefined;
}

/** An answer the registry hands over. */
export interface RelayedResponse {
  readonly from: NodeId;
  readonly accept: boolean;
  /** When the registry stored it, unix seconds. */
  readonly timestamp: number;
  /** The signed message, JSON; absent with old peers and old registries. */
  readonly message?: string | undefined;
}

/** A revocation the registry hands over. */
export interface RelayedRevoke {
  readonly from: NodeId;
  /** The signed message, JSON; absent with old peers. */
  readonly message?: string | undefined;
}

export type RefusalReason =
  | ClaimError
  | 'key_mismatch'
  | 'key_changed'
  | 'key_unknown'
  | 'bad_signature'
  | 'replayed'
  | 'too_many_waiting'
  | 'wrong_type'
  | 'stale'
  | 'not_admitted'
  | 'unsolicited'
  | 'too_many_trusted'
  | 'certificate_invalid';

export type Arrival =
  | { readonly kind: 'verified'; readonly claim: Claim; readonly key: Uint8Array }
  | { readonly kind: 'refused'; readonly peer: NodeId; readonly reason: RefusalReason }
  /** Kept until the directory names the sender's key. */
  | { readonly kind: 'held'; readonly peer: NodeId; readonly ask: boolean };

/** Lets through only what provably comes from the peer it names, or what the registry alone can vouch for. */
export class Inbox {
  readonly #crypto: Crypto;
  readonly #pinnedKey: (peer: NodeId) => Uint8Array | undefined;
  readonly #waiting = new WaitingRoom();
  /** Digest of each message of old peers, with when it may be forgotten. */
  readonly #seen = new Map<string, Instant>();

  /** `pinnedKey` gives the key that was pinned when the peer became trusted. */
  constructor(crypto: Crypto, pinnedKey: (peer: NodeId) => Uint8Array | undefined) {
    this.#crypto = crypto;
    this.#pinnedKey = pinnedKey;
  }

  /** Without `mayAsk` only answers and withdrawals are taken. */
  direct(
    source: NodeId,
    bytes: Uint8Array,
    us: Recipient,
    { mayAsk, wall, now }: { mayAsk: boolean; wall: UnixMillis; now: Instant },
  ): Arrival {
    const claim = readClaim(bytes, source, us, 'direct', wall);
    if (typeof claim === 'string') return refused(source, claim);
    if (!mayAsk && claim.type === 'handshake_request') return refused(source, 'not_admitted');
    if (!claim.signed && this.#isRepeated(bytes, now)) return refused(source, 'replayed');
    return this.#identify(claim, us, now);
  }

  relayedRequest(request: RelayedRequest, us: Recipient, wall: UnixMillis, now: Instant): Arrival {
    return this.#relayed(request, 'handshake_request', us, wall, now);
  }

  relayedResponse(response: RelayedResponse, us: Recipient, wall: UnixMillis, now: Instant): Arrival {
    return this.#relayed(response, response.accept ? 'handshake_accept' : 'handshake_reject', us, wall, now);
  }

  relayedRevoke(revoke: RelayedRevoke, us: Recipient, wall: UnixMillis, now: Instant): Arrival {
    return this.#relayed(
      { ...revoke, timestamp: Math.floor(wall / 1000) },
      'handshake_revoke',
      us,
      wall,
      now,
    );
  }

  keyArrived(peer: NodeId, key: Uint8Array | undefined, us: Recipient, now: Instant): Arrival[] {
    if (key === undefined) {
      return this.#waiting.keyMissing(peer).map((claim) => refused(claim.from, 'key_unknown'));
    }
    return this.#waiting.keyArrived(peer, key, now).map((claim) => this.#verify(claim, key, us));
  }

  handleTimeout(now: Instant): Arrival[] {
    const { ask, expired } = this.#waiting.handleTimeout(now);
    return [
      ...expired.map((claim) => refused(claim.from, 'key_unknown')),
      ...ask.map((peer): Arrival => ({ kind: 'held', peer, ask: true })),
    ];
  }

  nextTimeout(): Instant | undefined {
    return this.#waiting.nextTimeout();
  }

  #relayed(
    relayed: { from: NodeId; timestamp: number; justification?: string; message?: string | undefined },
    type: Claim['type'],
    us: Recipient,
    wall: UnixMillis,
    now: Instant,
  ): Arrival {
    const { from, timestamp, message } = relayed;
    if (message !== undefined && message !== '') {
      const claim = readClaim(utf8(message), from, us, 'relay', wall);
      if (typeof claim === 'string') return refused(from, claim);
      if (claim.type !== type) return refused(from, 'wrong_type');
      if (!claim.signed) return refused(from, 'unsigned');
      return this.#identify(claim, us, now);
    }
    const justification = relayed.justification ?? '';
    if (from === us.node) return refused(from, 'from_ourselves');
    if (utf8(justification).length > JUSTIFICATION_LIMIT) return refused(from, 'justification_too_large');
    const age = wall - timestamp * 1000;
    if (age > REQUEST_LIFETIME) return refused(from, 'too_old');
    if (age < -SIGNED_MAX_SKEW) return refused(from, 'in_the_future');
    const vouched: Claim = {
      from,
      type,
      route: 'relay',
      justification,
      reason: '',
      timestamp,
      id: '',
      replyTo: '',
      message: undefined,
      signed: false,
      text: '',
    };
    return this.#identify(vouched, us, now);
  }

  #identify(claim: Claim, us: Recipient, now: Instant): Arrival {
    const pinned = this.#pinnedKey(claim.from);
    const key = pinned ?? this.#waiting.knownKey(claim.from, now);
    if (key !== undefined) {
      const arrival = this.#verify(claim, key, us);
      const isMismatch = arrival.kind === 'refused' && arrival.reason === 'key_mismatch';
      if (pinned !== undefined || !isMismatch) return arrival;
      // The peer may have replaced its key since the directory was asked.
      this.#waiting.forgetKey(claim.from);
    }
    const held = this.#waiting.hold(claim, now);
    if (held === 'full') return refused(claim.from, 'too_many_waiting');
    return { kind: 'held', peer: claim.from, ask: held === 'ask' };
  }

  #verify(claim: Claim, key: Uint8Array, us: Recipient): Arrival {
    const pinned = this.#pinnedKey(claim.from);
    const result = isSignedBy(this.#crypto, claim, pinned ?? key, us.node);
    if (result === 'ok') return { kind: 'verified', claim, key: pinned ?? key };
    if (result === 'key_mismatch' && pinned !== undefined) return refused(claim.from, 'key_changed');
    return refused(claim.from, result);
  }

  /** A full set forgets its oldest entry rather than shut everyone out. */
  #isRepeated(bytes: Uint8Array, now: Instant): boolean {
    for (const [digest, until] of this.#seen) {
      if (until > now) break;
      this.#seen.delete(digest);
    }
    const digest = toHex(this.#crypto.sha256(bytes));
    if (this.#seen.has(digest)) return true;
    if (this.#seen.size >= REPLAY_LIMIT) this.#seen.delete(this.#seen.keys().next().value!);
    this.#seen.set(digest, now + REPLAY_RETENTION);
    return false;
  }
}

function refused(peer: NodeId, reason: RefusalReason): Arrival {
  return { kind: 'refused', peer, reason };
}
