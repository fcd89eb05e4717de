import type { Endpoint, Millis } from '../../base/units.ts';
import type { Host } from './host.ts';
import type { Direction, Link, Transit } from './link.ts';
import type { Attachment, Segment } from './topology.ts';
import type { Fate } from './trace.ts';
import type { World } from './world.ts';

/** The way a packet takes from a host to the attachment that owns the destination address. */
interface Route {
  readonly links: readonly Link[];
  /** Where the packet enters the target's segment from. */
  readonly exit: Attachment;
  readonly target: Attachment;
}

const DATAGRAM_OVERHEAD = 28;
const SEGMENT_OVERHEAD = 40;
const LARGEST_DATAGRAM = 65_507;
const INJECTION_DELAY = 20;
const LOOPBACK_DELAY = 0.02;

interface Datagram {
  /** Name of the host that sent it, whatever the source says by now. */
  readonly sender: string;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly data: Uint8Array;
}

/** Moves packets between hosts: through NATs, over links, across partitions. */
export class Router {
  readonly #world: World;
  readonly #partitions = new Set<string>();
  /** Per pair of ends, the last arrival: packets keep their order unless a link reorders them. */
  readonly #lastArrival = new Map<string, number>();
  readonly #listeners: ((destination: Endpoint, source: Endpoint, data: Uint8Array) => void)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** Calls back for every datagram that enters the internet: what an eavesdropper on the path sees. */
  onDatagram(listener: (destination: Endpoint, source: Endpoint, data: Uint8Array) => void): void {
    this.#listeners.push(listener);
  }

  /** Cuts or restores the way between two sites (attachments to one segment). */
  setPartition(a: Attachment, b: Attachment, cut: boolean): void {
    for (const key of [`${a.name}|${b.name}`, `${b.name}|${a.name}`]) {
      if (cut) this.#partitions.add(key);
      else this.#partitions.delete(key);
    }
  }

  healPartitions(): void {
    this.#partitions.clear();
  }

  sendDatagram(host: Host, source: Endpoint, destination: Endpoint, data: Uint8Array): void {
    if (data.length > LARGEST_DATAGRAM) return;
    // Receivers own their buffers, and senders may reuse theirs.
    const sent: Datagram = { sender: host.name, source, destination, data: data.slice() };
    if (destination.host === '127.0.0.1' || destination.host === host.address) {
      this.#world.schedule(this.#world.now + LOOPBACK_DELAY, () => this.#deliver(host, sent));
      return;
    }
    const way = this.#translate(host, sent);
    if (way === undefined) return;
    if (way.segment.router === undefined) this.#overhear(way.datagram);
    this.#carry(way.route, way.datagram);
  }

  /** A datagram with any source, entering the internet from nowhere in particular. */
  inject(source: Endpoint, destination: Endpoint, data: Uint8Array): void {
    const target = this.#world.internet.at(destination.host);
    if (target === undefined) return;
    const datagram = { sender: 'attacker', source, destination, data: data.slice() };
    this.#world.schedule(this.#world.now + INJECTION_DELAY, () => this.#deliver(target, datagram));
  }

  /**
   * How one TCP segment between a client `host` and a server's `address` fares: `up` is from the client.
   * Undefined when it is lost; retransmission is the caller's business.
   */
  tcpTransit(host: Host, address: string, bytes: number, direction: Direction): Millis | undefined {
    if (address === '127.0.0.1' || address === host.address) return LOOPBACK_DELAY;
    const route = this.#route(host, address);
    if (route === undefined || route.target.kind === 'nat' || this.#isCut(route)) return undefined;
    const transits = this.#transits(route, bytes + SEGMENT_OVERHEAD, direction);
    return transits === undefined ? undefined : total(transits);
  }

  /** The host that answers TCP at `address` as seen from `host`. */
  tcpTarget(host: Host, address: string): Host | undefined {
    if (address === '127.0.0.1' || address === host.address) return host;
    const target = this.#route(host, address)?.target;
    return target?.kind === 'host' ? target : undefined;
  }

  /** The address under which a host is seen at `address`. */
  externalAddress(host: Host, address: string): string {
    let seen = host.address;
    for (
      let { segment } = host;
      segment.at(address) === undefined && segment.router !== undefined;
      segment = segment.router.segment
    ) {
      seen = segment.router.address;
    }
    return seen;
  }

  #route(host: Host, address: string): Route | undefined {
    const links = [host.link];
    let exit: Attachment = host;
    let { segment }: { segment: Segment } = host;
    for (;;) {
      const target = segment.at(address);
      if (target !== undefined) return { links, exit, target };
      const nat = segment.router;
      if (nat === undefined) return undefined;
      exit = nat;
      links.push(nat.link);
      segment = nat.segment;
    }
  }

  /** Takes a datagram out through NATs to the segment of its destination. Undefined when it is dropped on the way. */
  #translate(host: Host, sent: Datagram): { route: Route; segment: Segment; datagram: Datagram } | undefined {
    const { host: address } = sent.destination;
    let datagram = sent;
    let exit: Attachment = host;
    let { segment }: { segment: Segment } = host;
    const links = [host.link];
    for (;;) {
      const target = segment.at(address);
      if (target !== undefined) return { route: { links, exit, target }, segment, datagram };
      const nat = segment.router;
      if (nat === undefined) {
        this.#record('no route', '?', datagram);
        return undefined;
      }
      const port = nat.outbound(datagram.source, sent.destination, this.#world.now);
      if (port === undefined) {
        this.#record('no mapping', nat.name, datagram);
        return undefined;
      }
      datagram = { ...datagram, source: { host: nat.address, port } };
      if (nat.address === address) {
        if (nat.behaviour.hairpin) return { route: { links, exit, target: nat }, segment, datagram };
        this.#record('no hairpin', nat.name, datagram);
        return undefined;
      }
      exit = nat;
      links.push(nat.link);
      segment = nat.segment;
    }
  }

  #isCut(route: Route): boolean {
    return this.#partitions.has(`${route.exit.name}|${route.target.name}`);
  }

  #transits(route: Route, bytes: number, direction: Direction): Transit[] | undefined {
    const { now } = this.#world;
    const transits: Transit[] = [];
    for (const link of route.links) {
      const transit = link.carry(bytes, direction, now);
      if (transit === undefined) return undefined;
      transits.push(transit);
    }
    const last = route.target.link.carry(bytes, direction === 'up' ? 'down' : 'up', now);
    if (last === undefined) return undefined;
    transits.push(last);
    return transits;
  }

  #carry(route: Route, datagram: Datagram): void {
    const { target } = route;
    const size = datagram.data.length + DATAGRAM_OVERHEAD;
    if ([...route.links, target.link].some(({ conditions }) => size > conditions.mtu)) {
      this.#record('too large', target.name, datagram);
      return;
    }
    if (this.#isCut(route)) {
      this.#record('partitioned', target.name, datagram);
      return;
    }
    const transits = this.#transits(route, size, 'up');
    if (transits === undefined) {
      this.#record('lost', target.name, datagram);
      return;
    }
    let arrival = this.#world.now + total(transits);
    if (!transits.some((transit) => transit.reordered)) {
      const pair = `${datagram.sender}|${target.name}`;
      arrival = Math.max(arrival, this.#lastArrival.get(pair) ?? 0);
      this.#lastArrival.set(pair, arrival);
    }
    this.#world.schedule(arrival, () => this.#deliver(target, datagram));
    if (transits.some((transit) => transit.duplicated)) {
      const again = { ...datagram, data: datagram.data.slice() };
      this.#world.schedule(arrival + 1, () => this.#deliver(target, again));
    }
  }

  #deliver(attachment: Attachment, datagram: Datagram): void {
    const { source, destination, data } = datagram;
    let at: Attachment | undefined = attachment;
    let { port } = destination;
    while (at.kind === 'nat') {
      const inside = at.inbound(source, port, this.#world.now);
      const next: Attachment | undefined = inside === undefined ? undefined : at.inside.at(inside.host);
      if (inside === undefined || next === undefined) {
        this.#record(inside === undefined ? 'filtered' : 'no route', at.name, datagram);
        return;
      }
      port = inside.port;
      at = next;
    }
    if (source.host !== '127.0.0.1' && source.host !== at.address) {
      // The last link, when a translator is before it.
      if (data.length + DATAGRAM_OVERHEAD > at.link.conditions.mtu) {
        this.#record('too large', at.name, datagram);
        return;
      }
    }
    const socket = at.link.up ? at.udpSocket(port) : undefined;
    const fate = socket !== undefined ? 'delivered' : at.link.up ? 'no listener' : 'lost';
    this.#record(fate, at.name, datagram);
    socket?.receive(data, source);
  }

  #overhear(datagram: Datagram): void {
    for (const listener of this.#listeners) listener(datagram.destination, datagram.source, datagram.data);
  }

  #record(fate: Fate, to: string, datagram: Datagram): void {
    const { now, trace } = this.#world;
    const { sender, source, destination, data } = datagram;
    trace.packet({ time: now, from: sender, to, source, destination, protocol: 'udp', fate }, data);
  }
}

function total(transits: readonly Transit[]): number {
  let delay = 0;
  for (const transit of transits) delay += transit.delay;
  return delay;
}
