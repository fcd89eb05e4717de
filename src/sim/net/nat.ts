import { endpointKey } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { Link } from './link.ts';
import type { Segment } from './topology.ts';

/** On what the external port (RFC 4787 §4.1) or an inbound permission (§5) depends. */
export type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

/** The behaviours of RFC 4787 that decide who can reach whom. */
export interface NatBehaviour {
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  /** RFC 4787 §4.2. Preservation falls back to the next free port. */
  readonly ports: 'preserve' | 'sequential' | 'random';
  /** Idle time after which a mapping or a permission is gone (§4.3 asks for 2 minutes; many give 30 s). */
  readonly expiry: Millis;
  /** Inbound packets keep mappings alive too (§4.3). */
  readonly inboundRefresh: boolean;
  /** Inside hosts reach each other at external endpoints (§6). */
  readonly hairpin: boolean;
}

const FIRST_PORT = 1024;
const PORTS = 65536 - FIRST_PORT;

interface Mapping {
  readonly inside: Endpoint;
  readonly port: number;
  /** Part of the remote endpoint that this mapping is for; empty when endpoint-independent. */
  readonly scope: string;
  usedAt: number;
  /** Part of the remote endpoint that filtering looks at → last use. */
  readonly permissions: Map<string, number>;
}

/** A translator of UDP between an inside and an outside segment. */
export class Nat {
  readonly kind = 'nat';
  readonly name: string;
  readonly inside: Segment;
  readonly link: Link;
  segment: Segment;
  address: string;
  behaviour: NatBehaviour;
  /** Raised whenever all state is lost: TCP connections of an older epoch are dead. */
  epoch = 0;
  readonly #random: Random;
  readonly #byInside = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping[]>();
  #nextPort: number;

  constructor(options: {
    name: string;
    inside: Segment;
    outside: Segment;
    address: string;
    link: Link;
    behaviour: NatBehaviour;
    random: Random;
  }) {
    this.name = options.name;
    this.inside = options.inside;
    this.segment = options.outside;
    this.address = options.address;
    this.link = options.link;
    this.behaviour = options.behaviour;
    this.#random = options.random;
    this.#nextPort = FIRST_PORT + this.#random.below(PORTS);
  }

  /** The external port for a packet that leaves; creates or refreshes mapping and permission. */
  outbound(inside: Endpoint, remote: Endpoint, now: number): number | undefined {
    const scope = part(remote, this.behaviour.mapping);
    const key = `${endpointKey(inside)}>${scope}`;
    let mapping = this.#byInside.get(key);
    if (mapping !== undefined && this.#isExpired(mapping, now)) {
      this.#drop(key, mapping);
      mapping = undefined;
    }
    if (mapping === undefined) {
      const port = this.#choosePort(inside, scope, now);
      if (port === undefined) return undefined;
      mapping = { inside, port, scope, usedAt: now, permissions: new Map() };
      this.#byInside.set(key, mapping);
      const sharing = this.#byPort.get(port);
      if (sharing === undefined) this.#byPort.set(port, [mapping]);
      else sharing.push(mapping);
    }
    mapping.usedAt = now;
    mapping.permissions.set(part(remote, this.behaviour.filtering), now);
    return mapping.port;
  }

  /** Where a packet from outside goes, or undefined when no mapping or no permission exists. */
  inbound(remote: Endpoint, port: number, now: number): Endpoint | undefined {
    const { filtering, expiry, inboundRefresh } = this.behaviour;
    const permission = part(remote, filtering);
    for (const mapping of this.#byPort.get(port) ?? []) {
      if (this.#isExpired(mapping, now)) continue;
      const allowedAt =
        filtering === 'endpoint-independent' ? mapping.usedAt : mapping.permissions.get(permission);
      if (allowedAt === undefined || now - allowedAt > expiry) continue;
      if (inboundRefresh) {
        mapping.usedAt = now;
        mapping.permissions.set(permission, now);
      }
      return mapping.inside;
    }
    return undefined;
  }

  /** Loses all state, as a reboot does: the same traffic gets other ports, old inbound traffic is dropped. */
  flush(): void {
    this.#byInside.clear();
    this.#byPort.clear();
    this.#nextPort = FIRST_PORT + this.#random.below(PORTS);
    this.epoch++;
  }

  get mappings(): number {
    return this.#byInside.size;
  }

  #isExpired(mapping: Mapping, now: number): boolean {
    return now - mapping.usedAt > this.behaviour.expiry;
  }

  #drop(key: string, mapping: Mapping): void {
    this.#byInside.delete(key);
    const sharing = this.#byPort.get(mapping.port)?.filter((other) => other !== mapping) ?? [];
    if (sharing.length === 0) this.#byPort.delete(mapping.port);
    else this.#byPort.set(mapping.port, sharing);
  }

  #choosePort(inside: Endpoint, scope: string, now: number): number | undefined {
    const { ports } = this.behaviour;
    let port =
      ports === 'preserve'
        ? inside.port
        : ports === 'random'
          ? FIRST_PORT + this.#random.below(PORTS)
          : this.#nextPort;
    for (let tries = 0; tries < PORTS; tries++) {
      if (this.#isFree(port, inside, scope, now)) {
        if (ports === 'sequential') this.#nextPort = following(port);
        return port;
      }
      port = following(port);
    }
    return undefined;
  }

  /**
   * A port can carry several mappings of one inside endpoint when each is for another remote (port overloading, as
   * Linux does); otherwise it must have no live mapping.
   */
  #isFree(port: number, inside: Endpoint, scope: string, now: number): boolean {
    for (const mapping of this.#byPort.get(port) ?? []) {
      if (this.#isExpired(mapping, now)) continue;
      const shareable = this.behaviour.ports === 'preserve' && scope !== '' && mapping.scope !== scope;
      if (!shareable || endpointKey(mapping.inside) !== endpointKey(inside)) return false;
    }
    return true;
  }
}

function part(remote: Endpoint, dependence: Dependence): string {
  switch (dependence) {
    case 'endpoint-independent':
      return '';
    case 'address-dependent':
      return remote.host;
    case 'address-and-port-dependent':
      return endpointKey(remote);
  }
}

function following(port: number): number {
  return port >= 65535 ? FIRST_PORT : port + 1;
}

/** Well-known kinds of home and carrier NAT. */
export const NAT_PRESETS = {
  'full-cone': preset('endpoint-independent', 'endpoint-independent', 'preserve', 120_000),
  'address-restricted': preset('endpoint-independent', 'address-dependent', 'preserve', 60_000),
  'port-restricted': preset('endpoint-independent', 'address-and-port-dependent', 'random', 30_000),
  symmetric: preset('address-and-port-dependent', 'address-and-port-dependent', 'random', 30_000),
  /** Masquerading by Linux conntrack: keeps the port where it can, so it usually acts like port-restricted. */
  conntrack: preset('address-and-port-dependent', 'address-and-port-dependent', 'preserve', 30_000),
} as const satisfies Record<string, NatBehaviour>;

export type NatPreset = keyof typeof NAT_PRESETS;

function preset(
  mapping: Dependence,
  filtering: Dependence,
  ports: NatBehaviour['ports'],
  expiry: Millis,
): NatBehaviour {
  return { mapping, filtering, ports, expiry, inboundRefresh: true, hairpin: false };
}
