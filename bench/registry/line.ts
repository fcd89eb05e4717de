/**
 * A client of the registry as cheap as clients get, so that the registry is what is measured: one connection, requests
 * of our own daemons, no retries.
 */
import { connect, type Socket } from 'node:net';
import { toHex } from '../../src/base/bytes.ts';
import type { SigningKey } from '../../src/base/crypto.ts';
import { nodeCrypto, nodeRandom } from '../../src/platform/index.ts';
import { encodeBase64 } from '../../src/wire/base64.ts';
import { encodeJson, type JsonObject } from '../../src/wire/json.ts';
import {
  BINARY,
  BINARY_PREAMBLE,
  type BinaryFrame,
  BinaryFrameReader,
  encodeBinaryAlive,
  encodeBinaryFrame,
} from '../../src/wire/registry-binary.ts';
import { encodeJsonFrame, JsonFrameReader } from '../../src/wire/registry-frame.ts';
import { contentSignedBytes } from '../../src/wire/registry-signatures.ts';

const crypto = nodeCrypto();
const random = nodeRandom();

/** The key of the node with this number: the same in every process. */
export function keyOf(number: number): SigningKey {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setFloat64(8, number);
  return crypto.signingKey(seed);
}

interface Waiting {
  resolve(reply: JsonObject): void;
  reject(error: Error): void;
}

export class Line {
  readonly #socket: Socket;
  readonly #json = new JsonFrameReader();
  readonly #waiting = new Map<number, Waiting>();
  /** Heartbeats of the binary protocol are answered in their order. */
  readonly #beats: Waiting[] = [];
  #binary: BinaryFrameReader | undefined;
  #next = 1;
  key: SigningKey;
  node = 0;
  /** Called with what the registry says unasked. */
  onPush: (message: JsonObject) => void = () => {};

  private constructor(socket: Socket, key: SigningKey) {
    this.#socket = socket;
    this.key = key;
    socket.setNoDelay(true);
    socket.on('data', (data) => this.#receive(data));
    socket.on('error', () => {});
    socket.on('close', () => this.#end());
  }

  /** `from` is the source address. */
  static open(port: number, key: SigningKey, from = '127.0.0.1'): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: from });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Line(socket, key));
      });
    });
  }

  /** Proves the key; from then on heartbeats need no signature. */
  async register(fields: JsonObject = {}): Promise<JsonObject> {
    const offer = await this.ask({ type: 'challenge' });
    const reply = await this.sign({
      type: 'register',
      listen_addr: '127.0.0.1:4000',
      public_key: encodeBase64(this.key.publicKey),
      challenge: offer.nonce,
      ...fields,
    });
    this.node = Number(reply.node_id);
    return reply;
  }
  /** From here on the binary protocol, where the registry has it. */
  async goBinary(): Promise<boolean> {
    const { features } = await this.ask({ type: 'challenge' });
    if (!Array.isArray(features) || !features.includes('binary')) return false;
    this.#socket.write(Uint8Array.from(BINARY_PREAMBLE));
    this.#binary = new BinaryFrameReader();
    return true;
  }

  heartbeat(): Promise<JsonObject> {
    if (this.#binary === undefined) return this.ask({ type: 'heartbeat', node_id: this.node });
    return new Promise((resolve, reject) => {
      this.#beats.push({ resolve, reject });
      this.#socket.write(encodeBinaryFrame(BINARY.alive, encodeBinaryAlive(this.node)));
    });
  }
  ask(fields: JsonObject): Promise<JsonObject> {
    const id = this.#next++;
    return this.#exchange(id, { ...fields, request_id: id });
  }
  sign(fields: JsonObject): Promise<JsonObject> {
    const id = this.#next++;
    const content = { ...fields, request_id: id, ts: Date.now(), nonce: toHex(random.bytes(16)) };
    return this.#exchange(id, { ...content, sig: encodeBase64(this.key.sign(contentSignedBytes(content))) });
  }
  close(): void {
    this.#socket.destroy();
  }

  #exchange(id: number, message: JsonObject): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(
        this.#binary === undefined
          ? encodeJsonFrame(message)
          : encodeBinaryFrame(BINARY.json, encodeJson(message)),
      );
    });
  }
  #receive(data: Uint8Array): void {
    if (this.#binary === undefined) {
      this.#json.push(data);
      for (let frame = this.#json.next(); frame !== undefined; frame = this.#json.next()) this.#reply(frame);
    } else {
      this.#binary.push(data);
      for (let frame = this.#binary.next(); frame !== undefined; frame = this.#binary.next())
        this.#frame(frame);
    }
  }
  #frame({ type, payload }: BinaryFrame): void {
    if (type === BINARY.json) this.#reply(JSON.parse(Buffer.from(payload).toString()) as JsonObject);
    else if (type === BINARY.aliveOk) this.#beats.shift()?.resolve({});
    else this.#beats.shift()?.reject(new Error(`refused: ${Buffer.from(payload.subarray(2)).toString()}`));
  }
  #reply(frame: JsonObject): void {
    if (frame.type === 'push') {
      this.onPush(frame);
      return;
    }
    const waiting = this.#waiting.get(Number(frame.request_id));
    this.#waiting.delete(Number(frame.request_id));
    if (frame.type === 'error') waiting?.reject(new Error(`refused: ${String(frame.error)}`));
    else waiting?.resolve(frame);
  }
  #end(): void {
    const error = new Error('the registry is gone');
    for (const { reject } of [...this.#waiting.values(), ...this.#beats.splice(0)]) reject(error);
    this.#waiting.clear();
  }
}
