/**
 * Local IPC between the daemon and its clients: u32 length ‖ u8 command ‖ payload. spec/20
 * Codes 0x01 to 0x3A keep the meaning they have elsewhere; ours begin at 0x41. Sub-commands are in `ipc-commands.ts`.
 */
import { fromUtf8, readU16, readU32, utf8, writeU16, writeU32 } from '../base/bytes.ts';
import type { Address, Port } from '../base/units.ts';
import { ADDRESS_LENGTH, decodeAddress, encodeAddressInto } from './address.ts';
import { ByteQueue } from './byte-queue.ts';
import { canonicalJson, encodeJson, isJsonObject, parseJson } from './json.ts';

/** Command bytes. spec/20 §2, §9 */
export const CMD = {
  bind: 0x01,
  bindOk: 0x02,
  dial: 0x03,
  dialOk: 0x04,
  accept: 0x05,
  send: 0x06,
  recv: 0x07,
  close: 0x08,
  closeOk: 0x09,
  error: 0x0a,
  sendTo: 0x0b,
  recvFrom: 0x0c,
  info: 0x0d,
  infoOk: 0x0e,
  handshake: 0x0f,
  handshakeOk: 0x10,
  resolveHostname: 0x11,
  resolveHostnameOk: 0x12,
  setHostname: 0x13,
  setHostnameOk: 0x14,
  setVisibility: 0x15,
  setVisibilityOk: 0x16,
  deregister: 0x17,
  deregisterOk: 0x18,
  setTags: 0x19,
  setTagsOk: 0x1a,
  setWebhook: 0x1b,
  setWebhookOk: 0x1c,
  setTaskExec: 0x1d,
  setTaskExecOk: 0x1e,
  network: 0x1f,
  networkOk: 0x20,
  health: 0x21,
  healthOk: 0x22,
  managed: 0x23,
  managedOk: 0x24,
  rotateKey: 0x25,
  rotateKeyOk: 0x26,
  broadcast: 0x29,
  broadcastOk: 0x2a,
  cancel: 0x2b,
  preferDirect: 0x2d,
  preferDirectOk: 0x2e,
  signEnvelope: 0x33,
  signEnvelopeOk: 0x34,
  verifyEnvelope: 0x35,
  verifyEnvelopeOk: 0x36,
  unbind: 0x37,
  unbindOk: 0x38,
  sendToConfirm: 0x39,
  sendToConfirmOk: 0x3a,
  /** Ours: u32 request id ‖ JSON `{method, params}`. Answered by callResult or callError with the same id. */
  call: 0x41,
  callResult: 0x42,
  callError: 0x43,
  callCancel: 0x44,
} as const;

/** Largest length field: command and payload. spec/20 §1 */
export const IPC_FRAME_LIMIT = 1_048_576;
/** Largest data of one Send: less command and connection id. */
export const IPC_SEND_LIMIT = IPC_FRAME_LIMIT - 5;
/** The only error code old daemons send. */
export const IPC_ERROR_CODE = 1;

/** Daemon-wide name of a stream, allotted by the daemon from 1 on. */
export type IpcConnId = number;

export interface IpcFrame {
  readonly cmd: number;
  readonly payload: Uint8Array;
  /** With `piecewise`, of a Send or Recv or a piece of one: the stream it names. The payload is data alone. */
  readonly conn?: IpcConnId;
}

export type IpcFrameError = 'too_large';
/** A payload shorter than its fixed fields. Surplus bytes are ignored. */
export type IpcPayloadError = 'too_short';

/** Joins `parts` to one frame. Throws RangeError above `IPC_FRAME_LIMIT`. */
export function encodeIpcFrame(cmd: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 1;
  for (const part of parts) length += part.length;
  if (length > IPC_FRAME_LIMIT) {
    throw new RangeError(`Cannot encode an IPC frame of ${length} bytes: the limit is ${IPC_FRAME_LIMIT}`);
  }
  const out = new Uint8Array(4 + length);
  writeU32(out, 0, length);
  out[4] = cmd;
  let at = 5;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Length, command, connection id: what stands before the data of a Send or Recv. */
export const IPC_DATA_HEADER = 9;

/** Frames shorter than this are never cut: small messages stay whole. */
const PIECES_FROM = 4096;

/** Writes to `out` at `at` what stands before `length` bytes of data. */
export function writeIpcDataHeader(
  out: Uint8Array,
  cmd: number,
  conn: IpcConnId,
  length: number,
  at = 0,
): void {
  writeU32(out, at, 5 + length);
  out[at + 4] = cmd;
  writeU32(out, at + 5, conn);
}

/**
 * Cuts a byte stream into frames. After each `push`, call `next` until it returns undefined, then look at `error`:
 * once set it stays, and further bytes are dropped. Frames of length 0 are skipped.
 */
export class IpcFrameReader {
  readonly #queue = new ByteQueue();
  #error: IpcFrameError | undefined;
  /** Hands large data of Send and Recv on in pieces, as they come: nothing waits for the rest, and nothing is put together. */
  piecewise = false;
  #rest = 0;
  #restOf: { readonly cmd: number; readonly conn: IpcConnId } = { cmd: 0, conn: 0 };

  get error(): IpcFrameError | undefined {
    return this.#error;
  }

  push(bytes: Uint8Array): void {
    if (this.#error === undefined) this.#queue.push(bytes);
  }

  next(): IpcFrame | undefined {
    for (;;) {
      if (this.#rest > 0) return this.#piece();
      const length = this.#queue.u32At(0);
      if (length === undefined) return undefined;
      if (length > IPC_FRAME_LIMIT) {
        this.#error = 'too_large';
        this.#queue.clear();
        return undefined;
      }
      const cmd = this.#queue.byteAt(4);
      const isData = this.piecewise && length >= 5 && (cmd === CMD.send || cmd === CMD.recv);
      if (isData && length >= PIECES_FROM) {
        const header = this.#queue.take(IPC_DATA_HEADER);
        if (header === undefined) return undefined;
        this.#rest = length - 5;
        this.#restOf = { cmd, conn: readU32(header, 5) };
        continue;
      }
      const frame = this.#queue.take(4 + length);
      if (frame === undefined) return undefined;
      if (isData)
        return { cmd: frame[4]!, conn: readU32(frame, 5), payload: frame.subarray(IPC_DATA_HEADER) };
      if (length > 0) return { cmd: frame[4]!, payload: frame.subarray(5) };
    }
  }

  #piece(): IpcFrame | undefined {
    const payload = this.#queue.take(Math.min(this.#rest, this.#queue.length));
    if (payload === undefined || payload.length === 0) return undefined;
    this.#rest -= payload.length;
    return { ...this.#restOf, payload };
  }
}

/** Payload of bind, bindOk, unbind, unbindOk. */
export function encodePort(port: Port): Uint8Array {
  const out = new Uint8Array(2);
  writeU16(out, 0, port);
  return out;
}

export function decodePort(payload: Uint8Array): Port | IpcPayloadError {
  return payload.length < 2 ? 'too_short' : readU16(payload, 0);
}

/** Payload of dialOk, close, closeOk; first part of send and recv. */
export function encodeConnId(conn: IpcConnId): Uint8Array {
  const out = new Uint8Array(4);
  writeU32(out, 0, conn);
  return out;
}

export function decodeConnId(payload: Uint8Array): IpcConnId | IpcPayloadError {
  return payload.length < 4 ? 'too_short' : readU32(payload, 0);
}

/** Payload of send and recv; the data is a view. To encode, pass `encodeConnId(conn)` and the data as two parts. */
export function decodeConnData(payload: Uint8Array): { conn: IpcConnId; data: Uint8Array } | IpcPayloadError {
  if (payload.length < 4) return 'too_short';
  return { conn: readU32(payload, 0), data: payload.subarray(4) };
}

/** Payload of dial; first part of sendTo and sendToConfirm. */
export function encodeTarget(address: Address, port: Port): Uint8Array {
  const out = new Uint8Array(ADDRESS_LENGTH + 2);
  encodeAddressInto(out, 0, address);
  writeU16(out, ADDRESS_LENGTH, port);
  return out;
}

/** Payload of dial, sendTo and sendToConfirm; `data` is what follows the port (a view, empty for dial). */
export function decodeTarget(
  payload: Uint8Array,
): { address: Address; port: Port; data: Uint8Array } | IpcPayloadError {
  if (payload.length < 8) return 'too_short';
  return { address: decodeAddress(payload, 0), port: readU16(payload, 6), data: payload.subarray(8) };
}

/** An incoming stream on a bound port. spec/20 §4.3 */
export interface IpcAccept {
  readonly localPort: Port;
  readonly conn: IpcConnId;
  readonly remote: Address;
  readonly remotePort: Port;
}

/** 14 bytes. */
export function encodeAccept(accept: IpcAccept): Uint8Array {
  const out = new Uint8Array(14);
  writeU16(out, 0, accept.localPort);
  writeU32(out, 2, accept.conn);
  encodeAddressInto(out, 6, accept.remote);
  writeU16(out, 12, accept.remotePort);
  return out;
}

export function decodeAccept(payload: Uint8Array): IpcAccept | IpcPayloadError {
  if (payload.length < 14) return 'too_short';
  return {
    localPort: readU16(payload, 0),
    conn: readU32(payload, 2),
    remote: decodeAddress(payload, 6),
    remotePort: readU16(payload, 12),
  };
}

/** A datagram that arrived. spec/20 §4.6 */
export interface IpcRecvFrom {
  readonly source: Address;
  readonly sourcePort: Port;
  readonly destinationPort: Port;
  readonly data: Uint8Array;
}

export function encodeRecvFrom(datagram: IpcRecvFrom): Uint8Array {
  const out = new Uint8Array(10 + datagram.data.length);
  encodeAddressInto(out, 0, datagram.source);
  writeU16(out, 6, datagram.sourcePort);
  writeU16(out, 8, datagram.destinationPort);
  out.set(datagram.data, 10);
  return out;
}

export function decodeRecvFrom(payload: Uint8Array): IpcRecvFrom | IpcPayloadError {
  if (payload.length < 10) return 'too_short';
  return {
    source: decodeAddress(payload, 0),
    sourcePort: readU16(payload, 6),
    destinationPort: readU16(payload, 8),
    data: payload.subarray(10),
  };
}

/** u16 code, always 1 from old daemons, and a text that old clients show or match on. */
export function encodeError(text: string, code: number = IPC_ERROR_CODE): Uint8Array {
  const message = utf8(text);
  const out = new Uint8Array(2 + message.length);
  writeU16(out, 0, code);
  out.set(message, 2);
  return out;
}

export function decodeError(payload: Uint8Array): { code: number; text: string } | IpcPayloadError {
  if (payload.length < 2) return 'too_short';
  return { code: readU16(payload, 0), text: fromUtf8(payload.subarray(2)) };
}

/** Text of the answer to a command nobody knows. */
export function unknownCommandText(cmd: number): string {
  return `unknown command: 0x${hex2(cmd)}`;
}

/** One byte as the error texts print it. */
export function hex2(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0');
}

/** JSON payload of infoOk, handshakeOk and the like: keys sorted, as old daemons write it. */
export function encodeJsonPayload(value: unknown): Uint8Array {
  return encodeJson(value);
}

export function decodeJsonPayload(payload: Uint8Array): { readonly value: unknown } | 'invalid_json' {
  const parsed = parseJson(payload);
  return typeof parsed === 'string' ? 'invalid_json' : parsed;
}

/** One request of the tagged mode. `params` is any JSON value; methods and their parameters are in `api/`. */
export interface IpcCall {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

export interface IpcCallResult {
  readonly id: number;
  readonly result: unknown;
}

export interface IpcCallError {
  readonly id: number;
  /** A code of the error catalogue. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export type IpcCallDecodeError = IpcPayloadError | 'invalid_json' | 'not_object' | 'bad_member';

export function encodeCall(call: IpcCall): Uint8Array {
  return withId(call.id, { method: call.method, params: call.params });
}

export function decodeCall(payload: Uint8Array): IpcCall | IpcCallDecodeError {
  const body = decodeTagged(payload);
  if (typeof body === 'string') return body;
  if (!isJsonObject(body.value)) return 'not_object';
  const { method, params } = body.value;
  return typeof method === 'string' ? { id: body.id, method, params } : 'bad_member';
}

/** An undefined result travels as `null`. */
export function encodeCallResult(result: IpcCallResult): Uint8Array {
  return withId(result.id, result.result);
}

export function decodeCallResult(payload: Uint8Array): IpcCallResult | IpcCallDecodeError {
  const body = decodeTagged(payload);
  return typeof body === 'string' ? body : { id: body.id, result: body.value };
}

export function encodeCallError(error: IpcCallError): Uint8Array {
  return withId(error.id, { code: error.code, message: error.message, hint: error.hint });
}

export function decodeCallError(payload: Uint8Array): IpcCallError | IpcCallDecodeError {
  const body = decodeTagged(payload);
  if (typeof body === 'string') return body;
  if (!isJsonObject(body.value)) return 'not_object';
  const { code, message, hint } = body.value;
  if (typeof code !== 'string' || typeof message !== 'string') return 'bad_member';
  return { id: body.id, code, message, hint: typeof hint === 'string' ? hint : '' };
}

/** Payload of callCancel: the id of a call whose result is no longer wanted. */
export function encodeCallCancel(id: number): Uint8Array {
  return encodeConnId(id);
}

export function decodeCallCancel(payload: Uint8Array): number | IpcPayloadError {
  return decodeConnId(payload);
}

function withId(id: number, value: unknown): Uint8Array {
  const json = utf8(canonicalJson(value));
  const out = new Uint8Array(4 + json.length);
  writeU32(out, 0, id);
  out.set(json, 4);
  return out;
}

function decodeTagged(payload: Uint8Array): { id: number; value: unknown } | IpcCallDecodeError {
  if (payload.length < 4) return 'too_short';
  const parsed = parseJson(payload.subarray(4));
  return typeof parsed === 'string' ? 'invalid_json' : { id: readU32(payload, 0), value: parsed.value };
}
