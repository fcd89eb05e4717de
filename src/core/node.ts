import type { SigningKey } from '../base/crypto.ts';
import type { Machine } from '../base/machine.ts';
import type { Address, Endpoint, Instant, NodeId, Port } from '../base/units.ts';
import type { KeyRotation } from '../wire/key-rotation.ts';
import { encodePacket } from '../wire/packet.ts';
import type { Relation } from './network/memberships.ts';
import type { NodeOptions, NodeOutput, PeerEndpoints } from './node-types.ts';
import { Streams } from './stream/streams.ts';
import type { ConnId, ConnStatus, StreamOutput } from './stream/types.ts';
import type { Approval, RelayedRequest, RelayedResponse, RelayedRevoke } from './trust/trust.ts';
import { Trust } from './trust/trust.ts';
import type {
  OutgoingRequest,
  PendingRequest,
  Terms,
  TrustOutput,
  TrustRecord,
  TrustTarget,
} from './trust/types.ts';
import { TRUST_PORT, TrustChannel, type TrustSendResult } from './trust-channel.ts';
import { Tunnel } from './tunnel/tunnel.ts';
import type { PeerStatus, TunnelOutput } from './tunnel/types.ts';

/** After these, what waits for the peer may go out at once. */
const HEALED: ReadonlySet<string> = new Set(['tunnel.established', 'tunnel.rekeyed', 'tunnel.path_changed']);
/** After trust ends the keys stay this long, so that the peer can still be told. */
const FORGET_DELAY = 10_000;

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
export class PilotNode implements Machine<NodeOutput> {
  readonly #options: NodeOptions;
  readonly #tunnel: Tunnel;
  readonly #streams: Streams;
  readonly #trust: Trust;
  readonly #trustChannel: TrustChannel;
  readonly #outputs: NodeOutput[] = [];
  #outputAt = 0;
  readonly #dialing = new Map<ConnId, NodeId>();
  /** Dials being given up because the directory refused the peer, with what it said. */
  readonly #unresolved = new Map<ConnId, string>();
  readonly #forgetAt = new Map<NodeId, Instant>();
  #node: NodeId = 0;
  #public: boolean;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#public = options.public ?? false;
    const { crypto, random, identity } = options;
    this.#tunnel = new Tunnel({
      crypto,
      random: random.fork('tunnel'),
      identity,
      beacons: options.beacons,
      config: options.relayOnly === true ? { relayOnly: true, relayAfter: 0 } : {},
    });
    this.#streams = new Streams({
      random: random.fork('streams'),
      mayReceive: (peer, _destination, port, kind) => this.#mayReceive(peer, port, kind),
    });
    this.#trust = new Trust({
      crypto,
      random: random.fork('trust'),
      identity,
      snapshot: options.trust,
      wall: options.wall,
      config: { autoApprove: options.autoApprove ?? false },
    });
    this.#trustChannel = new TrustChannel(this.#streams);
    this.#pinTrusted();
  }

  /** Our node id, given by the registry; 0 until then. Nothing is sent to peers before it is set. */
  setNode(node: NodeId, hostname: string | undefined, now: Instant): void {
    this.#node = node;
    this.#tunnel.setNode(node);
    this.#streams.setNode(node);
    this.#trust.setNode(node);
    this.setHostname(hostname, now);
  }

  setHostname(hostname: string | undefined, now: Instant): void {
    this.#trust.setHostname(hostname);
    this.#settle(now);
  }

  setPublic(value: boolean): void {
    this.#public = value;
  }

  setBeacons(endpoints: readonly Endpoint[], now: Instant): void {
    this.#tunnel.setBeacons(endpoints, now);
    this.#settle(now);
  }

  /** Our own addresses on local networks, with the tunnel socket's port. A change means that we may have moved. */
  setLocalEndpoints(lan: readonly Endpoint[], now: Instant): void {
    this.#tunnel.setLocalEndpoints(lan);
    this.#tunnel.networkChanged(now);
    this.#settle(now);
  }

  handleDatagram(from: Endpoint, data: Uint8Array, now: Instant): void {
    this.#tunnel.handleDatagram(from, data, now);
    this.#settle(now);
  }

  answerKey(peer: NodeId, key: Uint8Array | undefined, now: Instant, claimed?: Uint8Array): void {
    this.#tunnel.identityKey(peer, key, now, claimed);
    this.#trust.identityKey(peer, key, now);
    this.#settle(now);
  }

  /**
   * Answers the question for a peer's endpoints. `undefined` means the directory refuses or does not know the peer:
   * dials in progress then fail with `detail`, unless a tunnel is up. When the directory can't be reached, answer
   * with the last endpoints known or with none: the relay is tried all the same.
   */
  answerEndpoints(peer: NodeId, found: PeerEndpoints | undefined, now: Instant, detail = ''): void {
    this.#tunnel.endpoints(peer, found, now);
    if (found === undefined && this.#tunnel.peer(peer)?.established !== true)
      this.#failDials(peer, now, detail);
    this.#settle(now);
  }

  /** Begins a stream; `connected` or `dialFailed` follows. */
  dial(
    remote: Address,
    port: Port,
    now: Instant,
    options: { timeout?: number; noDelay?: boolean } = {},
  ): ConnId {
    const conn = this.#streams.dial(remote, port, now, options);
    if (remote.node !== this.#node) this.#dialing.set(conn, remote.node);
    this.#settle(now);
    return conn;
  }

  /** False when the port is taken. Port 444 always is. */
  listen(port: Port): boolean {
    return this.#streams.listen(port);
  }

  unlisten(port: Port): void {
    if (port !== TRUST_PORT) this.#streams.unlisten(port);
  }

  /** Queues bytes; returns how many were accepted. `writable` follows when it was fewer than offered. */
  write(conn: ConnId, data: Uint8Array, now: Instant): number {
    const accepted = this.#streams.write(conn, data, now);
    this.#settle(now);
    return accepted;
  }

  read(conn: ConnId, now: Instant): Uint8Array | undefined {
    const chunk = this.#streams.read(conn, now);
    this.#settle(now);
    return chunk;
  }

  atEnd(conn: ConnId): boolean {
    return this.#streams.atEnd(conn);
  }

  close(conn: ConnId, now: Instant): void {
    this.#streams.close(conn, now);
    this.#settle(now);
  }

  abort(conn: ConnId, now: Instant): void {
    this.#streams.abort(conn, now);
    this.#settle(now);
  }

  sendDatagram(
    to: Address,
    port: Port,
    payload: Uint8Array,
    now: Instant,
    fromPort?: Port,
  ): 'sent' | 'too_large' | 'invalid' {
    const result = this.#streams.sendDatagram(to, port, payload, now, fromPort);
    this.#settle(now);
    return result;
  }

  /** Sends one control ping; `pong` with the returned token may follow. */
  ping(node: NodeId, now: Instant): number {
    const token = this.#streams.ping(node, now);
    this.#settle(now);
    return token;
  }

  /** Makes sure a tunnel to the peer exists, and looks for a better path. */
  connectPeer(node: NodeId, now: Instant): void {
    this.#tunnel.connect(node, now);
    this.#settle(now);
  }

  /** Asks for trust, or for other terms of a trust that exists. Narrower ones of ours take effect at once. */
  requestTrust(
    target: TrustTarget,
    justification: string,
    terms: Terms,
    now: Instant,
  ): ReturnType<Trust['request']> {
    const result = this.#trust.request(target, justification, terms, this.#options.wall(now), now);
    this.#settle(now);
    return result;
  }

  approve(node: NodeId, approval: Approval, now: Instant): ReturnType<Trust['approve']> {
    const result = this.#trust.approve(node, approval, this.#options.wall(now), now);
    this.#settle(now);
    return result;
  }

  reject(node: NodeId, reason: string, now: Instant): ReturnType<Trust['reject']> {
    const result = this.#trust.reject(node, reason, this.#options.wall(now), now);
    this.#settle(now);
    return result;
  }

  untrust(node: NodeId, reason: string, now: Instant): ReturnType<Trust['untrust']> {
    const result = this.#trust.untrust(node, reason, this.#options.wall(now), now);
    this.#settle(now);
    return result;
  }

  relayedRequest(request: RelayedRequest, now: Instant): void {
    this.#trust.relayedRequest(request, this.#options.wall(now), now);
    this.#settle(now);
  }

  relayedResponse(response: RelayedResponse, now: Instant): void {
    this.#trust.relayedResponse(response, this.#options.wall(now), now);
    this.#settle(now);
  }

  relayedRevoke(revoke: RelayedRevoke, now: Instant): void {
    this.#trust.relayedRevoke(revoke, this.#options.wall(now), now);
    this.#settle(now);
  }

  /** Answers `rotations`: the peer's signed key rotations, in any order. Those that don't lead on from its pinned key change nothing. */
  keyRotated(_peer: NodeId, _rotations: readonly KeyRotation[], now: Instant): void {
    this.#settle(now);
  }

  /** We sign with another key from now on: after a key rotation of ours. */
  setIdentity(_identity: SigningKey, now: Instant): void {
    this.#settle(now);
  }

  /** Answers `relation`; undefined when the directory can't be reached. */
  answerRelation(_peer: NodeId, _relation: Relation | undefined, now: Instant): void {
    this.#settle(now);
  }

  /** Our networks, their policies or what we know of members changed: streams that are not allowed any more end. */
  recheck(now: Instant): void {
    this.#settle(now);
  }

  registryDone(...args: Parameters<Trust['registryDone']>): void {
    this.#trust.registryDone(...args);
    this.#settle(args[args.length - 1] as Instant);
  }

  isTrusted(node: NodeId): boolean {
    return this.#trust.isTrusted(node);
  }
  trusted(): readonly TrustRecord[] {
    return this.#trust.trusted();
  }
  pending(): readonly PendingRequest[] {
    return this.#trust.pending();
  }
  outgoing(): readonly OutgoingRequest[] {
    return this.#trust.outgoing();
  }
  peers(): readonly PeerStatus[] {
    return this.#tunnel.peers();
  }
  peer(node: NodeId): PeerStatus | undefined {
    return this.#tunnel.peer(node);
  }
  connections(): readonly ConnStatus[] {
    return this.#streams
      .status()
      .filter((conn) => conn.localPort !== TRUST_PORT && conn.remotePort !== TRUST_PORT);
  }
  connection(conn: ConnId): ConnStatus | undefined {
    return this.#streams.statusOf(conn);
  }
  /** Our endpoint as the beacon sees it. */
  observed(): Endpoint | undefined {
    return this.#tunnel.observed();
  }
  /** Counted drops by reason. */
  drops(): Readonly<Record<string, number>> {
    return this.#tunnel.drops();
  }

  handleTimeout(now: Instant): void {
    this.#tunnel.handleTimeout(now);
    this.#streams.handleTimeout(now);
    this.#trust.handleTimeout(now);
    this.#trustChannel.handleTimeout(now);
    for (const [node, at] of this.#forgetAt) {
      if (at > now) continue;
      this.#forgetAt.delete(node);
      if (!this.#trust.isTrusted(node)) this.#tunnel.forget(node);
    }
    this.#settle(now);
  }

  nextTimeout(): Instant | undefined {
    let next = earliest(this.#tunnel.nextTimeout(), this.#streams.nextTimeout());
    next = earliest(next, this.#trust.nextTimeout());
    next = earliest(next, this.#trustChannel.nextTimeout());
    for (const at of this.#forgetAt.values()) next = earliest(next, at);
    return next;
  }

  poll(): NodeOutput | undefined {
    if (this.#outputAt < this.#outputs.length) return this.#outputs[this.#outputAt++];
    this.#outputs.length = 0;
    this.#outputAt = 0;
    return undefined;
  }

  /** Moves outputs between the parts until none has any left. Each pass only follows from an input or a timer, so it ends. */
  #settle(now: Instant): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (let output = this.#trust.poll(); output !== undefined; output = this.#trust.poll()) {
        moved = true;
        this.#onTrust(output, now);
      }
      for (let output = this.#streams.poll(); output !== undefined; output = this.#streams.poll()) {
        moved = true;
        this.#onStream(output, now);
      }
      for (let output = this.#tunnel.poll(); output !== undefined; output = this.#tunnel.poll()) {
        moved = true;
        this.#onTunnel(output, now);
      }
    }
  }

  #onTunnel(output: TunnelOutput, now: Instant): void {
    switch (output.type) {
      case 'transmit':
        this.#outputs.push(output);
        return;
      case 'event':
        // What waited for a dead path need not wait for its timers once another one works.
        if (HEALED.has(output.event.name) && 'peer' in output.event) {
          this.#streams.retryPeer(output.event.peer, now);
        }
        this.#outputs.push(output);
        return;
      case 'packet':
        this.#streams.handlePacket(output.packet, now);
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

  #onStream(output: StreamOutput, now: Instant): void {
    switch (output.type) {
      case 'packet':
        if (output.to === this.#node) this.#streams.handlePacket(output.packet, now);
        else this.#tunnel.send(output.to, encodePacket(output.packet), now);
        return;
      case 'connected':
        this.#dialing.delete(output.conn);
        if (this.#trustChannel.owns(output.conn)) this.#trustChannel.connected(output.conn, now);
        else this.#outputs.push(output);
        return;
      case 'dialFailed':
      case 'closed': {
        this.#dialing.delete(output.conn);
        const detail = this.#unresolved.get(output.conn);
        this.#unresolved.delete(output.conn);
        if (this.#trustChannel.owns(output.conn)) this.#trustSent(this.#trustChannel.ended(output.conn), now);
        else if (detail === undefined) this.#outputs.push(output);
        else this.#outputs.push({ type: 'dialFailed', conn: output.conn, reason: 'unresolved', detail });
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
          this.#trust.directMessage(arrived.peer, arrived.message, this.#options.wall(now), now);
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
      this.#trust.directDelivered(result.ref, now);
    } else this.#trust.directFailed(result.ref, now);
  }

  #onTrust(output: TrustOutput, now: Instant): void {
    switch (output.type) {
      case 'sendDirect':
        this.#trustChannel.send(output.to, output.message, output.ref, now);
        return;
      case 'needKey':
        this.#outputs.push({ type: 'query', query: { ask: 'key', peer: output.peer } });
        return;
      case 'persist':
        this.#pinTrusted();
        this.#outputs.push({ type: 'trust', output });
        return;
      case 'dropped':
        this.#streams.abortPeer(output.peer, now, 'untrusted', TRUST_PORT);
        this.#tunnel.unpin(output.peer);
        this.#forgetAt.set(output.peer, now + FORGET_DELAY);
        this.#outputs.push({ type: 'trust', output });
        return;
      case 'needRotations':
        this.#outputs.push({ type: 'query', query: { ask: 'rotations', peer: output.peer } });
        return;
      case 'rescoped':
        return;
      case 'repinned':
        this.#tunnel.pin(output.peer, output.publicKey);
        return;
      default:
        this.#outputs.push({ type: 'trust', output });
    }
  }

  #pinTrusted(): void {
    for (const record of this.#trust.trusted()) this.#tunnel.pin(record.node, record.publicKey);
  }

  /** A private node hears only those it trusts; port 444 also those whose answer it is waiting for. */
  #mayReceive(peer: NodeId, port: Port, kind: 'stream' | 'datagram'): boolean {
    if (this.#public || peer === this.#node || this.#trust.isTrusted(peer)) return true;
    if (kind === 'stream' && port === TRUST_PORT) {
      return this.#trust.outgoing().some((request) => request.node === peer);
    }
    this.#outputs.push({
      type: 'event',
      event: {
        name: kind === 'stream' ? 'syn.rejected' : 'datagram.rejected',
        peer,
        port,
        reason: 'untrusted',
      },
    });
    return false;
  }

  #failDials(peer: NodeId, now: Instant, detail: string): void {
    for (const [conn, node] of [...this.#dialing]) {
      if (node !== peer) continue;
      this.#unresolved.set(conn, detail);
      this.#streams.abort(conn, now);
    }
  }
}

function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}
