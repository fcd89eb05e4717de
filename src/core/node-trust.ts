import type { Instant, NodeId, UnixMillis } from '../base/units.ts';
import type { KeyRotation } from '../wire/key-rotation.ts';
import type { Approval, RelayedRequest, RelayedResponse, RelayedRevoke, Trust } from './trust/trust.ts';
import type {
  OutgoingRequest,
  PendingRequest,
  Terms,
  TrustRecord,
  TrustTarget,
  TrustTombstone,
} from './trust/types.ts';

/** What a node's owner does with its trust: every call is one mutation of the whole node. */
export abstract class NodeTrust {
  protected readonly trust: Trust;
  protected readonly wall: (now: Instant) => UnixMillis;

  constructor(trust: Trust, wall: (now: Instant) => UnixMillis) {
    this.trust = trust;
    this.wall = wall;
  }

  /** Carries out what the mutation caused; returns `result`. */
  protected abstract settled<Result>(result: Result, now: Instant): Result;

  /** Asks for trust, or for other terms of a trust that exists. Narrower ones of ours take effect at once. */
  requestTrust(
    target: TrustTarget,
    justification: string,
    terms: Terms,
    now: Instant,
  ): ReturnType<Trust['request']> {
    return this.settled(this.trust.request(target, justification, terms, this.wall(now), now), now);
  }

  approve(node: NodeId, approval: Approval, now: Instant): ReturnType<Trust['approve']> {
    return this.settled(this.trust.approve(node, approval, this.wall(now), now), now);
  }

  reject(node: NodeId, reason: string, now: Instant): ReturnType<Trust['reject']> {
    return this.settled(this.trust.reject(node, reason, this.wall(now), now), now);
  }

  untrust(node: NodeId, reason: string, now: Instant): ReturnType<Trust['untrust']> {
    return this.settled(this.trust.untrust(node, reason, this.wall(now), now), now);
  }

  relayedRequest(request: RelayedRequest, now: Instant): void {
    this.settled(this.trust.relayedRequest(request, this.wall(now), now), now);
  }

  relayedResponse(response: RelayedResponse, now: Instant): void {
    this.settled(this.trust.relayedResponse(response, this.wall(now), now), now);
  }

  relayedRevoke(revoke: RelayedRevoke, now: Instant): void {
    this.settled(this.trust.relayedRevoke(revoke, this.wall(now), now), now);
  }

  /** Answers `rotations`: the peer's signed key rotations, in any order. Those that don't lead on from its pinned key change nothing. */
  keyRotated(peer: NodeId, rotations: readonly KeyRotation[], now: Instant): void {
    this.settled(this.trust.keyRotated(peer, rotations, now), now);
  }

  /** The registry can be reached again. */
  registryBack(now: Instant): void {
    this.settled(this.trust.registryBack(now), now);
  }

  registryDone(...args: Parameters<Trust['registryDone']>): void {
    this.trust.registryDone(...args);
    this.settled(undefined, args[args.length - 1] as Instant);
  }

  isTrusted(node: NodeId): boolean {
    return this.trust.isTrusted(node);
  }
  trusted(): readonly TrustRecord[] {
    return this.trust.trusted();
  }
  pending(): readonly PendingRequest[] {
    return this.trust.pending();
  }
  outgoing(): readonly OutgoingRequest[] {
    return this.trust.outgoing();
  }
  /** One peer's trust; undefined without. */
  trustIn(node: NodeId): TrustRecord | undefined {
    return this.trust.record(node);
  }
  /** What counts with a trusted peer now, from our side: what the certificate and our own terms both allow. */
  effectiveTerms(node: NodeId): Terms | undefined {
    return this.trust.effective(node);
  }
  /** How trust in this peer ended; undefined when it never did, or lasts again. */
  tombstone(node: NodeId): TrustTombstone | undefined {
    return this.trust.tombstone(node);
  }
}
