/** The registry's JSON framing: u32 length, then one JSON object. spec/10 §1.4 */
import { writeU32 } from '../base/bytes.ts';
import { ByteQueue } from './byte-queue.ts';
import { encodeJson, isJsonObject, type JsonObject, parseJson } from './json.ts';

/** Largest JSON text of one frame, both directions. */
export const REGISTRY_FRAME_LIMIT = 4_194_304;

/** Why the stream can't go on: the connection is closed without a reply. */
export type JsonFrameError = 'too_large' | 'empty' | 'invalid_json' | 'not_object';

/**
 * Keys sorted, `<`, `>` and `&` escaped, as old peers write them.
 * Throws RangeError above `REGISTRY_FRAME_LIMIT`, which every reader refuses.
 */
export function encodeJsonFrame(value: object): Uint8Array {
  const json = encodeJson(value);
  if (json.length > REGISTRY_FRAME_LIMIT) {
    throw new RangeError(
      `Cannot encode a frame of ${json.length} bytes: the limit is ${REGISTRY_FRAME_LIMIT}`,
    );
  }
  const out = new Uint8Array(4 + json.length);
  writeU32(out, 0, json.length);
  out.set(json, 4);
  return out;
}

/**
 * Cuts a byte stream into JSON objects. After each `push`, call `next` until it returns undefined, then look at
 * `error`: once set it stays, and further bytes are dropped.
 */
export class JsonFrameReader {
  readonly #queue = new ByteQueue();
  readonly #limit: number;
  #error: JsonFrameError | undefined;

  /** `limit` bounds the JSON bytes of one frame; @default REGISTRY_FRAME_LIMIT */
  constructor(limit: number = REGISTRY_FRAME_LIMIT) {
    this.#limit = limit;
  }

  get error(): JsonFrameError | undefined {
    return this.#error;
  }

  /** Bytes of an unfinished frame: true at the end of a stream means it was cut. */
  get incomplete(): boolean {
    return this.#queue.length > 0;
  }

  /** Bytes held back until the rest of their frame is here. */
  get pendingBytes(): number {
    return this.#queue.length;
  }

  /** True when `next` has an object to give, or finds that there can't be one. */
  get ready(): boolean {
    const length = this.#error === undefined ? this.#queue.u32At(0) : undefined;
    if (length === undefined) return false;
    return length === 0 || length > this.#limit || this.#queue.length >= 4 + length;
  }

  /** Whether what comes next begins with these bytes; `incomplete` while it may. */
  startsLike(prefix: readonly number[]): 'yes' | 'no' | 'incomplete' {
    const known = Math.min(this.#queue.length, prefix.length);
    for (let at = 0; at < known; at++) if (this.#queue.byteAt(at) !== prefix[at]) return 'no';
    return known < prefix.length ? 'incomplete' : 'yes';
  }

  /** Everything that was not read yet, for another reader. */
  takeRest(): Uint8Array {
    return this.#queue.take(this.#queue.length)!;
  }

  push(bytes: Uint8Array): void {
    if (this.#error === undefined) this.#queue.push(bytes);
  }

  /** The next object; a top-level `null` counts as an empty one, as old servers have it. */
  next(): JsonObject | undefined {
    if (this.#error !== undefined) return undefined;
    const length = this.#queue.u32At(0);
    if (length === undefined) return undefined;
    if (length === 0) return this.#fail('empty');
    if (length > this.#limit) return this.#fail('too_large');
    if (this.#queue.length < 4 + length) return undefined;
    const parsed = parseJson(this.#queue.take(4 + length)!.subarray(4));
    if (typeof parsed === 'string') return this.#fail('invalid_json');
    if (parsed.value === null) return {};
    return isJsonObject(parsed.value) ? parsed.value : this.#fail('not_object');
  }

  #fail(error: JsonFrameError): undefined {
    this.#error = error;
    this.#queue.clear();
    return undefined;
  }
}
