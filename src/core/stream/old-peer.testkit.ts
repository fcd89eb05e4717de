/**
 * A model of the stream layer that peers of April 2026 run, written from spec/03 with its quirks and faults, to test
 * against. It keeps to what is visible on the wire: no event loop, no blocking dispatcher.
 */
import { EMPTY } from '../../base/bytes.ts';
import { add, after, before, distance } from '../../base/seq.ts';
import type { Address, Instant, NodeId, Port } from '../../base/units.ts';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, type Packet } from '../../wire/packet.ts';
import { decodeSack, encodeSack, type SackBlock } from '../../wire/sack.ts';
import type { ConnId, StreamOutput } from './types.ts';

const MSS = 4096;
const QUEUE_SEGMENTS = 512;
const OUT_OF_ORDER_SEGMENTS = 128;
const SWEEP = 15_000;

interface OldSegment {
  readonly seq: number;
  readonly data: Uint8Array;
  sentAt: number;
  sent: number;
  sacked: boolean;
}

type OldState = 'SYN_SENT' | 'ESTABLISHED' | 'FIN_WAIT' | 'TIME_WAIT' | 'CLOSED';

class OldConnection {
  state: OldState = 'SYN_SENT';
  next = 1;
  una = 1;
  received = 0;
  peerWindow = 512 * MSS;
  congestionWindow = 10 * MSS;
  threshold = 524_288;
  unacked: OldSegment[] = [];
  nagle: number[] = [];
  nagleAt = Number.POSITIVE_INFINITY;
  queue: Uint8Array[] = [];
  outOfOrder = new Map<number, Uint8Array>();
  ended = false;
  pendingAcks = 0;
  ackAt = Number.POSITIVE_INFINITY;
  smoothed = 0;
  variance = 0;
  timeout = 1000;
  lastTimeoutAt = Number.NEGATIVE_INFINITY;
  recovery: number | undefined;
  duplicateAcks = 0;
  probeAt = Number.POSITIVE_INFINITY;
  probeWait = 500;
  activity: number;
  keepAlives = 0;
  synWait = 1000;
  syns = 0;
  synAt = Number.POSITIVE_INFINITY;
  wantsWritable = false;
  readonly id: ConnId;
  readonly local: Address;
  readonly localPort: Port;
  readonly remote: Address;
  readonly remotePort: Port;

  constructor(id: ConnId, local: Address, localPort: Port, remote: Address, remotePort: Port, now: Instant) {
    this.id = id;
    this.local = local;
    this.localPort = localPort;
    this.remote = remote;
    this.remotePort = remotePort;
    this.activity = now;
  }

  get freeSlots(): number {
    return Math.max(0, QUEUE_SEGMENTS - this.queue.length);
  }
  get inFlight(): number {
    return this.unacked.reduce((sum, segment) => sum + segment.data.length, 0);
  }
}

export class OldPeer {
  readonly #node: NodeId;
  readonly #connections = new Map<string, OldConnection>();
  readonly #byId = new Map<ConnId, OldConnection>();
  readonly #listeners = new Set<Port>();
  readonly #outputs: StreamOutput[] = [];
  #nextId = 1;
  #nextPort: Port;
  #sweepAt = SWEEP;
  #tickAt = 100;
  /** Packets it dropped for want of a connection. */
  unknown = 0;
  resetsSent = 0;

  constructor(node: NodeId, firstPort: Port = 49_152) {
    this.#node = node;
    this.#nextPort = firstPort;
  }

  listen(port: Port): boolean {
    this.#listeners.add(port);
    return true;
  }

  dial(remote: Address, port: Port, now: Instant): ConnId {
    const conn = this.#open(
      { network: remote.network, node: this.#node },
      this.#nextPort++,
      remote,
      port,
      now,
    );
    conn.next = 0;
    conn.una = 0;
    this.#sendSyn(conn, now);
    conn.next = 1;
    conn.una = 1;
    return conn.id;
  }

  write(id: ConnId, data: Uint8Array, now: Instant): number {
    const conn = this.#byId.get(id);
    if (conn === undefined || conn.state !== 'ESTABLISHED') return 0;
    // A write blocks in the real daemon; here the buffer takes what 64 KiB of backlog leave room for.
    const room = Math.max(0, 65_536 - conn.nagle.length);
    const accepted = Math.min(room, data.length);
    for (let i = 0; i < accepted; i++) conn.nagle.push(data[i]!);
    if (accepted < data.length) conn.wantsWritable = true;
    this.#flush(conn, now, false);
    return accepted;
  }

  read(id: ConnId, now: Instant): Uint8Array | undefined {
    void now;
    return this.#byId.get(id)?.queue.shift();
  }

  atEnd(id: ConnId): boolean {
    const conn = this.#byId.get(id);
    return conn?.ended === true && conn.queue.length === 0;
  }

  close(id: ConnId, now: Instant): void {
    const conn = this.#byId.get(id);
    if (conn === undefined || conn.state !== 'ESTABLISHED') return;
    this.#activeClose(conn, now);
  }

  status(): { readonly state: OldState; readonly inFlight: number }[] {
    return [...this.#connections.values()].map((conn) => ({ state: conn.state, inFlight: conn.inFlight }));
  }

  /** The process restarts: everything is forgotten, ports start over. */
  restart(): void {
    this.#connections.clear();
    this.#byId.clear();
    this.#nextPort = 49_152;
  }

  poll(): StreamOutput | undefined {
    return this.#outputs.shift();
  }

  nextTimeout(): Instant | undefined {
    let at: number | undefined;
    for (const conn of this.#connections.values()) {
      const due = Math.min(conn.ackAt, conn.nagleAt, conn.synAt, conn.probeAt, this.#sweepAt);
      const tick = conn.unacked.length > 0 ? Math.min(due, this.#tickAt) : due;
      if (at === undefined || tick < at) at = tick;
    }
    return at;
  }

  handleTimeout(now: Instant): void {
    for (const conn of [...this.#connections.values()]) {
      if (conn.synAt <= now) this.#synTimer(conn, now);
      if (conn.ackAt <= now) this.#sendAck(conn);
      if (conn.nagleAt <= now) {
        conn.nagleAt = Number.POSITIVE_INFINITY;
        this.#flush(conn, now, true);
      }
      if (conn.probeAt <= now) {
        conn.probeWait = Math.min(30_000, conn.probeWait * 2);
        conn.probeAt = now + conn.probeWait;
        this.#send(conn, FLAG_ACK, conn.next, conn.received, conn.freeSlots, EMPTY);
      }
    }
    if (this.#tickAt <= now) {
      this.#tickAt = Math.floor(now / 100) * 100 + 100;
      for (const conn of [...this.#connections.values()]) this.#retransmitTick(conn, now);
    }
    if (this.#sweepAt <= now) {
      this.#sweepAt = Math.floor(now / SWEEP) * SWEEP + SWEEP;
      for (const conn of [...this.#connections.values()]) this.#sweep(conn, now);
    }
  }

  handlePacket(packet: Packet, now: Instant): void {
    if (packet.protocol === 3) {
      if (packet.destinationPort === 0) this.#pong(packet);
      return;
    }
    if (packet.protocol === 2) {
      if (packet.payload.length > 0) {
        this.#outputs.push({
          type: 'datagram',
          from: packet.source,
          fromPort: packet.sourcePort,
          toPort: packet.destinationPort,
          payload: packet.payload,
        });
      }
      return;
    }
    if (packet.protocol !== 1) return;
    const { flags } = packet;
    const conn = this.#connections.get(keyOf(packet.destinationPort, packet.source, packet.sourcePort));
    if ((flags & FLAG_SYN) !== 0 && (flags & FLAG_ACK) === 0) this.#onSyn(packet, conn, now);
    else if (conn === undefined) this.unknown++;
    else if ((flags & FLAG_SYN) !== 0) this.#onSynAck(conn, packet, now);
    else if ((flags & FLAG_FIN) !== 0) this.#onFin(conn, packet, now);
    else if ((flags & FLAG_RST) !== 0) this.#end(conn, conn.state === 'SYN_SENT' ? 'refused' : 'reset');
    else if ((flags & FLAG_ACK) !== 0) this.#onAck(conn, packet, now);
  }

  #open(local: Address, localPort: Port, remote: Address, remotePort: Port, now: Instant): OldConnection {
    const conn = new OldConnection(this.#nextId++, local, localPort, remote, remotePort, now);
    this.#connections.set(keyOf(localPort, remote, remotePort), conn);
    this.#byId.set(conn.id, conn);
    return conn;
  }

  #remove(conn: OldConnection): void {
    conn.state = 'CLOSED';
    this.#connections.delete(keyOf(conn.localPort, conn.remote, conn.remotePort));
  }

  #end(conn: OldConnection, reason: 'refused' | 'reset' | 'timeout' | 'finished'): void {
    const dialing = conn.state === 'SYN_SENT';
    this.#remove(conn);
    this.#outputs.push(
      dialing ? { type: 'dialFailed', conn: conn.id, reason } : { type: 'closed', conn: conn.id, reason },
    );
  }

  #onSyn(packet: Packet, existing: OldConnection | undefined, now: Instant): void {
    const port = packet.destinationPort;
    if (!this.#listeners.has(port)) {
      this.resetsSent++;
      this.#outputs.push({ type: 'packet', to: packet.source.node, packet: resetOf(packet) });
      return;
    }
    if (existing !== undefined) {
      const seq = add(existing.next, -1);
      this.#send(existing, FLAG_SYN | FLAG_ACK, seq, existing.received, existing.freeSlots, EMPTY);
      return;
    }
    const conn = this.#open(packet.destination, port, packet.source, packet.sourcePort, now);
    conn.state = 'ESTABLISHED';
    conn.received = add(packet.seq, 1);
    conn.peerWindow = packet.window * MSS;
    this.#send(conn, FLAG_SYN | FLAG_ACK, 0, conn.received, conn.freeSlots, EMPTY);
    const { source: remote, sourcePort: remotePort } = packet;
    this.#outputs.push({ type: 'incoming', conn: conn.id, port, remote, remotePort });
  }

  #onSynAck(conn: OldConnection, packet: Packet, now: Instant): void {
    if (conn.state !== 'SYN_SENT') return;
    conn.state = 'ESTABLISHED';
    conn.synAt = Number.POSITIVE_INFINITY;
    conn.received = add(packet.seq, 1);
    conn.peerWindow = packet.window * MSS;
    conn.activity = now;
    this.#send(conn, FLAG_ACK, conn.next, conn.received, conn.freeSlots, EMPTY);
    this.#outputs.push({ type: 'connected', conn: conn.id });
  }

  #sendSyn(conn: OldConnection, now: Instant): void {
    conn.syns++;
    conn.synAt = now + conn.synWait;
    conn.synWait = Math.min(8000, conn.synWait * 2);
    this.#send(conn, FLAG_SYN, 0, 0, 512, EMPTY);
  }

  #synTimer(conn: OldConnection, now: Instant): void {
    if (conn.syns >= 7) this.#end(conn, 'timeout');
    else this.#sendSyn(conn, now);
  }

  #onAck(conn: OldConnection, packet: Packet, now: Instant): void {
    if (conn.state === 'SYN_SENT') return;
    conn.activity = now;
    conn.keepAlives = 0;
    const blocks = decodeSack(packet.payload);
    conn.peerWindow = packet.window * MSS;
    this.#processAck(conn, packet, blocks, now);
    if (blocks === undefined && packet.payload.length > 0) this.#onData(conn, packet, now);
    this.#flush(conn, now, false);
    if (conn.wantsWritable && conn.nagle.length < 32_768) {
      conn.wantsWritable = false;
      this.#outputs.push({ type: 'writable', conn: conn.id });
    }
  }

  #processAck(conn: OldConnection, packet: Packet, blocks: SackBlock[] | undefined, now: Instant): void {
    const { ack } = packet;
    if (ack === 0 || before(ack, conn.una)) return;
    if (ack === conn.una) {
      if (packet.payload.length === 0) this.#duplicateAck(conn, now);
    } else {
      const bytes = distance(ack, conn.una);
      conn.una = ack;
      conn.duplicateAcks = 0;
      conn.lastTimeoutAt = Number.NEGATIVE_INFINITY;
      conn.probeWait = 500;
      conn.probeAt = Number.POSITIVE_INFINITY;
      while (conn.unacked.length > 0) {
        const first = conn.unacked[0]!;
        if (after(add(first.seq, first.data.length), ack)) break;
        if (first.sent === 1 && !first.sacked) this.#measure(conn, now - first.sentAt);
        conn.unacked.shift();
      }
      for (const segment of conn.unacked) segment.sacked = false;
      if (conn.recovery !== undefined && !before(ack, conn.recovery)) conn.recovery = undefined;
      const growth =
        conn.congestionWindow < conn.threshold ? bytes : Math.max(1, (MSS * bytes) / conn.congestionWindow);
      conn.congestionWindow = Math.min(1_048_576, conn.congestionWindow + growth);
    }
    for (const { left, right } of blocks ?? []) {
      for (const segment of conn.unacked) {
        if (!before(segment.seq, left) && !after(add(segment.seq, segment.data.length), right))
          segment.sacked = true;
      }
    }
  }

  #duplicateAck(conn: OldConnection, now: Instant): void {
    conn.duplicateAcks++;
    if (conn.duplicateAcks === 3) {
      const first = conn.unacked.find((segment) => !segment.sacked);
      if (first !== undefined) this.#transmit(conn, first, now);
      conn.threshold = Math.max(conn.congestionWindow / 2, MSS);
      conn.congestionWindow = conn.threshold + 12_288;
    } else if (conn.duplicateAcks > 3) {
      conn.congestionWindow = Math.min(1_048_576, conn.congestionWindow + MSS);
    }
  }

  #measure(conn: OldConnection, rtt: number): void {
    if (conn.smoothed === 0) {
      conn.smoothed = rtt;
      conn.variance = rtt / 2;
    } else {
      conn.variance = 0.75 * conn.variance + 0.25 * Math.abs(conn.smoothed - rtt);
      conn.smoothed = 0.875 * conn.smoothed + 0.125 * rtt;
    }
    conn.timeout = Math.min(10_000, Math.max(200, conn.smoothed + Math.max(10, 4 * conn.variance)));
  }

  #onData(conn: OldConnection, packet: Packet, now: Instant): void {
    if (conn.state !== 'ESTABLISHED') return;
    const { seq, payload } = packet;
    if (seq === conn.received) {
      if (conn.queue.length >= QUEUE_SEGMENTS) return;
      this.#deliver(conn, payload);
      for (let next = conn.outOfOrder.get(conn.received); next !== undefined; ) {
        if (conn.queue.length >= QUEUE_SEGMENTS) break;
        conn.outOfOrder.delete(conn.received);
        this.#deliver(conn, next);
        next = conn.outOfOrder.get(conn.received);
      }
      this.#outputs.push({ type: 'readable', conn: conn.id });
    } else if (after(seq, conn.received)) {
      if (!conn.outOfOrder.has(seq) && conn.outOfOrder.size < OUT_OF_ORDER_SEGMENTS)
        conn.outOfOrder.set(seq, payload);
    }
    conn.pendingAcks++;
    if (conn.outOfOrder.size > 0 || conn.pendingAcks >= 2) this.#sendAck(conn);
    else conn.ackAt = Math.min(conn.ackAt, now + 40);
  }

  #deliver(conn: OldConnection, payload: Uint8Array): void {
    conn.queue.push(payload);
    conn.received = add(conn.received, payload.length);
  }

  #sendAck(conn: OldConnection): void {
    conn.pendingAcks = 0;
    conn.ackAt = Number.POSITIVE_INFINITY;
    const sack = encodeSack(this.#blocks(conn).slice(0, 4));
    this.#send(conn, FLAG_ACK, conn.next, conn.received, conn.freeSlots, sack);
  }

  #blocks(conn: OldConnection): SackBlock[] {
    const seqs = [...conn.outOfOrder.keys()].sort((a, b) => distance(a, b));
    const blocks: { left: number; right: number }[] = [];
    for (const seq of seqs) {
      const right = add(seq, conn.outOfOrder.get(seq)!.length);
      const last = blocks.at(-1);
      if (last !== undefined && !after(seq, last.right)) {
        if (after(right, last.right)) last.right = right;
      } else blocks.push({ left: seq, right });
    }
    return blocks;
  }

  #flush(conn: OldConnection, now: Instant, force: boolean): void {
    if (conn.state !== 'ESTABLISHED') return;
    while (conn.nagle.length > 0) {
      const window =
        conn.peerWindow === 0 ? conn.congestionWindow : Math.min(conn.congestionWindow, conn.peerWindow);
      if (conn.inFlight >= window) {
        if (conn.probeAt === Number.POSITIVE_INFINITY) conn.probeAt = now + conn.probeWait;
        return;
      }
      if (conn.nagle.length < MSS && conn.unacked.length > 0 && !force) {
        if (conn.nagleAt === Number.POSITIVE_INFINITY) conn.nagleAt = now + 40;
        return;
      }
      const data = Uint8Array.from(conn.nagle.splice(0, MSS));
      const segment: OldSegment = { seq: conn.next, data, sentAt: now, sent: 0, sacked: false };
      conn.next = add(conn.next, data.length);
      conn.unacked.push(segment);
      conn.activity = now;
      this.#transmit(conn, segment, now);
    }
    conn.probeAt = Number.POSITIVE_INFINITY;
  }

  #transmit(conn: OldConnection, segment: OldSegment, now: Instant): void {
    segment.sent++;
    segment.sentAt = now;
    conn.pendingAcks = 0;
    conn.ackAt = Number.POSITIVE_INFINITY;
    this.#send(conn, FLAG_ACK, segment.seq, conn.received, conn.freeSlots, segment.data);
  }

  #retransmitTick(conn: OldConnection, now: Instant): void {
    if (conn.state !== 'ESTABLISHED' && conn.state !== 'FIN_WAIT') return;
    const first = conn.unacked.find((segment) => !segment.sacked);
    if (first === undefined || now - first.sentAt <= conn.timeout || now - conn.lastTimeoutAt < conn.timeout)
      return;
    if (first.sent >= 8) {
      this.resetsSent++;
      this.#send(conn, FLAG_RST, 0, 0, 0, EMPTY);
      this.#end(conn, 'reset');
      return;
    }
    conn.lastTimeoutAt = now;
    if (conn.recovery === undefined) {
      conn.threshold = Math.max(conn.congestionWindow / 2, MSS);
      conn.congestionWindow = 40_960;
      conn.recovery = conn.next;
      conn.timeout = Math.min(10_000, conn.timeout * 2);
    }
    if (conn.state === 'FIN_WAIT') {
      first.sent++;
      first.sentAt = now;
      this.#send(conn, FLAG_FIN, first.seq, 0, 0, EMPTY);
    } else this.#transmit(conn, first, now);
  }

  #activeClose(conn: OldConnection, now: Instant): void {
    conn.state = 'FIN_WAIT';
    conn.activity = now;
    conn.nagle = [];
    conn.ended = true;
    this.#send(conn, FLAG_FIN, conn.next, 0, 0, EMPTY);
    conn.next = add(conn.next, 1);
  }

  #onFin(conn: OldConnection, packet: Packet, now: Instant): void {
    if (conn.state === 'FIN_WAIT') conn.unacked = [];
    if (!conn.ended) {
      conn.ended = true;
      this.#outputs.push({ type: 'readable', conn: conn.id });
    }
    conn.state = 'TIME_WAIT';
    conn.activity = now;
    this.#send(conn, FLAG_FIN | FLAG_ACK, conn.next, add(packet.seq, 1), 0, EMPTY);
  }

  #sweep(conn: OldConnection, now: Instant): void {
    const idle = now - conn.activity;
    if (conn.state === 'ESTABLISHED') {
      if (idle > 120_000) this.#activeClose(conn, now);
      else if (idle > 60_000) {
        if (conn.keepAlives >= 3) {
          this.resetsSent++;
          this.#send(conn, FLAG_RST, 0, 0, 0, EMPTY);
          this.#end(conn, 'reset');
        } else {
          conn.keepAlives++;
          this.#send(conn, FLAG_ACK, conn.next, conn.received, 0, EMPTY);
        }
      }
    } else if (conn.state !== 'SYN_SENT' && idle > 10_000) {
      this.#end(conn, 'finished');
    }
  }

  #pong(packet: Packet): void {
    this.#outputs.push({
      type: 'packet',
      to: packet.source.node,
      packet: {
        ...packet,
        flags: FLAG_ACK,
        source: packet.destination,
        destination: packet.source,
        sourcePort: 0,
        destinationPort: packet.sourcePort,
        ack: add(packet.seq, 1),
      },
    });
  }

  #send(
    conn: OldConnection,
    flags: number,
    seq: number,
    ack: number,
    window: number,
    payload: Uint8Array,
  ): void {
    this.#outputs.push({
      type: 'packet',
      to: conn.remote.node,
      packet: {
        protocol: 1,
        flags,
        source: conn.local,
        destination: conn.remote,
        sourcePort: conn.localPort,
        destinationPort: conn.remotePort,
        seq,
        ack,
        window,
        payload,
      },
    });
  }
}

function keyOf(localPort: Port, remote: Address, remotePort: Port): string {
  return `${localPort}|${remote.network}|${remote.node}|${remotePort}`;
}

function resetOf(packet: Packet): Packet {
  return {
    protocol: 1,
    flags: FLAG_RST,
    source: packet.destination,
    destination: packet.source,
    sourcePort: packet.destinationPort,
    destinationPort: packet.sourcePort,
    seq: 0,
    ack: 0,
    window: 0,
    payload: EMPTY,
  };
}
