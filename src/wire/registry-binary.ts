/** The registry's binary protocol, an optional fast path. spec/10 §8 */
import { fromUtf8, fromUtf8Strict, readU16, readU32, utf8, writeU16, writeU32 } from '../base/bytes.ts';
import type { NetworkId, NodeId } from '../base/units.ts';
import { ByteQueue } from './byte-queue.ts';
import { REGISTRY_FRAME_LIMIT } from './registry-frame.ts';

export const BINARY_VERSION = 1;
/** What a client sends first: ASCII `PILT` and the version. As a JSON length it would be far above the limit. */
export const BINARY_PREAMBLE: readonly number[] = [0x50, 0x49, 0x4c, 0x54, BINARY_VERSION];

/** Frame types. */
export const BINARY = {
  json: 0x00,
  heartbeat: 0x01,
  lookup: 0x02,
  resolve: 0x03,
  /** Ours. */
  alive: 0x10,
  heartbeatOk: 0x81,
  lookupOk: 0x82,
  resolveOk: 0x83,
  /** Ours. */
  aliveOk: 0x90,
  error: 0xff,
} as const;

const SIGNATURE_LENGTH = 64;
const ERROR_TEXT_LIMIT = 65_000;
const UNKNOWN_KEY_AGE = 0xffff_ffff;

export interface BinaryFrame {
  readonly type: number;
  readonly payload: Uint8Array;
}

export interface BinaryHeartbeat {
  readonly node: NodeId;
  readonly signature: Uint8Array;
}

export interface BinaryHeartbeatOk {
  /** Unix seconds. */
  readonly time: number;
  /** The key expires within 24 h. */
  readonly keyExpiryWarning: boolean;
}

export interface BinaryAliveOk {
  /** The key expires within 24 h. */
  readonly keyExpiryWarning: boolean;
  /** When the next is wanted, seconds from now. */
  readonly next: number;
}

export interface BinaryLookupOk {
  readonly node: NodeId;
  readonly public: boolean;
  readonly taskExec: boolean;
  readonly poloScore: number;
  readonly networks: readonly NetworkId[];
  readonly publicKey: Uint8Array;
  readonly hostname: string;
  readonly tags: readonly string[];
  /** `host:port`, empty unless the node is public. */
  readonly realAddr: string;
  readonly externalId: string;
}

export interface BinaryResolve {
  readonly target: NodeId;
  readonly requester: NodeId;
  readonly signature: Uint8Array;
}

export interface BinaryResolveOk {
  readonly node: NodeId;
  readonly realAddr: string;
  readonly lanAddrs: readonly string[];
  readonly keyAgeDays: number | undefined;
}

export type BinaryPayloadError = 'too_short' | 'not_utf8';

/**
 * Looks at the first bytes of a connection: the version when they are a binary preamble (5 bytes), 'json' when they
 * can't be one, 'incomplete' when more bytes are needed.
 */
export function detectProtocol(firstBytes: Uint8Array): { readonly version: number } | 'json' | 'incomplete' {
  const known = Math.min(firstBytes.length, 4);
  for (let i = 0; i < known; i++) if (firstBytes[i] !== BINARY_PREAMBLE[i]) return 'json';
  return firstBytes.length < 5 ? 'incomplete' : { version: firstBytes[4]! };
}

/** Throws RangeError above the frame limit. */
export function encodeBinaryFrame(type: number, payload: Uint8Array): Uint8Array {
  const length = 1 + payload.length;
  if (length > REGISTRY_FRAME_LIMIT) {
    throw new RangeError(`Cannot encode a frame of ${length} bytes: the limit is ${REGISTRY_FRAME_LIMIT}`);
  }
  const out = new Uint8Array(4 + length);
  writeU32(out, 0, length);
  out[4] = type;
  out.set(payload, 5);
  return out;
}

/** Cuts a byte stream (after the preamble) into frames; used like `JsonFrameReader`. */
export class BinaryFrameReader {
  readonly #queue = new ByteQueue();
  readonly #limit: number;
  #error: 'too_large' | 'empty' | undefined;

  constructor(limit: number = REGISTRY_FRAME_LIMIT) {
    this.#limit = limit;
  }

  get error(): 'too_large' | 'empty' | undefined {
    return this.#error;
  }

  /** Bytes held back until the rest of their frame is here. */
  get pendingBytes(): number {
    return this.#queue.length;
  }

  /** True when `next` has a frame to give, or finds that there can't be one. */
  get ready(): boolean {
    const length = this.#error === undefined ? this.#queue.u32At(0) : undefined;
    if (length === undefined) return false;
    return length === 0 || length > this.#limit || this.#queue.length >= 4 + length;
  }

  push(bytes: Uint8Array): void {
    if (this.#error === undefined) this.#queue.push(bytes);
  }

  next(): BinaryFrame | undefined {
    const length = this.#error === undefined ? this.#queue.u32At(0) : undefined;
    if (length === undefined) return undefined;
    if (length === 0 || length > this.#limit) {
      this.#error = length === 0 ? 'empty' : 'too_large';
      this.#queue.clear();
      return undefined;
    }
    const frame = this.#queue.take(4 + length);
    return frame && { type: frame[4]!, payload: frame.subarray(5) };
  }
}

/** `u32 node id`: a heartbeat on a connection that proved the node. An extension of ours; see docs/decisions/0033. */
export function encodeBinaryAlive(node: NodeId): Uint8Array {
  return new Writer().u32(node).done();
}

export function decodeBinaryAlive(payload: Uint8Array): { readonly node: NodeId } | BinaryPayloadError {
  return read(payload, (r) => ({ node: r.u32() }));
}

/** `u8 flags | u16 seconds until the next is wanted`. */
export function encodeBinaryAliveOk(ok: BinaryAliveOk): Uint8Array {
  return new Writer()
    .u8(ok.keyExpiryWarning ? 1 : 0)
    .u16(ok.next)
    .done();
}

export function decodeBinaryAliveOk(payload: Uint8Array): BinaryAliveOk | BinaryPayloadError {
  return read(payload, (r) => ({ keyExpiryWarning: (r.u8() & 1) !== 0, next: r.u16() }));
}

export function encodeBinaryHeartbeat(heartbeat: BinaryHeartbeat): Uint8Array {
  return new Writer().u32(heartbeat.node).bytes(signature(heartbeat.signature)).done();
}

export function decodeBinaryHeartbeat(payload: Uint8Array): BinaryHeartbeat | BinaryPayloadError {
  return read(payload, (r) => ({ node: r.u32(), signature: r.bytes(SIGNATURE_LENGTH) }));
}

export function encodeBinaryHeartbeatOk(ok: BinaryHeartbeatOk): Uint8Array {
  return new Writer()
    .i64(ok.time)
    .u8(ok.keyExpiryWarning ? 1 : 0)
    .done();
}

export function decodeBinaryHeartbeatOk(payload: Uint8Array): BinaryHeartbeatOk | BinaryPayloadError {
  return read(payload, (r) => ({ time: r.i64(), keyExpiryWarning: (r.u8() & 1) !== 0 }));
}

export function encodeBinaryLookup(node: NodeId): Uint8Array {
  return new Writer().u32(node).done();
}

export function decodeBinaryLookup(payload: Uint8Array): { readonly node: NodeId } | BinaryPayloadError {
  return read(payload, (r) => ({ node: r.u32() }));
}

/** Throws RangeError when a text exceeds its length field. */
export function encodeBinaryLookupOk(ok: BinaryLookupOk): Uint8Array {
  const out = new Writer()
    .u32(ok.node)
    .u8((ok.public ? 1 : 0) | (ok.taskExec ? 2 : 0))
    .u32(ok.poloScore >>> 0);
  out.u16(ok.networks.length);
  for (const network of ok.networks) out.u16(network);
  out.u8(ok.publicKey.length).bytes(ok.publicKey).text8(ok.hostname).u8(ok.tags.length);
  for (const tag of ok.tags) out.text8(tag);
  return out.text16(ok.realAddr).text8(ok.externalId).done();
}

export function decodeBinaryLookupOk(payload: Uint8Array): BinaryLookupOk | BinaryPayloadError {
  return read(payload, (r) => {
    const node = r.u32();
    const flags = r.u8();
    return {
      node,
      public: (flags & 1) !== 0,
      taskExec: (flags & 2) !== 0,
      poloScore: r.u32() | 0,
      networks: r.list(r.u16(), () => r.u16()),
      publicKey: r.bytes(r.u8()),
      hostname: r.text(r.u8()),
      tags: r.list(r.u8(), () => r.text(r.u8())),
      realAddr: r.text(r.u16()),
      externalId: r.text(r.u8()),
    };
  });
}

export function encodeBinaryResolve(resolve: BinaryResolve): Uint8Array {
  return new Writer().u32(resolve.target).u32(resolve.requester).bytes(signature(resolve.signature)).done();
}

export function decodeBinaryResolve(payload: Uint8Array): BinaryResolve | BinaryPayloadError {
  return read(payload, (r) => ({
    target: r.u32(),
    requester: r.u32(),
    signature: r.bytes(SIGNATURE_LENGTH),
  }));
}

export function encodeBinaryResolveOk(ok: BinaryResolveOk): Uint8Array {
  const out = new Writer().u32(ok.node).text16(ok.realAddr).u16(ok.lanAddrs.length);
  for (const address of ok.lanAddrs) out.text16(address);
  return out.u32(ok.keyAgeDays ?? UNKNOWN_KEY_AGE).done();
}

export function decodeBinaryResolveOk(payload: Uint8Array): BinaryResolveOk | BinaryPayloadError {
  return read(payload, (r) => {
    const node = r.u32();
    const realAddr = r.text(r.u16());
    const lanAddrs = r.list(r.u16(), () => r.text(r.u16()));
    const age = r.u32();
    return { node, realAddr, lanAddrs, keyAgeDays: age === UNKNOWN_KEY_AGE ? undefined : age };
  });
}

/** Texts beyond 65,000 bytes are cut. */
export function encodeBinaryError(text: string): Uint8Array {
  const bytes = utf8(text).subarray(0, ERROR_TEXT_LIMIT);
  return new Writer().u16(bytes.length).bytes(bytes).done();
}

export function decodeBinaryError(payload: Uint8Array): { readonly message: string } | BinaryPayloadError {
  return read(payload, (r) => ({ message: fromUtf8(r.bytes(r.u16())) }));
}

function signature(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== SIGNATURE_LENGTH)
    throw new RangeError(`Cannot encode a signature of ${bytes.length} bytes`);
  return bytes;
}

/** Runs `body` over the payload; the first missing or malformed field decides the result. */
function read<T>(payload: Uint8Array, body: (reader: Reader) => T): T | BinaryPayloadError {
  const reader = new Reader(payload);
  const value = body(reader);
  return reader.error ?? value;
}

/** Reads fields in order. After the first failure every read gives zero or empty, and `error` says why. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  error: BinaryPayloadError | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  bytes(length: number): Uint8Array {
    if (this.error !== undefined || this.#at + length > this.#bytes.length) {
      this.error ??= 'too_short';
      return ZEROS.subarray(0, Math.min(length, ZEROS.length));
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  u8(): number {
    return this.bytes(1)[0]!;
  }
  u16(): number {
    return readU16(this.bytes(2), 0);
  }
  u32(): number {
    return readU32(this.bytes(4), 0);
  }
  i64(): number {
    const high = this.u32() | 0;
    return high * 0x1_0000_0000 + this.u32();
  }
  text(length: number): string {
    const text = fromUtf8Strict(this.bytes(length));
    if (text === undefined) this.error ??= 'not_utf8';
    return text ?? '';
  }
  list<T>(count: number, item: () => T): T[] {
    const items: T[] = [];
    for (let i = 0; i < count && this.error === undefined; i++) items.push(item());
    return items;
  }
}

const ZEROS = new Uint8Array(8);

class Writer {
  #bytes = new Uint8Array(128);
  #length = 0;

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  u8(value: number): this {
    if (value > 0xff) throw new RangeError(`Cannot encode ${value} in one byte`);
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }
  u16(value: number): this {
    if (value > 0xffff) throw new RangeError(`Cannot encode ${value} in two bytes`);
    const at = this.#grow(2);
    writeU16(this.#bytes, at, value);
    return this;
  }
  u32(value: number): this {
    const at = this.#grow(4);
    writeU32(this.#bytes, at, value);
    return this;
  }
  i64(value: number): this {
    return this.u32(Math.floor(value / 0x1_0000_0000) >>> 0).u32(value >>> 0);
  }
  text8(text: string): this {
    const bytes = utf8(text);
    return this.u8(bytes.length).bytes(bytes);
  }
  text16(text: string): this {
    const bytes = utf8(text);
    return this.u16(bytes.length).bytes(bytes);
  }
  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return at;
  }
}
