import { sameEndpoint } from '../../base/endpoint.ts';
import type { Bytes, Endpoint, Instant, NodeId } from '../../base/units.ts';
import { type Family, familyOf } from './family.ts';
import { ENTRY_LIFETIME, FRESH, RELAY_BURST, RELAY_RATE } from './limits.ts';
import type { RelayEntry } from './types.ts';

/** One way to a node: its endpoint of one family, or a stream it holds open. */
interface Home {
  readonly family: Family;
  readonly endpoint: Endpoint;
  /** Last registration or relayed frame from there: frames for the node go to the home heard last. */
  heardAt: Instant;
}

interface Registration {
  readonly node: NodeId;
  /** One per family, the one heard last first. Without proof there is only one. */
  homes: Home[];
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
 * two minutes; with proof it belongs to the holder of the key, who may have one home per family and a stream. The table
 * is bounded: what is stale and unproven goes first, and one host can't fill it.
 */
export class Registrations {
  readonly #entries = new Map<NodeId, Registration>();
  /** Nodes without proof, the longest silent first. */
  readonly #unproven = new Set<NodeId>();
  readonly #unprovenOfHost = new Map<string, number>();
  readonly #limit: number;
  readonly #limitPerHost: number;
  readonly #rate: Bytes;
  readonly #burst: Bytes;

  /** `rate`: bytes a second that one node may relay. */
  constructor(limit: number, limitPerHost: number, rate: Bytes = RELAY_RATE) {
    this.#limit = limit;
    this.#limitPerHost = limitPerHost;
    this.#rate = rate;
    this.#burst = Math.min(RELAY_BURST, rate);
  }

  get size(): number {
    return this.#entries.size;
  }
  get provenSize(): number {
    return this.#entries.size - this.#unproven.size;
  }

  /** Where frames for the node go: the home heard last. */
  endpoint(node: NodeId): Endpoint | undefined {
    return this.#entries.get(node)?.homes[0]?.endpoint;
  }
  /** The node's UDP endpoint of this family. */
  endpointOf(node: NodeId, family: Family): Endpoint | undefined {
    return this.#entries.get(node)?.homes.find((home) => home.family === family)?.endpoint;
  }
  isProven(node: NodeId): boolean {
    return this.#entries.get(node)?.proven ?? false;
  }
  isAt(node: NodeId, endpoint: Endpoint): boolean {
    const entry = this.#entries.get(node);
    return entry !== undefined && homeAt(entry, endpoint) !== undefined;
  }

  /** A registration that proves nothing. */
  claim(node: NodeId, from: Endpoint, now: Instant): RegistrationOutcome {
    const entry = this.#entries.get(node);
    if (entry === undefined) return this.#add(node, from, false, now);
    const home = homeAt(entry, from);
    if (home !== undefined) {
      this.#refresh(entry, home, now);
      return 'refreshed';
    }
    if (entry.proven || now - entry.registeredAt < FRESH) return 'held';
    const before = entry.homes[0];
    if (from.host !== before?.endpoint.host && !this.#hasRoomFor(from.host)) return 'full';
    this.#remove(entry);
    this.#add(node, from, false, now);
    return 'moved';
  }

  /** A registration whose sender proved to hold the node's key. */
  prove(node: NodeId, from: Endpoint, now: Instant): RegistrationOutcome {
    const entry = this.#entries.get(node);
    if (entry?.proven !== true) {
      const hasMoved = entry !== undefined && homeAt(entry, from) === undefined;
      if (entry !== undefined) this.#remove(entry);
      const outcome = this.#add(node, from, true, now);
      return outcome === 'added' && hasMoved ? 'moved' : outcome;
    }
    const home = homeAt(entry, from);
    if (home !== undefined) {
      this.#refresh(entry, home, now);
      return 'refreshed';
    }
    const family = familyOf(from);
    const moved = entry.homes.some((one) => one.family === family);
    entry.homes = entry.homes.filter((one) => one.family !== family);
    entry.homes.unshift({ family, endpoint: from, heardAt: now });
    this.#touch(entry, now);
    return moved ? 'moved' : 'added';
  }

  /** The stream is closed: nothing can be delivered there any more. */
  drop(node: NodeId, endpoint: Endpoint): void {
    const entry = this.#entries.get(node);
    if (entry === undefined || homeAt(entry, endpoint) === undefined) return;
    entry.homes = entry.homes.filter((home) => !sameEndpoint(home.endpoint, endpoint));
    if (entry.homes.length === 0) this.#remove(entry);
  }

  /**
   * Counts `bytes` that the node relays from `from` against what it may; false when it may not. Relaying keeps the
   * entry alive.
   */
  spend(node: NodeId, from: Endpoint, bytes: number, now: Instant): boolean {
    const entry = this.#entries.get(node);
    if (entry === undefined) return false;
    entry.seenAt = now;
    const home = entry.homes[0];
    if (home !== undefined && sameEndpoint(home.endpoint, from)) home.heardAt = now;
    else heard(entry, from, now);
    const gained = ((now - entry.allowanceAt) * this.#rate) / 1000;
    entry.allowance = Math.min(this.#burst, entry.allowance + Math.max(0, gained));
    entry.allowanceAt = now;
    if (entry.allowance < bytes) return false;
    entry.allowance -= bytes;
    return true;
  }

  sweep(now: Instant): void {
    for (const entry of this.#entries.values()) {
      if (now - entry.seenAt >= ENTRY_LIFETIME) this.#remove(entry);
      else if (entry.homes.length > 1)
        // A stream says itself when it ends.
        entry.homes = entry.homes.filter(
          ({ family, heardAt }) => family === 'stream' || now - heardAt < ENTRY_LIFETIME,
        );
    }
  }

  /** The node is served no longer. */
  forget(node: NodeId): void {
    const entry = this.#entries.get(node);
    if (entry !== undefined) this.#remove(entry);
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
    return Array.from(this.#entries.values(), ({ node, homes, seenAt, proven }) => ({
      node,
      endpoint: homes[0]!.endpoint,
      endpoints: homes.map((home) => home.endpoint),
      seenAt,
      proven,
    }));
  }

  #add(node: NodeId, endpoint: Endpoint, proven: boolean, now: Instant): 'added' | 'full' {
    if (!proven && !this.#hasRoomFor(endpoint.host)) return 'full';
    if (this.#entries.size >= this.#limit && !this.#makeRoom(proven, now)) return 'full';
    this.#entries.set(node, {
      node,
      homes: [{ family: familyOf(endpoint), endpoint, heardAt: now }],
      proven,
      registeredAt: now,
      seenAt: now,
      allowance: this.#burst,
      allowanceAt: now,
    });
    if (!proven) {
      this.#unproven.add(node);
      this.#unprovenOfHost.set(endpoint.host, (this.#unprovenOfHost.get(endpoint.host) ?? 0) + 1);
    }
    return 'added';
  }

  #refresh(entry: Registration, home: Home, now: Instant): void {
    heard(entry, home.endpoint, now);
    this.#touch(entry, now);
  }

  #touch(entry: Registration, now: Instant): void {
    entry.registeredAt = now;
    entry.seenAt = now;
    this.#entries.delete(entry.node);
    this.#entries.set(entry.node, entry);
    if (this.#unproven.delete(entry.node)) this.#unproven.add(entry.node);
  }

  #remove(entry: Registration): void {
    this.#entries.delete(entry.node);
    if (!this.#unproven.delete(entry.node)) return;
    const host = entry.homes[0]?.endpoint.host ?? '';
    const count = (this.#unprovenOfHost.get(host) ?? 1) - 1;
    if (count === 0) this.#unprovenOfHost.delete(host);
    else this.#unprovenOfHost.set(host, count);
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

function homeAt(entry: Registration, endpoint: Endpoint): Home | undefined {
  for (const home of entry.homes) if (sameEndpoint(home.endpoint, endpoint)) return home;
  return undefined;
}

/** Moves the home to the front: it was heard last. */
function heard(entry: Registration, endpoint: Endpoint, now: Instant): void {
  const { homes } = entry;
  const at = homes.findIndex((home) => sameEndpoint(home.endpoint, endpoint));
  const home = homes[at];
  if (home === undefined) return;
  home.heardAt = now;
  if (at > 0) homes.unshift(...homes.splice(at, 1));
}
