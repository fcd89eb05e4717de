import type { Bytes, Instant, Millis, NetworkId, NodeId, Port } from '../base/units.ts';
import { hasPort } from '../wire/ports.ts';
import { Flows } from './admission-flows.ts';
import type { MembershipView, NetworkVerdict } from './network/memberships.ts';
import type { Denial } from './node-types.ts';
import type { Scope } from './trust/certificates.ts';
import { TRUST_PORT } from './trust-channel.ts';
import { TokenBucket } from './tunnel/token-bucket.ts';

const MINUTE: Millis = 60_000;
/** Peers whose rate is kept in mind. Chosen; a limit begins anew for a peer that was pushed out. */
const BUCKET_LIMIT = 4096;

/** What admission knows of trust. */
export interface TrustView {
  scope(peer: NodeId): Scope | undefined;
  /** A question of ours to this peer is open. */
  isAsking(peer: NodeId): boolean;
  /** Our withdrawal still has to reach the peer. */
  isTelling(peer: NodeId): boolean;
}

/** Something that wants to begin: a stream, or a datagram. */
export interface Opening {
  readonly direction: 'in' | 'out';
  readonly peer: NodeId;
  /** Of the destination address; the source's is the same, or nothing is let through. */
  readonly network: NetworkId;
  /** At the destination. */
  readonly port: Port;
  /** At the source; of datagrams. */
  readonly sourcePort?: Port;
  readonly kind: 'stream' | 'datagram';
  readonly size: Bytes;
}

/** `unknown`: the directory has to be asked what we share with the peer. */
export type Verdict = 'allowed' | 'unknown' | { readonly denied: Denial };

const UNTRUSTED: Verdict = { denied: 'untrusted' };

/** The one place that decides who may reach whom on which port. docs/decisions/0010 */
export class Admission {
  readonly #trust: TrustView;
  readonly #memberships: MembershipView | undefined;
  readonly #flows = new Flows();
  readonly #buckets = new Map<string, { readonly opens: number; readonly bucket: TokenBucket }>();
  isPublic: boolean;

  constructor(options: {
    trust: TrustView;
    memberships: MembershipView | undefined;
    isPublic: boolean;
  }) {
    this.#trust = options.trust;
    this.#memberships = options.memberships;
    this.isPublic = options.isPublic;
  }

  /** Decides and, when it allows, counts the opening. */
  verdict(opening: Opening, now: Instant): Verdict {
    const place = opening.kind === 'datagram' ? this.#flows.find(opening, now) : undefined;
    // Both ends of a flow agreed to it when it began.
    if (place === 'answer') return 'allowed';
    const verdict = this.allows(opening, now);
    // Policies look at each datagram; rates count flows.
    if (verdict !== 'allowed' || place === 'onward') return verdict;
    if (!this.#isInRate(opening, now)) return { denied: 'rate' };
    if (opening.kind === 'datagram') this.#flows.add(opening, now);
    return 'allowed';
  }

  /** Decides without counting. */
  allows(opening: Opening, now: Instant): Verdict {
    const { direction, peer, network, port, kind } = opening;
    if (network !== 0) return this.#inNetwork(opening, now);
    if (direction === 'in' && this.isPublic) return 'allowed';
    const scope = this.#trust.scope(peer);
    if (kind === 'stream' && port === TRUST_PORT) return this.#trustPort(opening, scope, now);
    if (scope === undefined) {
      const shared = this.#shared(opening, now);
      if (shared === 'policy') return { denied: 'policy' };
      if (shared === 'not_member') {
        // A peer that has not heard of our withdrawal would still let us in.
        if (direction === 'in' || this.#trust.isTelling(peer)) return UNTRUSTED;
        // Whether the peer is public, only the peer knows.
        return 'allowed';
      }
      return shared;
    }
    if (hasPort(direction === 'in' ? scope.give : scope.get, port)) return 'allowed';
    const shared = this.#shared(opening, now);
    return shared === 'allowed' || shared === 'unknown' ? shared : { denied: 'scope' };
  }

  /** Whether a peer may know that we are here: the rest stays silent towards it. */
  admits(peer: NodeId, now: Instant): 'yes' | 'no' | 'unknown' {
    if (this.isKnown(peer) || this.#trust.isTelling(peer)) return 'yes';
    return this.#memberships?.shares(peer, now) ?? 'no';
  }

  /** Whether a peer gets answers to pings, and may ask for trust without the registry. */
  answers(peer: NodeId, now: Instant): boolean {
    return this.isKnown(peer) || this.#memberships?.shares(peer, now) === 'yes';
  }

  /** Public here, trusted, or asked by us: gets answers to pings, and resets for streams that are gone. */
  isKnown(peer: NodeId): boolean {
    return this.isPublic || this.#trust.scope(peer) !== undefined || this.#trust.isAsking(peer);
  }

  /** Trusted, or a member of a network of ours: more than a stranger whom a public node lets in. */
  isAcquainted(peer: NodeId, now: Instant): boolean {
    return this.#trust.scope(peer) !== undefined || this.#memberships?.shares(peer, now) === 'yes';
  }

  /** What was agreed with the peer changed: its flows have to begin anew. */
  forget(peer: NodeId): void {
    this.#flows.forget(peer);
  }

  /** The same for everything that rests on a network. */
  forgetMembers(): void {
    this.#flows.forgetWhere((peer, network) => network !== 0 || this.#trust.scope(peer) === undefined);
  }

  #inNetwork(opening: Opening, now: Instant): Verdict {
    const verdict = this.#memberships?.verdict(opening.network, opening.peer, opening, now) ?? 'not_member';
    return verdict === 'allowed' || verdict === 'unknown' ? verdict : { denied: verdict };
  }

  #shared(opening: Opening, now: Instant): NetworkVerdict {
    return this.#memberships?.verdict(0, opening.peer, opening, now) ?? 'not_member';
  }

  /** Trust can be asked for by whoever may know that we are here, and each side must hear the other's last word. */
  #trustPort({ direction, peer }: Opening, scope: Scope | undefined, now: Instant): Verdict {
    if (direction === 'out' || scope !== undefined) return 'allowed';
    const admits = this.admits(peer, now);
    if (admits === 'no') return UNTRUSTED;
    return admits === 'yes' ? 'allowed' : 'unknown';
  }

  #isInRate({ direction, peer, network, port, kind }: Opening, now: Instant): boolean {
    const scope = network === 0 ? this.#trust.scope(peer) : undefined;
    const opens = direction === 'in' ? scope?.giveOpens : scope?.getOpens;
    if (opens === undefined || (kind === 'stream' && port === TRUST_PORT)) return true;
    if (direction === 'in' && this.isPublic) return true;
    const name = `${direction}${peer}`;
    let known = this.#buckets.get(name);
    if (known?.opens !== opens) {
      known = { opens, bucket: new TokenBucket((opens * 1000) / MINUTE, opens) };
      this.#buckets.delete(name);
      if (this.#buckets.size >= BUCKET_LIMIT) this.#buckets.delete(this.#buckets.keys().next().value!);
      this.#buckets.set(name, known);
    }
    return known.bucket.take(now);
  }
}
