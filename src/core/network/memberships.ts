/** Which networks we are in, whom we share them with, and what their policies let pass (spec/12 §1.2, §4, §6). */
import type { Instant, Millis, NodeId, Port, UnixMillis } from '../../base/units.ts';
import { decideGate } from '../../wire/policy/decide.ts';
import { type Policy, type PolicyError, parsePolicy } from '../../wire/policy/document.ts';

/** A network of which we are a member, as the registry tells it. */
export interface OwnNetwork {
  readonly network: number;
  readonly name: string;
  readonly role: string;
  /** Ours in this network. */
  readonly tags: readonly string[];
  /** Ports that may be reached; empty means all. A policy replaces the list. */
  readonly ports: readonly Port[];
  /** Text of the policy document. */
  readonly policy?: string;
}

export interface SharedNetwork {
  readonly network: number;
  /** The peer's. */
  readonly tags: readonly string[];
  readonly role: string;
  /** Unix seconds of the peer's membership. */
  readonly since: number;
}

/** What connects us with a peer besides trust. */
export interface Relation {
  readonly shared: readonly SharedNetwork[];
}

export interface Traffic {
  readonly direction: 'in' | 'out';
  /** At the destination. */
  readonly port: Port;
  readonly kind: 'stream' | 'datagram';
  /** Bytes of a datagram. */
  readonly size: number;
}

export type NetworkVerdict = 'allowed' | 'not_member' | 'policy' | 'unknown';

/** What admission needs. `unknown` is settled by asking the directory, then `answer`. */
export interface MembershipView {
  /** Network 0 stands for any network shared with the peer. */
  verdict(network: number, peer: NodeId, traffic: Traffic, now: Instant): NetworkVerdict;
  /** Whether the peer shares any network with us. */
  shares(peer: NodeId, now: Instant): 'yes' | 'no' | 'unknown';
}

/** An answer that says which networks are shared, one that says none, and one that could not be had. Chosen. */
export const POSITIVE_LIFETIME: Millis = 60_000;
export const NEGATIVE_LIFETIME: Millis = 15_000;
/** Peers remembered with a network shared, and strangers remembered as such. Chosen. */
const MEMBER_LIMIT = 8192;
const STRANGER_LIMIT = 1024;

interface Known {
  readonly relation: Relation;
  readonly until: Instant;
}

interface Own {
  readonly network: OwnNetwork;
  readonly policy: Policy | PolicyError | undefined;
}

const NOTHING_SHARED: Relation = { shared: [] };

export class Memberships implements MembershipView {
  readonly #wall: (now: Instant) => UnixMillis;
  #own = new Map<number, Own>();
  readonly #members = new Map<NodeId, Known>();
  readonly #strangers = new Map<NodeId, Known>();

  constructor(options: { readonly wall: (now: Instant) => UnixMillis }) {
    this.#wall = options.wall;
  }

  own(): readonly OwnNetwork[] {
    return [...this.#own.values()].map((own) => own.network);
  }

  /** Replaces what we are in. Answers about peers are kept; what they say of networks we have left no longer counts. */
  setOwn(networks: readonly OwnNetwork[]): void {
    const before = this.#own;
    this.#own = new Map(
      networks.map((network) => {
        const known = before.get(network.network);
        const policy =
          network.policy === undefined
            ? undefined
            : known?.network.policy === network.policy
              ? known.policy
              : parsePolicy(network.policy);
        return [network.network, { network, policy }];
      }),
    );
  }

  /** Why the policy of a network is not understood, so that nothing passes; undefined when it is, or there is none. */
  policyError(network: number): PolicyError | undefined {
    const policy = this.#own.get(network)?.policy;
    return policy !== undefined && 'error' in policy ? policy : undefined;
  }

  relation(peer: NodeId, now: Instant): Relation | 'unknown' {
    if (this.#own.size === 0) return NOTHING_SHARED;
    const known = this.#members.get(peer) ?? this.#strangers.get(peer);
    if (known === undefined || known.until <= now) return 'unknown';
    return { shared: known.relation.shared.filter((shared) => this.#own.has(shared.network)) };
  }

  /** What the directory says of a peer; `undefined` when it could not be asked, which counts as nothing for a while. */
  answer(peer: NodeId, relation: Relation | undefined, now: Instant, lifetime?: Millis): void {
    this.forget(peer);
    const isMember = relation !== undefined && relation.shared.length > 0;
    const known = isMember ? this.#members : this.#strangers;
    const length = lifetime ?? (isMember ? POSITIVE_LIFETIME : NEGATIVE_LIFETIME);
    known.set(peer, { relation: relation ?? NOTHING_SHARED, until: now + length });
    if (known.size <= (isMember ? MEMBER_LIMIT : STRANGER_LIMIT)) return;
    for (const oldest of known.keys()) {
      known.delete(oldest);
      return;
    }
  }

  /** Something changed for the peer, or for anybody: it is asked for again. */
  forget(peer?: NodeId): void {
    if (peer === undefined) {
      this.#members.clear();
      this.#strangers.clear();
    } else {
      this.#members.delete(peer);
      this.#strangers.delete(peer);
    }
  }

  shares(peer: NodeId, now: Instant): 'yes' | 'no' | 'unknown' {
    const relation = this.relation(peer, now);
    if (relation === 'unknown') return 'unknown';
    return relation.shared.length > 0 ? 'yes' : 'no';
  }

  verdict(network: number, peer: NodeId, traffic: Traffic, now: Instant): NetworkVerdict {
    if (network !== 0 && !this.#own.has(network)) return 'not_member';
    const relation = this.relation(peer, now);
    if (relation === 'unknown') return 'unknown';
    const shared = relation.shared.filter((entry) => network === 0 || entry.network === network);
    if (shared.length === 0) return 'not_member';
    return shared.some((entry) => this.#lets(entry, peer, traffic, now)) ? 'allowed' : 'policy';
  }

  #lets(shared: SharedNetwork, peer: NodeId, traffic: Traffic, now: Instant): boolean {
    const own = this.#own.get(shared.network)!;
    const { direction, port, kind, size } = traffic;
    const gate = { ports: own.network.ports, policy: own.policy };
    const decision = decideGate(gate, {
      event: kind === 'datagram' ? 'datagram' : direction === 'in' ? 'connect' : 'dial',
      peer,
      port,
      network: shared.network,
      peerAge: Math.max(0, Math.floor(this.#wall(now) / 1000) - shared.since),
      peerTags: shared.tags,
      localTags: own.network.tags,
      size,
      direction,
    });
    return decision.verdict === 'allow';
  }
}
