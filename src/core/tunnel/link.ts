import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { encodeRelay, RELAY_OVERHEAD } from '../../wire/beacon.ts';
import { encodePacket, HEADER_LENGTH, type Packet } from '../../wire/packet.ts';
import { encodePilp, PILS_OVERHEAD } from '../../wire/tunnel-frames.ts';
import type { PathFacts } from '../path/facts.ts';
import type { Path } from '../path/path.ts';
import { type PathChange, Paths } from '../path/paths.ts';
import type { KeySlot } from '../session/key-slot.ts';
import type { PeerHost } from './peer-host.ts';
import { controlPacket, Probes, pongTo } from './probes.ts';
import { Sizes } from './sizes.ts';
import type { Arrival, PeerStatus } from './types.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What is remembered of the way the paths were found. */
export type Milestones = Pick<
  PathFacts,
  'reason' | 'changedAt' | 'startedAt' | 'firstProvenAt' | 'firstDirectAt'
>;

/** Puts frames for one peer on its paths: sealing, the wrapping for a relay, and the pings that prove paths. */
export class Link {
  readonly paths: Paths;
  readonly sizes: Sizes;
  readonly #host: PeerHost;
  readonly #peer: NodeId;
  readonly #probes: Probes;
  /** Bytes of packets, without any framing. */
  bytesSent = 0;
  readonly #milestones: Mutable<Milestones> = {
    reason: undefined,
    changedAt: undefined,
    startedAt: undefined,
    firstProvenAt: undefined,
    firstDirectAt: undefined,
  };

  get milestones(): Milestones {
    return this.#milestones;
  }

  status(): Pick<PeerStatus, 'paths' | 'selected' | 'bytesSent'> {
    const paths = this.paths.status();
    return { paths, selected: paths.find((path) => path.selected), bytesSent: this.bytesSent };
  }

  constructor(peer: NodeId, host: PeerHost) {
    this.#peer = peer;
    this.#host = host;
    this.paths = new Paths({
      config: host.config,
      random: host.random,
      keepAlive: () => host.lifetime.keepAlive,
      links: () => host.links(),
    });
    this.#probes = new Probes(host.random);
    this.sizes = new Sizes(peer, host, this.paths);
  }

  /** Sends a packet of an application on the selected path, or on the likeliest ones while none is proven. */
  data(slot: KeySlot, packet: Uint8Array, now: Instant): void {
    this.#encoded(slot, packet, this.paths.use(now), now);
  }

  /** The same for one that is not encoded yet: on the selected path it is written where it leaves from. */
  packet(slot: KeySlot, packet: Packet, now: Instant): void {
    const path = this.paths.use(now);
    if (path === undefined) {
      this.#encoded(slot, encodePacket(packet), path, now);
      return;
    }
    const length = HEADER_LENGTH + packet.payload.length;
    this.bytesSent += length;
    path.sizing.carried(framed(path, length), now);
    if (!this.#host.depart(slot, path, packet, this.#peer)) this.#host.drop('key_exhausted');
    this.#host.rearm(this.#peer, this.paths.nextTimeout());
  }

  #encoded(slot: KeySlot, packet: Uint8Array, path: Path | undefined, now: Instant): void {
    this.bytesSent += packet.length;
    const frame = this.#seal(slot, packet);
    if (frame !== undefined)
      for (const way of path === undefined ? this.paths.likeliest() : [path]) this.frame(way, frame, now);
    path?.sizing.carried(framed(path, packet.length), now);
    this.#host.rearm(this.#peer, this.paths.nextTimeout());
  }

  /** Asks for an answer under this key to a frame sent on this path: proves both. */
  ping(slot: KeySlot, path: Path, now: Instant): void {
    const frame = this.#seal(slot, this.#probes.ping(this.#host.node, this.#peer, path, now));
    if (frame === undefined) return;
    this.frame(path, frame, now);
    path.probed(now, slot.confirmedAt !== undefined);
  }

  /** Sends the probe of a size that is due on the selected path. */
  probeSize(slot: KeySlot | undefined, now: Instant): void {
    const due = this.sizes.due(now);
    if (due === undefined || slot === undefined) return;
    const { path, payload } = due;
    const frame = this.#seal(slot, controlPacket(this.#host.node, this.#peer, this.#host.random, payload));
    if (frame !== undefined) this.frame(path, frame, now);
  }

  /** Answers a ping under the key and by the way it came. */
  pong(slot: KeySlot, ping: Packet, way: Arrival, now: Instant, payload?: Uint8Array): void {
    const frame = this.#seal(slot, pongTo(ping, payload));
    if (frame === undefined) return;
    const path = this.paths.find(way.relay, way.from, way.via);
    if (path !== undefined) path.sentAt = now;
    this.frameTo(way, frame);
  }

  /** A control packet with a payload of our own, by the best way. It is no data: no path is kept open for it. */
  control(slot: KeySlot, payload: Uint8Array, now: Instant): boolean {
    const packet = controlPacket(this.#host.node, this.#peer, this.#host.random, payload);
    const frame = this.#seal(slot, packet);
    const { selected } = this.paths;
    const ways = selected === undefined ? this.paths.likeliest() : [selected];
    if (frame === undefined || ways.length === 0) return false;
    for (const way of ways) this.frame(way, frame, now);
    return true;
  }

  /** The same to an endpoint that is no path. */
  shoot(slot: KeySlot, payload: Uint8Array, to: Endpoint, via: number): void {
    const packet = controlPacket(this.#host.node, this.#peer, this.#host.random, payload);
    const frame = this.#seal(slot, packet);
    if (frame !== undefined) this.#host.transmit(to, frame, via);
  }

  /** The path that the pong proves; undefined when it does not answer one of our pings. */
  pongReceived(pong: Packet, now: Instant): Path | undefined {
    const answer = this.#probes.answer(pong, now);
    if (answer === undefined) return undefined;
    this.#milestones.firstProvenAt ??= now;
    if (!answer.path.relay) this.#milestones.firstDirectAt ??= now;
    this.report(this.paths.answered(answer.path, answer.rtt, now), now);
    return answer.path;
  }

  frame(path: Path, frame: Uint8Array, now: Instant): void {
    path.sentAt = now;
    this.#milestones.startedAt ??= now;
    this.frameTo({ from: path.endpoint, relay: path.relay, via: path.via }, frame);
  }

  /** Back by the way something came. */
  frameTo({ from, relay, via }: Arrival, frame: Uint8Array): void {
    this.#host.transmit(from, relay ? encodeRelay(this.#host.node, this.#peer, frame) : frame, via);
  }

  /** A packet that nobody looks at: our NAT remembers the flow. */
  keepOpen(path: Path, now: Instant): void {
    this.#host.transmit(path.endpoint, encodePilp(), path.via);
    this.#host.lifetime.needed(now);
  }

  report(change: PathChange | undefined, now: Instant): void {
    if (change === undefined) return;
    this.#milestones.reason = change.reason;
    this.#milestones.changedAt = now;
    if (change.path === undefined) return;
    const { kind, endpoint } = change.path;
    this.#host.event({
      name: 'tunnel.path_changed',
      peer: this.#peer,
      path: kind,
      endpoint,
      reason: change.reason,
    });
  }

  #seal(slot: KeySlot, packet: Uint8Array): Uint8Array | undefined {
    const frame = new Uint8Array(packet.length + PILS_OVERHEAD);
    if (slot.seal(packet, frame)) return frame;
    this.#host.drop('key_exhausted');
    return undefined;
  }
}

/** Bytes of a datagram on the path that carries a packet of so many. */
function framed(path: Path, length: number): number {
  return length + PILS_OVERHEAD + (path.relay ? RELAY_OVERHEAD : 0);
}
