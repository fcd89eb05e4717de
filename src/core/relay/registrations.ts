import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { ENTRY_LIFETIME, FRESH, RELAY_BURST, RELAY_RATE } from './limits.ts';
import type { RelayEntry } from './types.ts';

interface Registration {
  readonly node: NodeId;
  readonly endpoint: Endpoint;
  readonly proven: boolean;
  /** Last registration: decides who gives way. */
  registeredAt: Instant;
  /** Last sign of life, relayed frames included: decides when the entry lapses. */
  seenAt: Instant;
  /** Bytes this node may still relay. */
  allowance: number;
  allowanceAt: Instant;
}

export type RegistrationOutcome = 'added' | 'refreshed' | 'moved' | 'held' | 'full';

/**
 * Which node is where. Without proof a node id belongs to the source that used it first, until it has been silent for
 * two minutes; with proof it belongs to the holder of the key. The table is bounded: what is stale and unproven goes
 * first, and one host can't fill it.
 */
export class Registrations {
  readonly #entries = new Map<NodeId, Registration>();
  /** Nodes without proof, the longest silent first. */
  readonly #unproven = new Set<NodeId>();
  readonly #unprovenOfHost = new Map<string, number>();
  readonly #limit: number;
  readonly #limitPerHost: number;

  constructor(limit: number, limitPerHost: number) {
    this.#limit = limit;
    this.#limitPerHost = limitPerHost;
  }

  get size(): number {
    return this.#entries.size;
  }
  get provenSize(): number {
    return this.#entries.size - this.#unproven.size;
  }

  endpoint(node: NodeId): Endpoint | undefined {
    return this.#entries.get(node)?.endpoint;
  }
  isProven(node: NodeId): boolean {
    return this.#entries.get(node)?.proven ?? false;
  }
  isAt(node: NodeId, endpoint: Endpoint): boolean {
    const entry = this.#entries.get(node);
    return entry !== undefined && sameEndpoint(entry.endpoint, endpoint);
  }

  /** A registration that proves nothing. */
  claim(node: NodeId, from: Endpoint, now: Instant): RegistrationOutcome {
    const entry = this.#entries.get(node);
    if (entry === undefined) return this.#add(node, from, false, now);
    if (sameEndpoint(entry.endpoint, from)) {
      this.#refresh(entry, now);
      return 'refreshed';
    }
    if (entry.proven || now - entry.registeredAt < FRESH) return 'held';
    if (from.host !== entry.endpoint.host && !this.#hasRoomFor(from.host)) return 'full';
    this.#remove(entry);
    this.#add(node, from, false, now);
    return 'moved';
  }

  /** A registration whose sender proved to hold the node's key. */
  prove(node: NodeId, from: Endpoint, now: Instant): RegistrationOutcome {
    const entry = this.#entries.get(node);
    if (entry?.proven && sameEndpoint(entry.endpoint, from)) {
      this.#refresh(entry, now);
      return 'refreshed';
    }
    const hasMoved = entry !== undefined && !sameEndpoint(entry.endpoint, from);
    if (entry !== undefined) this.#remove(entry);
    const outcome = this.#add(node, from, true, now);
    return outcome === 'added' && hasMoved ? 'moved' : outcome;
  }

  /** Counts `bytes` against what the node may relay; false when it may not. Relaying keeps the entry alive. */
  spend(node: NodeId, bytes: number, now: Instant): boolean {
    const entry = this.#entries.get(node);
    if (entry === undefined) return false;
    entry.seenAt = now;
    const gained = ((now - entry.allowanceAt) * RELAY_RATE) / 1000;
    entry.allowance = Math.min(RELAY_BURST, entry.allowance + Math.max(0, gained));
    entry.allowanceAt = now;
    if (entry.allowance < bytes) return false;
    entry.allowance -= bytes;
    return true;
  }

  sweep(now: Instant): void {
    for (const entry of this.#entries.values()) {
      if (now - entry.seenAt >= ENTRY_LIFETIME) this.#remove(entry);
    }
  }

  /** Up to `limit` node ids, those registered last. */
  latest(limit: number): NodeId[] {
    const skip = Math.max(0, this.#entries.size - limit);
    const nodes: NodeId[] = [];
    let at = 0;
    for (const node of this.#entries.keys()) if (at++ >= skip) nodes.push(node);
    return nodes;
  }

  entries(): RelayEntry[] {
    return Array.from(this.#entries.values(), ({ node, endpoint, seenAt, proven }) => ({
      node,
      endpoint,
      seenAt,
      proven,
    }));
  }

  #add(node: NodeId, endpoint: Endpoint, proven: boolean, now: Instant): 'added' | 'full' {
    if (!proven && !this.#hasRoomFor(endpoint.host)) return 'full';
    if (this.#entries.size >= this.#limit && !this.#makeRoom(proven, now)) return 'full';
    this.#entries.set(node, {
      node,
      endpoint,
      proven,
      registeredAt: now,
      seenAt: now,
      allowance: RELAY_BURST,
      allowanceAt: now,
    });
    if (!proven) {
      this.#unproven.add(node);
      this.#unprovenOfHost.set(endpoint.host, (this.#unprovenOfHost.get(endpoint.host) ?? 0) + 1);
    }
    return 'added';
  }

  #refresh(entry: Registration, now: Instant): void {
    entry.registeredAt = now;
    entry.seenAt = now;
    this.#entries.delete(entry.node);
    this.#entries.set(entry.node, entry);
    if (this.#unproven.delete(entry.node)) this.#unproven.add(entry.node);
  }

  #remove(entry: Registration): void {
    this.#entries.delete(entry.node);
    if (!this.#unproven.delete(entry.node)) return;
    const count = (this.#unprovenOfHost.get(entry.endpoint.host) ?? 1) - 1;
    if (count === 0) this.#unprovenOfHost.delete(entry.endpoint.host);
    else this.#unprovenOfHost.set(entry.endpoint.host, count);
  }

  #hasRoomFor(host: string): boolean {
    return (this.#unprovenOfHost.get(host) ?? 0) < this.#limitPerHost;
  }

  /** A stranger gets the place of a stale unproven entry, a proven node that of any unproven one. */
  #makeRoom(proven: boolean, now: Instant): boolean {
    const oldest = this.#entries.get(this.#unproven.values().next().value ?? -1);
    if (oldest === undefined || (!proven && now - oldest.registeredAt < FRESH)) return false;
    this.#remove(oldest);
    return true;
  }
}
