/**
 * Streams, datagrams and pings over authenticated packets (spec/03). `streams.ts` is the door; a `Connection` is one
 * stream, made of a `Sender` and a `Receiver`. Nothing here knows how packets reach the peer.
 */

import { DeadlineHeap } from '../../base/deadline-heap.ts';
import type { Machine } from '../../base/machine.ts';
import type { Random } from '../../base/random.ts';
import type { Address, Bytes, Instant, Millis, NodeId, Port } from '../../base/units.ts';
import {
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  type Packet,
  PROTOCOL_CONTROL,
  PROTOCOL_DATAGRAM,
  PROTOCOL_STREAM,
} from '../../wire/packet.ts';
import { ChunkPool } from './chunk-pool.ts';
import { DEFAULT_STREAM_CONFIG, MAX_DATAGRAM, type StreamConfig } from './config.ts';
import { Connection } from './connection.ts';
import type { ConnectionHost } from './connection-host.ts';
import { ConnectionTable } from './connection-table.ts';
import { Control } from './control.ts';
import { BROADCAST_NODE, datagramPacket } from './datagram.ts';
import { Deque } from './deque.ts';
import { freeEphemeral, randomEphemeral } from './ephemeral-port.ts';
import { IncomingLimits } from './incoming-limits.ts';
import { mannerOf } from './manner.ts';
import { resetFor } from './reset.ts';
import type { DialOptions, MayReceive, StreamEnds, StreamsOptions } from './streams-options.ts';
import { SourceLimiter } from './token-bucket.ts';
import type { CloseReason, ConnId, ConnStatus, StreamOutput } from './types.ts';

export type { DialOptions, MayReceive, StreamEnds, StreamsOptions } from './streams-options.ts';

const SHORTEST_TIMER: Millis = 0.1;
/** Most a single `read` returns, so that a slow consumer of one stream doesn't hold much outside its window. */
const READ_LIMIT: Bytes = 64 * 1024;
/** Resets and pongs to one peer per second. Chosen: enough for any honest use, too few to amplify anything. */
const ANSWER_LIMITS = { rate: 1000, burst: 1000, sourceRate: 50, sourceBurst: 100 };

/**
 * The streams of one node.
 *
 * - packets in: `handlePacket`; commands: `dial`, `listen`, `write`, `read`, `close`, `abort`, `sendDatagram`, `ping`
 * - outputs: packets to send through the tunnel, and what happened to streams
 *
 * Commands on an id that no longer exists do nothing and return what an ended stream would.
 */
export class Streams implements Machine<StreamOutput> {
  readonly #config: StreamConfig;
  readonly #random: Random;
  readonly #mayReceive: MayReceive;
  readonly #table = new ConnectionTable();
  readonly #deadlines = new DeadlineHeap<Connection>();
  readonly #outputs = new Deque<StreamOutput>();
  /** Datagrams and pings: they leave before the segments of their turn. */
  readonly #urgent = new Deque<StreamOutput>();
  readonly #listeners = new Set<Port>();
  readonly #limits: IncomingLimits;
  /** Payload bytes per packet that the path to a node carries, where that differs from the default. */
  readonly #segmentLimits = new Map<NodeId, Bytes>();
  /** Connections in TIME_WAIT, oldest first. */
  readonly #lingering = new Set<Connection>();
  readonly #answerLimiter: SourceLimiter;
  readonly #control: Control;
  readonly #host: ConnectionHost;
  /** Streams with packets in the train that is being worked through. */
  readonly #train: Connection[] = [];
  #node: NodeId = 0;
  #nextId: ConnId = 1;
  #live = 0;
  #reserved: Bytes = 0;

  constructor(options: StreamsOptions) {
    this.#config = { ...DEFAULT_STREAM_CONFIG, ...options.config };
    this.#random = options.random;
    this.#mayReceive = options.mayReceive ?? (() => true);
    const { strangers } = this.#config;
    this.#limits = new IncomingLimits(this.#config, strangers, options.isKnown ?? (() => true));
    this.#answerLimiter = new SourceLimiter(ANSWER_LIMITS);
    this.#control = new Control(options.random.fork('ping'));
    this.#host = {
      config: this.#config,
      chunks: new ChunkPool(),
      output: (output) => this.#outputs.push(output),
      redial: (conn) => this.#redial(conn),
      initialSeq: () => this.#random.u32(),
      segmentLimit: (node) => this.#segmentLimits.get(node) ?? this.#config.mss,
      suspectSize: (node, bytes, now) => options.onSuspectSize?.(node, bytes, now),
      grow: (bytes) => {
        if (this.#reserved + bytes > this.#config.totalReceiveBuffer) return false;
        this.#reserved += bytes;
        return true;
      },
      ended: (conn) => this.#onEnded(conn),
      lingers: (conn) => this.#onLingers(conn),
      remove: (conn, keep) => {
        this.#lingering.delete(conn);
        this.#deadlines.remove(conn);
        this.#table.remove(conn, keep);
        if (keep) this.#arm(conn);
      },
    };
  }

  /** Our node id, once registered: the source of everything we send. */
  setNode(node: NodeId): void {
    this.#node = node;
  }

  // ---- commands

  /** An id for a dial that begins later, or never. */
  readonly reserve = (): ConnId => this.#takeId();

  /**
   * Opens a stream. What is written before it is open is kept and sent then. Ends in `connected` or `dialFailed`.
   * `timeout` in ms. @default config.dialTimeout
   */
  dial(
    remote: Address,
    port: Port,
    now: Instant,
    options: DialOptions = {},
    id: ConnId = this.reserve(),
  ): ConnId {
    const localPort =
      this.#live < this.#config.maxConnections ? this.#ephemeralPort(remote, port) : undefined;
    if (localPort === undefined) {
      this.#outputs.push({ type: 'dialFailed', conn: id, reason: 'aborted' });
      return id;
    }
    const conn = new Connection(
      this.#host,
      id,
      { local: { network: remote.network, node: this.#node }, localPort, remote, remotePort: port },
      { incoming: false, ...mannerOf(options, this.#config) },
      now,
    );
    this.#add(conn);
    conn.dial(options.timeout ?? this.#config.dialTimeout, now);
    this.#arm(conn);
    return conn.id;
  }

  /** False when the port is taken. */
  listen(port: Port): boolean {
    if (this.#listeners.has(port)) return false;
    this.#listeners.add(port);
    return true;
  }

  /** Open streams of the port are not affected. */
  unlisten(port: Port): void {
    this.#listeners.delete(port);
  }

  /**
   * Takes as much of `data` as the send buffer has room for and returns how many bytes that was (copied, unless the caller
   * `keeps` them as they are); after less than everything, `writable` follows. 0 also after `close` and on an ended stream.
   */
  write(id: ConnId, data: Uint8Array, now: Instant, keeps = false): number {
    const conn = this.#table.byId(id);
    const accepted = conn?.write(data, now, keeps);
    this.#arm(conn);
    return accepted ?? 0;
  }

  /** The next bytes in order, at most `limit`; undefined when there are none now. */
  read(id: ConnId, now: Instant, limit: Bytes = READ_LIMIT): Uint8Array | undefined {
    const conn = this.#table.byId(id);
    const chunk = conn?.read(limit, now);
    this.#arm(conn);
    return chunk;
  }

  /** The same into `out` from `at` on; returns how many bytes there were. */
  readInto(id: ConnId, out: Uint8Array, at: number, limit: Bytes, now: Instant): number {
    const conn = this.#table.byId(id);
    const length = conn?.readInto(out, at, limit, now);
    this.#arm(conn);
    return length ?? 0;
  }

  unread(id: ConnId): Bytes {
    return this.#table.byId(id)?.unread ?? 0;
  }

  atEnd(id: ConnId): boolean {
    return this.#table.byId(id)?.atEnd ?? false;
  }

  /**
   * Ends our direction: what was written is sent, then FIN. `finished` tells that the peer has it all, `closed` that
   * its direction ended too. Reading goes on until then: for as long as the peer is there when the owner `readsOn`.
   */
  close(id: ConnId, now: Instant, readsOn = false): void {
    const conn = this.#table.byId(id);
    if (readsOn) conn?.endWriting(now);
    else conn?.close(now);
    this.#arm(conn);
  }

  abort(id: ConnId, now: Instant): void {
    this.#table.byId(id)?.abort('aborted', now);
  }

  /** Resets all streams with a node, except those of `exceptPort`. */
  abortPeer(node: NodeId, now: Instant, reason: CloseReason, exceptPort?: Port): void {
    for (const conn of this.#table.ofNode(node)) {
      if (conn.ends.remotePort !== exceptPort && conn.ends.localPort !== exceptPort) conn.abort(reason, now);
    }
  }

  /** Resets the streams with a node that `isOver` names. */
  abortWhere(node: NodeId, now: Instant, reason: CloseReason, isOver: (conn: StreamEnds) => boolean): void {
    for (const conn of this.#table.ofNode(node)) {
      const { remote, localPort, remotePort } = conn.ends;
      const { incoming } = conn;
      if (isOver({ network: remote.network, incoming, port: incoming ? localPort : remotePort })) {
        conn.abort(reason, now);
      }
    }
  }

  /** Nodes with which there is a stream. */
  nodes(): Set<NodeId> {
    return new Set(Array.from(this.#table.all(), (conn) => conn.ends.remote.node));
  }

  has(node: NodeId): boolean {
    return this.#table.hasNode(node);
  }

  /** The path to a node works again: retransmissions and dials that wait for a back-off go out now. */
  retryPeer(node: NodeId, now: Instant): void {
    for (const conn of this.#table.ofNode(node)) {
      conn.retryNow(now);
      this.#arm(conn);
    }
  }

  /**
   * The path to a node carries packets with so much stream payload from now on. Streams with peers that know the
   * options use it, and cut again what is under way in larger pieces; others keep to `config.mss`.
   */
  setSegmentLimit(peer: NodeId, bytes: Bytes, now: Instant): void {
    if (bytes === this.#config.mss) this.#segmentLimits.delete(peer);
    else this.#segmentLimits.set(peer, bytes);
    for (const conn of this.#table.ofNode(peer)) {
      conn.setSegmentLimit(bytes, now);
      this.#arm(conn);
    }
  }

  /** Sends one datagram, 1 to 65,428 bytes. Not acknowledged, not repeated. */
  sendDatagram(
    to: Address,
    toPort: Port,
    payload: Uint8Array,
    _now: Instant,
    fromPort?: Port,
  ): 'sent' | 'too_large' | 'invalid' {
    if (payload.length > MAX_DATAGRAM) return 'too_large';
    if (payload.length === 0 || to.node === 0 || to.node === BROADCAST_NODE) return 'invalid';
    const source = { network: to.network, node: this.#node };
    const sourcePort = fromPort ?? randomEphemeral(this.#random);
    this.#urgent.push({
      type: 'packet',
      to: to.node,
      packet: datagramPacket(source, sourcePort, to, toPort, payload.slice()),
    });
    return 'sent';
  }

  /** Sends one ping; `pong` with the returned token follows if it is answered. */
  ping(node: NodeId, now: Instant, payload?: Uint8Array): number {
    const packet = this.#control.ping(this.#node, node, now, payload);
    this.#urgent.push({ type: 'packet', to: node, packet });
    return packet.seq;
  }

  status(): ConnStatus[] {
    return Array.from(this.#table.all(), (conn) => conn.status()).filter(({ state }) => state !== 'CLOSED');
  }

  statusOf(id: ConnId): ConnStatus | undefined {
    return this.#table.byId(id)?.status();
  }

  // ---- input

  /** A packet the tunnel has authenticated: its source node is the peer. */
  handlePacket(packet: Packet, now: Instant): void {
    switch (packet.protocol) {
      case PROTOCOL_STREAM:
        this.#onStream(packet, now);
        return;
      case PROTOCOL_DATAGRAM:
        this.#onDatagram(packet, now);
        return;
      case PROTOCOL_CONTROL:
        this.#onControl(packet, now);
        return;
    }
  }

  /**
   * The first `count` of packets that came together. Each stream answers them at the end, once: one acknowledgment,
   * and one burst of what they made room for. The array and the payloads are the caller's again afterwards.
   */
  handlePackets(packets: readonly Packet[], count: number, now: Instant): void {
    const train = this.#train;
    for (let i = 0; i < count; i++) {
      const packet = packets[i]!;
      const conn = packet.protocol === PROTOCOL_STREAM ? this.#table.find(packet) : undefined;
      if (conn === undefined || packet.flags !== FLAG_ACK) this.handlePacket(packet, now);
      else {
        if (conn.joinTrain()) train.push(conn);
        conn.onPacket(packet, now);
      }
    }
    for (const conn of train) {
      conn.endTrain(now);
      this.#arm(conn);
    }
    train.length = 0;
  }

  handleTimeout(now: Instant): void {
    for (let conn = this.#deadlines.takeDue(now); conn !== undefined; conn = this.#deadlines.takeDue(now)) {
      if (conn.nextDeadline() <= now) conn.onTimer(now);
      // A deadline that stays in the past would keep the owner's loop here for ever.
      this.#arm(conn, now + SHORTEST_TIMER);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.#deadlines.next();
  }

  poll(): StreamOutput | undefined {
    const output = this.#urgent.shift() ?? this.#outputs.shift();
    if (output === undefined) this.#host.chunks.settle();
    return output;
  }

  // ---- streams

  #onStream(packet: Packet, now: Instant): void {
    const conn = this.#table.find(packet);
    if ((packet.flags & (FLAG_SYN | FLAG_ACK)) === FLAG_SYN) {
      this.#onSyn(packet, conn, now);
      return;
    }
    if (conn === undefined) {
      this.#onUnknown(packet, now);
      return;
    }
    conn.onPacket(packet, now);
    this.#arm(conn);
  }

  /** Who may not connect learns nothing, not even that the port is closed. spec/03 §2.3, weakness 4 */
  #onSyn(packet: Packet, existing: Connection | undefined, now: Instant): void {
    if (existing !== undefined) {
      if (!existing.repeatedSyn(packet, now)) {
        this.#arm(existing);
        return;
      }
      existing.fail('reset', now);
    }
    const { source, destination, destinationPort: port } = packet;
    if (!this.#mayReceive(packet, 'stream', now)) return;
    if (!this.#listeners.has(port)) {
      this.#refuse(packet, now);
      return;
    }
    const admits = this.#limits.admits(port, source.node, now);
    if (admits === 'late') return;
    if (admits === 'full' || this.#live >= this.#config.maxConnections) {
      this.#refuse(packet, now);
      return;
    }
    const conn = new Connection(
      this.#host,
      this.#takeId(),
      { local: destination, localPort: port, remote: source, remotePort: packet.sourcePort },
      { incoming: true, ...mannerOf({}, this.#config) },
      now,
    );
    this.#limits.opened(port, source.node, now);
    this.#add(conn);
    conn.accept(packet, now);
    this.#outputs.push({
      type: 'incoming',
      conn: conn.id,
      port,
      remote: source,
      remotePort: packet.sourcePort,
    });
    this.#arm(conn);
  }

  /** A peer that believes in a stream we don't know learns that it is gone, if it may know of us at all. */
  #onUnknown(packet: Packet, now: Instant): void {
    if ((packet.flags & FLAG_RST) !== 0) return;
    // FIN+ACK is never answered: two implementations that do so never stop.
    if ((packet.flags & FLAG_FIN) !== 0 && (packet.flags & FLAG_ACK) !== 0) return;
    if ((packet.flags & (FLAG_FIN | FLAG_ACK)) === 0) return;
    if (!this.#answerLimiter.take(packet.source.node, now)) return;
    if (!this.#mayReceive(packet, 'stray', now)) return;
    this.#reset(packet);
  }

  #refuse(syn: Packet, now: Instant): void {
    if (this.#answerLimiter.take(syn.source.node, now)) this.#reset(syn);
  }

  #reset(packet: Packet): void {
    this.#outputs.push({ type: 'packet', to: packet.source.node, packet: resetFor(packet) });
  }

  #onLingers(conn: Connection): void {
    this.#lingering.add(conn);
    if (this.#lingering.size <= this.#config.maxTimeWait) return;
    for (const oldest of this.#lingering) {
      if (oldest.unread > 0) continue;
      oldest.forget();
      return;
    }
  }

  #onEnded(conn: Connection): void {
    this.#live--;
    this.#reserved -= conn.reserved;
    conn.reserved = 0;
    if (conn.incoming) {
      this.#limits.ended(conn.ends.localPort, conn.ends.remote.node);
    }
  }

  #redial(conn: Connection): boolean {
    const port = this.#ephemeralPort(conn.ends.remote, conn.ends.remotePort);
    if (port === undefined) return false;
    this.#table.remove(conn);
    conn.ends.localPort = port;
    this.#table.add(conn);
    return true;
  }

  #add(conn: Connection): void {
    this.#live++;
    this.#table.add(conn);
  }

  #arm(conn: Connection | undefined, earliest: Instant = 0): void {
    const at = conn?.nextDeadline() ?? Number.POSITIVE_INFINITY;
    if (conn !== undefined && at !== Number.POSITIVE_INFINITY)
      this.#deadlines.arm(conn, Math.max(at, earliest));
  }

  #takeId(): ConnId {
    let id = this.#nextId;
    while (id === 0 || this.#table.byId(id) !== undefined) id = (id + 1) >>> 0;
    this.#nextId = (id + 1) >>> 0;
    return id;
  }

  #ephemeralPort(remote: Address, remotePort: Port): Port | undefined {
    const taken = (port: Port) => this.#listeners.has(port) || this.#table.has(port, remote, remotePort);
    return freeEphemeral(this.#random, taken);
  }

  // ---- datagrams and pings

  #onDatagram(packet: Packet, now: Instant): void {
    const { source: from, sourcePort: fromPort, destinationPort: toPort } = packet;
    if (packet.payload.length === 0 || !this.#mayReceive(packet, 'datagram', now)) return;
    this.#outputs.push({ type: 'datagram', from, fromPort, toPort, payload: packet.payload.slice() });
  }

  #onControl(packet: Packet, now: Instant): void {
    const answered = this.#control.answer(packet, now);
    if (answered !== undefined) {
      this.#outputs.push({ type: 'pong', from: packet.source.node, ...answered });
      return;
    }
    const pong = this.#control.pong(packet);
    if (pong === undefined || !this.#answerLimiter.take(packet.source.node, now)) return;
    this.#urgent.push({ type: 'packet', to: packet.source.node, packet: pong });
  }
}
