/** The attacker: a registered node of nobody's trust, with a line to the registry and a tunnel it fully controls. */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { toHex } from '../../src/base/bytes.ts';
import type { SigningKey } from '../../src/base/crypto.ts';
import type { Endpoint, Instant, NodeId, Port } from '../../src/base/units.ts';
import { Streams } from '../../src/core/stream/streams.ts';
import type { StreamOutput } from '../../src/core/stream/types.ts';
import { Tunnel } from '../../src/core/tunnel/tunnel.ts';
import type { TunnelOutput } from '../../src/core/tunnel/types.ts';
import { nodeClock, nodeCrypto, nodeRandom } from '../../src/platform/index.ts';
import { drive } from '../../src/runtime/drive.ts';
import { decodeBase64, encodeBase64 } from '../../src/wire/base64.ts';
import { BEACON } from '../../src/wire/beacon.ts';
import { encodePacket, type Packet } from '../../src/wire/packet.ts';
import { encodeJsonFrame, JsonFrameReader } from '../../src/wire/registry-frame.ts';
import { contentSignedBytes } from '../../src/wire/registry-signatures.ts';
import { pause } from './children.testkit.ts';

export type Json = Record<string, unknown>;

export { pause };

/** A plaintext connection to the registry that can say anything. */
export class RegistryLine {
  readonly #socket: Socket;
  readonly #reader = new JsonFrameReader();
  readonly #replies: Json[] = [];
  #wake: (() => void) | undefined;
  isClosed = false;

  static async open(to: Endpoint): Promise<RegistryLine> {
    const socket = connect(to.port, to.host);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RegistryLine(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      this.#reader.push(data);
      for (let reply = this.#reader.next(); reply !== undefined; reply = this.#reader.next()) {
        this.#replies.push(reply as Json);
      }
      this.#wake?.();
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake?.();
    });
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends a request and returns its reply. */
  async ask(request: Json): Promise<Json> {
    this.raw(encodeJsonFrame(request));
    return this.reply();
  }

  async reply(patience = 5_000): Promise<Json> {
    const until = Date.now() + patience;
    while (this.#replies.length === 0) {
      if (this.isClosed) throw new Error('the registry closed the connection');
      if (Date.now() > until) throw new Error('the registry does not answer');
      await this.#something(until - Date.now());
    }
    return this.#replies.shift()!;
  }

  /** True once the registry has closed the connection without a word. */
  async closedSilently(patience = 5_000): Promise<boolean> {
    const until = Date.now() + patience;
    while (!this.isClosed && Date.now() < until) await this.#something(until - Date.now());
    return this.isClosed && this.#replies.length === 0;
  }

  close(): void {
    this.#socket.destroy();
  }

  #something(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, limit));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Bytes to a UDP port, from a socket of its own that remembers what comes back. */
export class UdpLine {
  /** Kept while nobody else takes them. */
  readonly received: { readonly data: Buffer; readonly from: Endpoint }[] = [];
  readonly #socket: UdpSocket;
  #receiver: ((data: Buffer, from: Endpoint) => void) | undefined;

  static async open(): Promise<UdpLine> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return new UdpLine(socket);
  }

  private constructor(socket: UdpSocket) {
    this.#socket = socket;
    socket.on('message', (data, sender) => {
      const from = { host: sender.address, port: sender.port };
      if (this.#receiver === undefined) this.received.push({ data, from });
      else this.#receiver(data, from);
    });
  }

  get endpoint(): Endpoint {
    return { host: '127.0.0.1', port: this.#socket.address().port };
  }

  onDatagram(receiver: (data: Buffer, from: Endpoint) => void): void {
    this.#receiver = receiver;
  }

  send(to: Endpoint, data: Uint8Array): void {
    this.#socket.send(data, to.port, to.host);
  }

  close(): void {
    this.#socket.close();
  }
}

type StrangerOutput = TunnelOutput | StreamOutput;

/** A node that registered properly and from then on misbehaves. */
export class Stranger {
  readonly identity: SigningKey;
  readonly node: NodeId;
  readonly line: RegistryLine;
  readonly udp: UdpLine;
  readonly streams: Streams;
  readonly tunnel: Tunnel;
  /** Authenticated packets that came through the tunnel. */
  readonly packets: Packet[] = [];
  /** Frames that arrived, as they were on the wire, but for what a beacon itself says. */
  readonly frames: Buffer[] = [];
  readonly #known: ReadonlyMap<NodeId, Endpoint>;
  readonly #run: (mutation: () => void) => void;
  readonly #stop: () => void;
  readonly #waiting = new Map<number, (output: StreamOutput) => void>();

  /** `known` are endpoints the attacker has found out. */
  static async join(
    registry: Endpoint,
    options: { known?: ReadonlyMap<NodeId, Endpoint>; hostname?: string; beacons?: Endpoint[] } = {},
  ): Promise<Stranger> {
    const identity = nodeCrypto().signingKey(randomBytes(32));
    const line = await RegistryLine.open(registry);
    const udp = await UdpLine.open();
    const { nonce } = await line.ask({ type: 'challenge' });
    const registered = await line.ask(
      signedRequest(identity, {
        type: 'register',
        public_key: encodeBase64(identity.publicKey),
        listen_addr: `127.0.0.1:${udp.endpoint.port}`,
        challenge: nonce,
        ...(options.hostname !== undefined && { hostname: options.hostname }),
      }),
    );
    if (registered.type !== 'register_ok') throw new Error(JSON.stringify(registered));
    return new Stranger(identity, registered.node_id as NodeId, line, udp, options);
  }

  private constructor(
    identity: SigningKey,
    node: NodeId,
    line: RegistryLine,
    udp: UdpLine,
    options: { known?: ReadonlyMap<NodeId, Endpoint>; beacons?: Endpoint[] },
  ) {
    this.identity = identity;
    this.node = node;
    this.line = line;
    this.udp = udp;
    this.#known = options.known ?? new Map();
    const clock = nodeClock();
    const random = nodeRandom();
    this.tunnel = new Tunnel({ crypto: nodeCrypto(), random, identity, beacons: options.beacons ?? [] });
    this.streams = new Streams({ random });
    this.tunnel.setNode(node);
    this.streams.setNode(node);
    const { tunnel, streams } = this;
    const driver = drive<StrangerOutput>(
      {
        poll: () => streams.poll() ?? tunnel.poll(),
        nextTimeout: () => earliest(tunnel.nextTimeout(), streams.nextTimeout()),
        handleTimeout(now: Instant) {
          tunnel.handleTimeout(now);
          streams.handleTimeout(now);
        },
      },
      clock,
      (output) => this.#onOutput(output),
    );
    this.#run = (mutation) => driver.run(mutation);
    this.#stop = () => driver.stop();
    udp.onDatagram((data, from) => {
      if (!isByBeacon(data)) this.frames.push(Buffer.from(data));
      this.#run(() => tunnel.handleDatagram(from, data, now()));
    });
    this.#run(() => tunnel.setBeacons(options.beacons ?? [], now()));
  }

  /** Fields with a valid signature of this node over all of them. */
  signed(fields: Json): Json {
    return signedRequest(this.identity, fields);
  }

  /** A signed request to the registry. */
  ask(fields: Json): Promise<Json> {
    return this.line.ask(this.signed(fields));
  }

  /** Sends any packet through the tunnel, with whatever source it names. */
  sendPacket(to: NodeId, packet: Partial<Packet>): void {
    const bytes = encodePacket({
      protocol: 2,
      flags: 0,
      source: { network: 0, node: this.node },
      destination: { network: 0, node: to },
      sourcePort: 49_152,
      destinationPort: 7,
      seq: 1,
      ack: 0,
      window: 64,
      payload: Buffer.from('forged'),
      ...packet,
    });
    this.#run(() => this.tunnel.send(to, bytes, now()));
  }

  /** Sets up a tunnel, which any registered node may do. */
  async openTunnel(to: NodeId, patience = 5_000): Promise<void> {
    this.#run(() => this.tunnel.connect(to, now()));
    const until = Date.now() + patience;
    while (this.tunnel.peer(to)?.established !== true) {
      if (Date.now() > until) throw new Error(`no tunnel to node ${to}`);
      await pause(10);
    }
  }

  /** Opens a stream, says something, and waits until the peer has taken it. False when the peer never answers. */
  async say(to: NodeId, port: Port, message: Uint8Array, patience = 2_000): Promise<boolean> {
    return new Promise((resolve) => {
      this.#run(() => {
        const conn = this.streams.dial({ network: 0, node: to }, port, now(), { timeout: patience });
        this.#waiting.set(conn, (output) => {
          if (output.type === 'connected') {
            this.streams.write(conn, message, now());
            this.streams.close(conn, now());
          } else if (output.type === 'finished') resolve(true);
          else if (output.type === 'dialFailed' || output.type === 'closed') resolve(false);
        });
      });
    });
  }

  close(): void {
    this.#stop();
    this.line.close();
    this.udp.close();
  }

  #onOutput(output: StrangerOutput): void {
    switch (output.type) {
      case 'transmit':
        this.udp.send(output.to, output.data);
        return;
      case 'needKey':
        void this.line
          .ask({ type: 'lookup', node_id: output.peer })
          .then(({ public_key }) => decodeBase64(String(public_key)))
          .then((key) => this.#run(() => this.tunnel.identityKey(output.peer, key, now())));
        return;
      case 'needEndpoints': {
        const endpoint = this.#known.get(output.peer);
        queueMicrotask(() =>
          this.#run(() => this.tunnel.endpoints(output.peer, { endpoint, lan: [] }, now())),
        );
        return;
      }
      case 'packet':
        // Both machines have an output of this name: incoming from the tunnel, outgoing from streams.
        if ('peer' in output) {
          this.packets.push(output.packet);
          this.streams.handlePacket(output.packet, now());
        } else this.tunnel.send(output.to, encodePacket(output.packet), now());
        return;
      case 'connected':
      case 'dialFailed':
      case 'finished':
      case 'closed':
        this.#waiting.get(output.conn)?.(output);
        return;
      default:
    }
  }
}

/** Adds time, nonce and the signature over everything. */
export function signedRequest(identity: SigningKey, fields: Json): Json {
  const content = { ...fields, ts: Date.now(), nonce: toHex(randomBytes(16)) };
  return { ...content, sig: encodeBase64(identity.sign(contentSignedBytes(content))) };
}

const clock = nodeClock();
function now(): Instant {
  return clock.now();
}

function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

/** What a beacon answers to our own questions. Deliveries are frames of others. */
function isByBeacon(data: Uint8Array): boolean {
  return data[0] === BEACON.discoverReply || data[0] === BEACON.punchCommand;
}
