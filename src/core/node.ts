import type { SigningKey } from '../base/crypto.ts';
import type { Machine } from '../base/machine.ts';
import type { Address, Instant, NodeId, Port } from '../base/units.ts';
import type { Packet } from '../wire/packet.ts';
import { Dials } from './dials.ts';
import { type DatagramOptions, Gate } from './gate.ts';
import type { Relation } from './network/memberships.ts';
import { NodeReach } from './node-reach.ts';
import type { NodeOptions, NodeOutput, PeerEndpoints } from './node-types.ts';
import { PeerRelay } from './peer-relay.ts';
import { RecentlyAsked } from './recently-asked.ts';
import { type DialOptions, Streams } from './stream/streams.ts';
import type { ConnId, ConnStatus, StreamOutput } from './stream/types.ts';
import { Trust } from './trust/trust.ts';
import type { TrustOutput } from './trust/types.ts';
import { TRUST_PORT, TrustChannel, type TrustSendResult } from './trust-channel.ts';
import { TokenBucket } from './tunnel/token-bucket.ts';
import { Tunnel } from './tunnel/tunnel.ts';
import type { TunnelOutput } from './tunnel/types.ts';

/** After these, what waits for the peer may go out at once. */
const HEALED: ReadonlySet<string> = new Set(['tunnel.established', 'tunnel.rekeyed', 'tunnel.path_changed']);
/** After trust ends the keys stay this long at most, and only for the word that it did. */
const FORGET_DELAY = 3_000;
/** Resets and acknowledgements that are on their way still get out. */
const LAST_WORDS = 200;
/** A peer's key rotations are asked for this often at most: anybody can pretend that there are some. */
const ROTATIONS_PAUSE = 1_000;
const ROTATIONS_OF_ALL = { rate: 20, burst: 60 };

/**
 * One whole node without I/O: tunnels, streams and trust, composed. The owner feeds datagrams, commands and
 * answers, drains `poll()` after each of them, and calls `handleTimeout` at `nextTimeout()`.
 *
 * - getters: `peers`, `connections`, `trusted`, `pending`, `outgoing`, `observed`
 * - inputs from the network: `handleDatagram`
 * - answers to `query` outputs: `answerKey`, `answerEndpoints`
 * - results of `trust` outputs: `registryDone`; what the registry relays: `relayedRequest`, `relayedResponse`, `relayedRevoke`
 * - commands: the rest
 */
export class PilotNode extends NodeReach implements Machine<NodeOutput> {
  readonly #streams: Streams;
  readonly #trustChannel: TrustChannel;
  readonly #gate: Gate;
  readonly #rotations = new RecentlyAsked(ROTATIONS_PAUSE);
  readonly #rotationsOfAll = new TokenBucket(ROTATIONS_OF_ALL.rate, ROTATIONS_OF_ALL.burst);
  readonly #outputs: NodeOutput[] = [];
  #outputAt = 0;
  readonly #dials: Dials;
  readonly #forgetAt = new Map<NodeId, Instant>();
  #node: NodeId = 0;

  constructor(options: NodeOptions) {
    const { crypto, random, identity, wall } = options;
    const trust = new Trust({
      crypto,
      random: random.fork('trust'),
      identity,
      snapshot: options.trust,
      wall,
    });
    const tunnel = new Tunnel({
      crypto,
      random: random.fork('tunnel'),
      identity,
      beacons: options.beacons,
      trains: options.trains ?? false,
      config: {
        ...(options.relayOnly === true && { relayOnly: true, relayAfter: 0 }),
        relaysForPeers: options.relayForPeers !== undefined,
      },
      isOurs: (peer) => trust.record(peer)?.certificate !== undefined,
      admission: {
        admits: (peer, now) => (this.#streams.has(peer) ? 'yes' : this.#gate.admission.admits(peer, now)),
        answersPings: (peer, now) => this.#answersPings(peer, now),
      },
    });
    const peerRelay =
      options.relayForPeers &&
      new PeerRelay({
        crypto,
        random: random.fork('relay'),
        rate: options.relayForPeers.rate,
        keyOf: (peer) => trust.trusted().find(({ node }) => node === peer)?.publicKey,
        transmit: (to, data) => this.#outputs.push({ type: 'transmit', to, data }),
      });
    super(tunnel, trust, wall, peerRelay);
    this.#streams = new Streams({
      random: random.fork('streams'),
      mayReceive: (packet, kind, now) => this.#gate.mayReceive(packet, kind, now),
      isKnown: (peer, now) => peer === this.#node || this.#gate.admission.isAcquainted(peer, now),
      ...(options.congestion && { config: { congestion: options.congestion } }),
      onSuspectSize: (peer, _bytes, now) => this.tunnel.doubtSize(peer, now),
    });
    this.#dials = new Dials(this.#streams);
    this.#gate = new Gate({
      streams: this.#streams,
      trust,
      memberships: options.memberships,
      random: random.fork('gate'),
      isPublic: options.public ?? false,
      self: () => this.#node,
      ready: (peer, now) => {
        if (this.tunnel.isEstablished(peer)) return true;
        this.tunnel.connect(peer, now);
        return false;
      },
      output: (output) => this.#outputs.push(output),
      dialing: (conn, peer) => this.#dials.begun(conn, peer),
    });
    this.#trustChannel = new TrustChannel(this.#streams);
    this.#pinTrusted();
  }

  /** Our node id, given by the registry; 0 until then. Nothing is sent to peers before it is set. */
  setNode(node: NodeId, hostname: string | undefined, now: Instant): void {
    this.#node = node;
    this.tunnel.setNode(node);
    this.#streams.setNode(node);
    this.trust.setNode(node);
    this.setHostname(hostname, now);
  }

  setHostname(hostname: string | undefined, now: Instant): void {
    this.settled(this.trust.setHostname(hostname), now);
  }

  /** Becoming private ends the streams of those who may not reach us any more. */
  setPublic(value: boolean, now: Instant): void {
    this.#gate.admission.isPublic = value;
    if (!value) this.#gate.recheck(now);
    this.#settle(now);
  }

  /** Of a private peer the directory tells only who names its key: the tunnel knows it. */
  #askKey(peer: NodeId): void {
    const claimed = this.tunnel.keyOf(peer);
    this.#outputs.push({ type: 'query', query: { ask: 'key', peer, ...(claimed && { claimed }) } });
  }

  answerKey(peer: NodeId, key: Uint8Array | undefined, now: Instant, claimed?: Uint8Array): void {
    this.tunnel.identityKey(peer, key, now, claimed);
    this.trust.identityKey(peer, key, now);
    this.#settle(now);
  }

  /**
   * Answers the question for a peer's endpoints. `undefined` means the directory refuses or does not know the peer:
   * dials in progress then fail with `detail`, unless a tunnel is up. When the directory can't be reached, answer
   * with the last endpoints known or with none: the relay is tried all the same.
   */
  answerEndpoints(peer: NodeId, found: PeerEndpoints | undefined, now: Instant, detail = ''): void {
    this.tunnel.endpoints(peer, found, now);
    if (found === undefined && this.tunnel.peer(peer)?.established !== true)
      this.#dials.fail(peer, detail, now);
    this.#settle(now);
  }

  /** Begins a stream; `connected` or `dialFailed` follows. */
  dial(remote: Address, port: Port, now: Instant, options: DialOptions = {}): ConnId {
    return this.settled(this.#gate.dial(remote, port, options, now), now);
  }

  /** False when the port is taken. Port 444 always is. */
  listen(port: Port): boolean {
    return this.#streams.listen(port);
  }

  unlisten(port: Port): void {
    if (port !== TRUST_PORT) this.#streams.unlisten(port);
  }

  /**
   * Queues bytes; returns how many were accepted. `writable` follows when it was fewer than offered.
   * `keeps`: they are not to be written to again, and need not be copied.
   */
  write(conn: ConnId, data: Uint8Array, now: Instant, keeps = false): number {
    return this.settled(this.#streams.write(conn, data, now, keeps), now);
  }

  /** Writes at most `limit` of the bytes that can be read to `out` at `at`; returns how many. */
  readInto(conn: ConnId, out: Uint8Array, at: number, limit: number, now: Instant): number {
    return this.settled(this.#streams.readInto(conn, out, at, limit, now), now);
  }

  /** Bytes that can be read. */
  unread(conn: ConnId): number {
    return this.#streams.unread(conn);
  }

  read(conn: ConnId, now: Instant): Uint8Array | undefined {
    return this.settled(this.#streams.read(conn, now), now);
  }

  atEnd(conn: ConnId): boolean {
    return this.#streams.atEnd(conn);
  }

  close(conn: ConnId, now: Instant, readsOn = false): void {
    this.#gate.cancel(conn);
    this.#streams.close(conn, now, readsOn);
    this.#settle(now);
  }

  abort(conn: ConnId, now: Instant): void {
    this.#gate.cancel(conn);
    this.#streams.abort(conn, now);
    this.#settle(now);
  }

  /** `denied`: our own rules don't let it out. `unready`, only with `confirm`: not yet, ask again soon. */
  sendDatagram(
    to: Address,
    port: Port,
    payload: Uint8Array,
    now: Instant,
    options: DatagramOptions = {},
  ): ReturnType<Gate['sendDatagram']> {
    return this.settled(this.#gate.sendDatagram(to, port, payload, options, now), now);
  }

  /** Sends one control ping; `pong` with the returned token may follow. */
  ping(node: NodeId, now: Instant): number {
    return this.settled(this.#streams.ping(node, now), now);
  }

  /** We sign with another key from now on: after a key rotation of ours. */
  setIdentity(identity: SigningKey, now: Instant): void {
    this.tunnel.setIdentity(identity, now);
    this.trust.setIdentity(identity, now);
    this.#settle(now);
  }

  /** Answers `relation`; undefined when the directory can't be reached. */
  answerRelation(peer: NodeId, relation: Relation | undefined, now: Instant): void {
    this.#gate.answerRelation(peer, relation, now);
    this.settled(this.tunnel.admitHeld(peer, now), now);
  }

  /** Our networks, their policies or what we know of members changed: streams that are not allowed any more end. */
  recheck(now: Instant): void {
    this.settled(this.#gate.recheck(now), now);
  }

  connections(): readonly ConnStatus[] {
    return this.#streams
      .status()
      .filter((conn) => conn.localPort !== TRUST_PORT && conn.remotePort !== TRUST_PORT);
  }
  connection(conn: ConnId): ConnStatus | undefined {
    return this.#streams.statusOf(conn);
  }
  handleTimeout(now: Instant): void {
    this.tunnel.handleTimeout(now);
    this.peerRelay?.handleTimeout(now);
    this.#streams.handleTimeout(now);
    this.trust.handleTimeout(now);
    this.#trustChannel.handleTimeout(now);
    this.#gate.handleTimeout(now);
    for (const [node, at] of this.#forgetAt) {
      if (at > now) continue;
      this.#forgetAt.delete(node);
      if (!this.trust.isTrusted(node)) this.tunnel.forget(node);
    }
    this.#settle(now);
  }

  nextTimeout(): Instant | undefined {
    let next = earliest(this.tunnel.nextTimeout(), this.#streams.nextTimeout());
    next = earliest(next, this.peerRelay?.nextTimeout());
    next = earliest(next, this.trust.nextTimeout());
    next = earliest(next, this.#trustChannel.nextTimeout());
    next = earliest(next, this.#gate.nextTimeout());
    for (const at of this.#forgetAt.values()) next = earliest(next, at);
    return next;
  }

  poll(): NodeOutput | undefined {
    if (this.#outputAt < this.#outputs.length) return this.#outputs[this.#outputAt++];
    this.#outputs.length = 0;
    this.#outputAt = 0;
    this.tunnel.departed();
    return undefined;
  }

  protected settled<Result>(result: Result, now: Instant): Result {
    this.#settle(now);
    return result;
  }

  /** Moves outputs between the parts until none has any left. Each pass only follows from an input or a timer, so it ends. */
  #settle(now: Instant): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (let output = this.trust.poll(); output !== undefined; output = this.trust.poll()) {
        moved = true;
        this.#onTrust(output, now);
      }
      for (let output = this.#streams.poll(); output !== undefined; output = this.#streams.poll()) {
        moved = true;
        this.#onStream(output, now);
      }
      for (let output = this.tunnel.poll(); output !== undefined; output = this.tunnel.poll()) {
        moved = true;
        this.#onTunnel(output, now);
      }
    }
  }

  #onTunnel(output: TunnelOutput, now: Instant): void {
    switch (output.type) {
      case 'transmit':
      case 'socket':
        this.#outputs.push(output);
        return;
      case 'event':
        // What waited for a dead path need not wait for its timers once another one works.
        if (HEALED.has(output.event.name) && 'peer' in output.event) {
          this.#streams.retryPeer(output.event.peer, now);
          this.trust.peerBack(output.event.peer, now);
        }
        this.#outputs.push(output);
        return;
      case 'packet':
        if (this.#isHeard(output.peer, output.packet)) this.#streams.handlePacket(output.packet, now);
        return;
      case 'payloadLimit':
        this.#streams.setSegmentLimit(output.peer, output.bytes, now);
        return;
      case 'packets':
        this.#onPackets(output.peer, output.packets, now);
        return;
      case 'needRelation':
        this.#gate.ask(output.peer, now);
        return;
      case 'needRotations':
        this.#askRotations(output.peer, now);
        return;
      case 'needKey':
        this.#outputs.push({
          type: 'query',
          query: { ask: 'key', peer: output.peer, ...(output.claimed && { claimed: output.claimed }) },
        });
        return;
      case 'needEndpoints':
        this.#outputs.push({ type: 'query', query: { ask: 'endpoints', peer: output.peer } });
        return;
      default:
        output satisfies never;
    }
  }

  #onPackets(peer: NodeId, packets: readonly Packet[], now: Instant): void {
    const isDoubtful = this.#forgetAt.size > 0;
    const heard = isDoubtful ? packets.filter((packet) => this.#isHeard(peer, packet)) : packets;
    this.#streams.handlePackets(heard, heard.length, now);
  }

  #onStream(output: StreamOutput, now: Instant): void {
    switch (output.type) {
      case 'packet':
        if (output.to === this.#node) this.#streams.handlePacket(output.packet, now);
        else this.tunnel.sendPacket(output.to, output.packet, now);
        return;
      case 'connected':
        this.#dials.connected(output.conn);
        if (this.#trustChannel.owns(output.conn)) this.#trustChannel.connected(output.conn, now);
        else this.#outputs.push(output);
        return;
      case 'dialFailed':
      case 'closed': {
        const ended = this.#dials.ended(output);
        if (this.#trustChannel.owns(output.conn)) this.#trustSent(this.#trustChannel.ended(output.conn), now);
        else this.#outputs.push(ended);
        return;
      }
      case 'incoming':
        if (output.port === TRUST_PORT) this.#trustChannel.accept(output.conn, output.remote.node, now);
        else this.#outputs.push(output);
        return;
      case 'readable': {
        if (!this.#trustChannel.owns(output.conn)) {
          this.#outputs.push(output);
          return;
        }
        const arrived = this.#trustChannel.readable(output.conn, now);
        if (arrived !== undefined) {
          const { peer, message } = arrived;
          const mayAsk = this.#gate.admission.answers(peer, now);
          this.trust.directMessage(peer, message, this.wall(now), now, mayAsk);
          this.#heardFrom(peer, now);
        }
        return;
      }
      case 'finished':
        if (this.#trustChannel.owns(output.conn))
          this.#trustSent(this.#trustChannel.finished(output.conn), now);
        else this.#outputs.push(output);
        return;
      case 'writable':
        if (!this.#trustChannel.owns(output.conn)) this.#outputs.push(output);
        return;
      case 'datagram':
      case 'pong':
        this.#outputs.push(output);
        return;
      default:
        output satisfies never;
    }
  }

  #trustSent(result: TrustSendResult | undefined, now: Instant): void {
    if (result === undefined) return;
    if (result.delivered) {
      this.#outputs.push({ type: 'event', event: { name: 'trust.delivered', peer: result.to } });
      this.trust.directDelivered(result.ref, now);
    } else this.trust.directFailed(result.ref, now);
  }

  #onTrust(output: TrustOutput, now: Instant): void {
    switch (output.type) {
      case 'sendDirect':
        // An answer that we owe a stranger is left to the registry: a tunnel would show it where we are.
        if (this.#gate.admission.admits(output.to, now) === 'yes')
          this.#trustChannel.send(output.to, output.message, output.ref, now);
        else this.trust.directFailed(output.ref, now);
        return;
      case 'needKey':
        this.#askKey(output.peer);
        return;
      case 'persist':
        this.#pinTrusted();
        this.#outputs.push({ type: 'trust', output });
        return;
      case 'dropped':
        this.#gate.admission.forget(output.peer);
        this.#streams.abortPeer(output.peer, now, 'untrusted', TRUST_PORT);
        this.tunnel.unpin(output.peer, now);
        this.peerRelay?.forget(output.peer);
        this.#forgetAt.set(
          output.peer,
          now + (this.trust.isTelling(output.peer) ? FORGET_DELAY : LAST_WORDS),
        );
        this.#outputs.push({ type: 'trust', output });
        return;
      case 'needRotations':
        this.#askRotations(output.peer, now);
        return;
      case 'rescoped':
        this.#gate.admission.forget(output.peer);
        this.#gate.recheckPeer(output.peer, now);
        return;
      case 'repinned':
        this.peerRelay?.forget(output.peer);
        this.tunnel.pin(output.peer, output.publicKey);
        return;
      default:
        this.#outputs.push({ type: 'trust', output });
    }
  }

  #pinTrusted(): void {
    for (const record of this.trust.trusted()) this.tunnel.pin(record.node, record.publicKey);
  }

  /** Those whom we still have to tell that trust is over learn nothing else. */
  #answersPings(peer: NodeId, now: Instant): boolean {
    if (this.#gate.admission.answers(peer, now)) return true;
    if (this.trust.isTelling(peer)) return false;
    return this.#streams.has(peer) || this.tunnel.isWanted(peer, now);
  }

  /** Between the end of trust and that of the keys only trust itself is spoken of. */
  #isHeard(peer: NodeId, packet: Packet): boolean {
    return !this.#forgetAt.has(peer) || this.trust.isTrusted(peer) || isOnTrustPort(packet);
  }

  /** Once the peer knows that trust is over there is nothing left to say. */
  #heardFrom(peer: NodeId, now: Instant): void {
    const at = this.#forgetAt.get(peer);
    if (at !== undefined && !this.trust.isTelling(peer))
      this.#forgetAt.set(peer, Math.min(at, now + LAST_WORDS));
  }

  #askRotations(peer: NodeId, now: Instant): void {
    if (!this.#rotations.take(peer, now) || !this.#rotationsOfAll.take(now)) return;
    this.#outputs.push({ type: 'query', query: { ask: 'rotations', peer } });
  }
}

function isOnTrustPort({ sourcePort, destinationPort }: Packet): boolean {
  return sourcePort === TRUST_PORT || destinationPort === TRUST_PORT;
}

function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}
