import type { Random } from '../base/random.ts';
import type { Address, Instant, Millis, NodeId, Port } from '../base/units.ts';
import type { Packet } from '../wire/packet.ts';
import { Admission, type Opening } from './admission.ts';
import type { Memberships, Relation } from './network/memberships.ts';
import type { Denial, NodeOutput } from './node-types.ts';
import { RecentlyAsked } from './recently-asked.ts';
import { EPHEMERAL_FIRST } from './stream/config.ts';
import type { DialOptions, Streams } from './stream/streams.ts';
import type { ConnId } from './stream/types.ts';
import type { Trust } from './trust/trust.ts';
import { type WaitingOpening, WaitingOpenings } from './waiting-openings.ts';

const EPHEMERAL_COUNT = 65_536 - EPHEMERAL_FIRST;
/** Streams that rest on a shared network are looked at this often: membership gives leave only while it lasts. */
const RECHECK_EVERY: Millis = 60_000;
/** A question to the directory is not repeated within this time. */
const ASK_PAUSE: Millis = 3_000;

export interface DatagramOptions {
  /** @default one of the ephemeral range, at random */
  readonly fromPort?: Port | undefined;
  /** Only when it can leave at once under a proven key; else `unready`, and the way is made ready. @default false */
  readonly confirm?: boolean;
}

export interface GateOptions {
  readonly streams: Streams;
  readonly trust: Trust;
  readonly memberships: Memberships | undefined;
  readonly random: Random;
  readonly isPublic: boolean;
  readonly self: () => NodeId;
  /** There is a key that the peer has proven; if not, one is asked for. */
  readonly ready: (peer: NodeId, now: Instant) => boolean;
  readonly output: (output: NodeOutput) => void;
  /** A dial to a peer begins, perhaps after it waited. */
  readonly dialing: (conn: ConnId, peer: NodeId) => void;
}

/** Carries out what admission decides: lets openings through, refuses them, or has them wait for the directory. */
export class Gate {
  readonly admission: Admission;
  readonly #options: GateOptions;
  readonly #waiting = new WaitingOpenings();
  readonly #asked = new RecentlyAsked(ASK_PAUSE);
  #recheckAt: Instant | undefined;

  constructor(options: GateOptions) {
    const { trust, memberships, isPublic } = options;
    this.#options = options;
    this.admission = new Admission({ trust, memberships, isPublic });
  }

  mayReceive(packet: Packet, kind: 'stream' | 'datagram' | 'stray', now: Instant): boolean {
    const { source, destination, destinationPort: port, sourcePort, payload } = packet;
    const peer = source.node;
    if (peer === this.#options.self()) return true;
    if (kind === 'stray') return this.#hears(peer, destination.network, now);
    const { network } = destination;
    if (source.network !== network) {
      this.#rejected(peer, port, kind, 'not_member');
      return false;
    }
    const opening: Opening = { direction: 'in', peer, network, port, sourcePort, kind, size: payload.length };
    const verdict = this.admission.verdict(opening, now);
    if (verdict === 'allowed') {
      this.#watch(now);
      return true;
    }
    if (verdict === 'unknown') {
      // The memory of a train is lent.
      this.#hold(peer, { kind: 'packet', packet: { ...packet, payload: payload.slice() } }, now);
    } else this.#rejected(peer, port, kind, verdict.denied);
    return false;
  }

  /** `connected` or `dialFailed` follows in any case. */
  dial(remote: Address, port: Port, options: DialOptions, now: Instant): ConnId {
    const conn = this.#options.streams.reserve();
    this.#dial(conn, remote, port, options, now);
    return conn;
  }

  /** A dial that waits was given up. */
  cancel(conn: ConnId): void {
    if (this.#waiting.cancel(conn)) this.#options.output({ type: 'dialFailed', conn, reason: 'aborted' });
  }

  sendDatagram(
    to: Address,
    port: Port,
    payload: Uint8Array,
    { fromPort, confirm = false }: DatagramOptions,
    now: Instant,
  ): 'sent' | 'unready' | 'too_large' | 'invalid' | { readonly denied: Denial } {
    const sourcePort = fromPort ?? EPHEMERAL_FIRST + this.#options.random.below(EPHEMERAL_COUNT);
    if (to.node !== this.#options.self() && payload.length > 0) {
      const { network, node: peer } = to;
      const size = payload.length;
      const opening: Opening = { direction: 'out', peer, network, port, sourcePort, kind: 'datagram', size };
      // Before the verdict, which may spend what a rate allows.
      if (confirm && this.admission.admits(peer, now) === 'yes' && !this.#options.ready(peer, now))
        return 'unready';
      const verdict = this.admission.verdict(opening, now);
      if (verdict === 'unknown' && confirm) {
        this.ask(peer, now);
        return 'unready';
      }
      if (verdict === 'unknown') {
        this.#hold(peer, { kind: 'datagram', to, port, payload: payload.slice(), sourcePort }, now);
        return 'sent';
      }
      if (verdict !== 'allowed') return verdict;
      if (confirm && !this.#options.ready(peer, now)) return 'unready';
    }
    return this.#options.streams.sendDatagram(to, port, payload, now, sourcePort);
  }

  answerRelation(peer: NodeId, relation: Relation | undefined, now: Instant): void {
    this.#options.memberships?.answer(peer, relation, now);
    this.#asked.forget(peer);
    // First, so that flows that begin now stay.
    this.recheckPeer(peer, now);
    for (const opening of this.#waiting.take(peer)) {
      if (opening.kind === 'packet') this.#options.streams.handlePacket(opening.packet, now);
      else if (opening.kind === 'dial') {
        const { conn, remote, port, options } = opening.dial;
        this.#dial(conn, remote, port, options, now);
      } else {
        const { to, port, payload, sourcePort } = opening;
        this.sendDatagram(to, port, payload, { fromPort: sourcePort }, now);
      }
    }
  }

  /** Asks the directory what connects us with the peer. */
  ask(peer: NodeId, now: Instant): void {
    if (this.#asked.take(peer, now))
      this.#options.output({ type: 'query', query: { ask: 'relation', peer } });
  }

  /** Ends the streams with a peer that could not begin now. */
  recheckPeer(peer: NodeId, now: Instant): void {
    if (peer === this.#options.self()) return;
    const isTrusted = this.#options.trust.scope(peer) !== undefined;
    if (!isTrusted) this.admission.forget(peer);
    this.#options.streams.abortWhere(peer, now, 'untrusted', ({ network, incoming, port }) => {
      const direction = incoming ? 'in' : 'out';
      const opening: Opening = { direction, peer, network, port, kind: 'stream', size: 0 };
      const verdict = this.admission.allows(opening, now);
      if (verdict === 'unknown') this.ask(peer, now);
      return typeof verdict === 'object';
    });
  }

  recheck(now: Instant): void {
    this.admission.forgetMembers();
    for (const peer of this.#options.streams.nodes()) this.recheckPeer(peer, now);
  }

  handleTimeout(now: Instant): void {
    for (const { peer, waiting } of this.#waiting.expired(now)) {
      for (const opening of waiting) this.#refuse(peer, opening, now);
    }
    if (this.#recheckAt === undefined || this.#recheckAt > now) return;
    this.#recheckAt = undefined;
    const nodes = this.#options.streams.nodes();
    for (const peer of nodes) this.recheckPeer(peer, now);
    if (nodes.size > 0) this.#watch(now);
  }

  nextTimeout(): Instant | undefined {
    const next = Math.min(
      this.#waiting.nextTimeout() ?? Number.POSITIVE_INFINITY,
      this.#recheckAt ?? Number.POSITIVE_INFINITY,
    );
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  #dial(conn: ConnId, remote: Address, port: Port, options: DialOptions, now: Instant): void {
    const { node: peer, network } = remote;
    if (peer !== this.#options.self()) {
      const opening: Opening = { direction: 'out', peer, network, port, kind: 'stream', size: 0 };
      const verdict = this.admission.verdict(opening, now);
      if (verdict === 'unknown') {
        this.#hold(peer, { kind: 'dial', dial: { conn, remote, port, options } }, now);
        return;
      }
      if (verdict !== 'allowed') {
        this.#options.output({ type: 'dialFailed', conn, reason: 'denied', denial: verdict.denied });
        return;
      }
      this.#watch(now);
    }
    this.#begin(conn, remote, port, options, now);
  }

  #begin(conn: ConnId, remote: Address, port: Port, options: DialOptions, now: Instant): void {
    this.#options.streams.dial(remote, port, now, options, conn);
    if (remote.node !== this.#options.self()) this.#options.dialing(conn, remote.node);
  }

  #hold(peer: NodeId, opening: WaitingOpening, now: Instant): void {
    const held = this.#waiting.hold(peer, opening, now);
    if (held === 'full') this.#refuse(peer, opening, now);
    else if (held === 'ask') this.ask(peer, now);
  }

  #refuse(peer: NodeId, opening: WaitingOpening, now: Instant): void {
    if (opening.kind === 'dial') {
      const { conn, remote, port, options } = opening.dial;
      // Without an answer it is as with any node that may be public: the peer decides.
      if (remote.network === 0) this.#begin(conn, remote, port, options, now);
      else this.#options.output({ type: 'dialFailed', conn, reason: 'denied', denial: 'not_member' });
    } else if (opening.kind === 'packet') {
      const { destinationPort, protocol } = opening.packet;
      this.#rejected(peer, destinationPort, protocol === 1 ? 'stream' : 'datagram', 'untrusted');
    }
  }

  /** Whoever may not reach us learns nothing, not even that a stream is gone. */
  #hears(peer: NodeId, network: number, now: Instant): boolean {
    if (network === 0 && this.admission.isKnown(peer)) return true;
    return this.#options.memberships?.shares(peer, now) === 'yes';
  }

  /** Only networks end without telling us of this peer. */
  #watch(now: Instant): void {
    if ((this.#options.memberships?.own().length ?? 0) > 0) this.#recheckAt ??= now + RECHECK_EVERY;
  }

  #rejected(peer: NodeId, port: Port, kind: 'stream' | 'datagram', reason: Denial): void {
    const name = kind === 'stream' ? 'syn.rejected' : 'datagram.rejected';
    this.#options.output({ type: 'event', event: { name, peer, port, reason } });
  }
}
