import { PilotError } from '../../src/api/errors.ts';
import { toHex } from '../../src/base/bytes.ts';
import type { SigningKey } from '../../src/base/crypto.ts';
import { nodeCrypto, nodeNet, nodeRandom } from '../../src/platform/index.ts';
import type { Pipe } from '../../src/runtime/ports.ts';
import { encodeBase64 } from '../../src/wire/base64.ts';
import type { JsonObject } from '../../src/wire/json.ts';
import { encodeJsonFrame, JsonFrameReader } from '../../src/wire/registry-frame.ts';
import { contentSignedBytes } from '../../src/wire/registry-signatures.ts';

export const crypto = nodeCrypto();
export const random = nodeRandom();
const net = nodeNet();

/** One connection of one node, without any of the directory's retries: what was not answered is unknown. */
export class RawClient {
  readonly key: SigningKey;
  readonly #pipe: Pipe;
  readonly #reader = new JsonFrameReader();
  readonly #waiting = new Map<
    number,
    { resolve: (reply: JsonObject) => void; reject: (error: Error) => void }
  >();
  #next = 1;
  #closed = false;
  node = 0;
  /** What the registry tells without being asked. */
  onPush: (message: JsonObject) => void = () => undefined;

  private constructor(pipe: Pipe, key: SigningKey) {
    this.#pipe = pipe;
    this.key = key;
    pipe.onData((data) => this.#receive(data));
    pipe.onClose(() => this.#end());
  }

  static async connect(port: number, key: SigningKey): Promise<RawClient> {
    return new RawClient(await net.connect({ host: '127.0.0.1', port }), key);
  }

  /** Registers with proof; resolves with the reply. */
  async register(fields: JsonObject = {}): Promise<JsonObject> {
    const { nonce } = await this.send({ type: 'challenge' });
    const request = {
      type: 'register',
      listen_addr: '127.0.0.1:4000',
      public_key: encodeBase64(this.key.publicKey),
      challenge: nonce,
    };
    const reply = await this.signed({ ...request, ...fields });
    this.node = Number(reply.node_id);
    return reply;
  }

  signed(fields: JsonObject): Promise<JsonObject> {
    const id = this.#next++;
    const content = { ...fields, request_id: id, ts: Date.now(), nonce: toHex(random.bytes(16)) };
    return this.#exchange(id, { ...content, sig: encodeBase64(this.key.sign(contentSignedBytes(content))) });
  }
  send(fields: JsonObject): Promise<JsonObject> {
    const id = this.#next++;
    return this.#exchange(id, { ...fields, request_id: id });
  }
  close(): void {
    this.#pipe.destroy();
  }

  #exchange(id: number, message: JsonObject): Promise<JsonObject> {
    if (this.#closed) return Promise.reject(new PilotError('connection_failed', 'the registry is gone'));
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#pipe.write(encodeJsonFrame(message));
    });
  }
  #receive(data: Uint8Array): void {
    this.#reader.push(data);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      if (frame.type === 'push') {
        this.onPush(frame);
        continue;
      }
      const waiting = this.#waiting.get(Number(frame.request_id));
      this.#waiting.delete(Number(frame.request_id));
      if (frame.type === 'error') waiting?.reject(new Error(`refused: ${String(frame.error)}`));
      else waiting?.resolve(frame);
    }
  }
  #end(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values())
      reject(new PilotError('connection_failed', 'the registry is gone'));
    this.#waiting.clear();
  }
}

/** True for what a killed server leaves behind, as against a refusal. */
export function isGone(error: unknown): boolean {
  return error instanceof PilotError && error.code === 'connection_failed';
}
