/**
 * What two nodes of ours tell each other, sealed, about the ways between them. docs/decisions/0016
 *
 * A path message is the payload of a control packet to port 0, which old peers take for a ping and echo as it is.
 * Ours answer it with an acknowledgement instead.
 *
 *     magic "PXPM" · version u8 (1) · kind u8 · sequence u32 · body by kind
 *
 *     candidates (1)  flags u8 (1: relay only, 2: seen, 4: largest) · NAT (6) · [seen endpoint]
 *                     · count u8 · count × (origin u8 · endpoint) · count u8 · count × relay · [largest u16]
 *     acknowledged (2)  empty; the sequence is the one acknowledged
 *     punch (3)       nonce u32 · step u8 · strategy u8 · host (length u8, 4 or 16 bytes) · count u8 · count × port u16
 *     probe (4)       nonce u32
 *     size (5)        zeros, as many as the datagram is to be large; to peers that told `largest`
 *     carried (6)     empty; the sequence is that of the `size` that came
 *
 *     largest   UDP payload that the sender takes, as one that answers `size`
 *     NAT       translation u8 · mapping u8 · filtering u8 · allocation u8 · step i16
 *     endpoint  length u8 (4 or 16) · address · port u16
 *     relay     0 · endpoint   |   1 · length u8 · URL of a carrier   |   2 · node u32
 *
 * All integers big-endian. Trailing bytes are ignored, and so is what a later version adds behind the body.
 */
import { fromUtf8, readU16, readU32, utf8 } from '../base/bytes.ts';
import { isCarrier } from '../base/endpoint.ts';
import type { Bytes, Endpoint, NodeId } from '../base/units.ts';
import { formatIp, parseIp } from './ip.ts';

const MAGIC = 0x5058_504d;
const VERSION = 1;
const HEADER = 10;

/** No path message is longer: it fits every path, relayed and sealed. */
export const MAX_PATH_MESSAGE = 1_100;
export const MAX_TOLD_ENDPOINTS = 20;
export const MAX_TOLD_RELAYS = 5;
export const MAX_TOLD_PORTS = 64;
const MAX_URL = 100;

/** Where an endpoint of the sender comes from. Positions are the wire numbers. */
export const TOLD_ORIGINS = ['host', 'mapped', 'observed'] as const;
export type ToldOrigin = (typeof TOLD_ORIGINS)[number];

export interface ToldEndpoint {
  readonly origin: ToldOrigin;
  readonly endpoint: Endpoint;
}

/** Where the sender can be relayed to: at a beacon, by a carrier's URL, or through a node that it trusts. */
export type ToldRelay = { readonly endpoint: Endpoint } | { readonly node: NodeId };

const TRANSLATIONS = ['unknown', 'none', 'nat', 'blocked'] as const;
const DEPENDENCES = [
  'unknown',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] as const;
const ALLOCATIONS = ['unknown', 'preserving', 'sequential', 'random'] as const;

/** How the sender's translator behaves, as it measured it. RFC 4787 */
export interface ToldNat {
  readonly translation: (typeof TRANSLATIONS)[number];
  readonly mapping: (typeof DEPENDENCES)[number];
  readonly filtering: (typeof DEPENDENCES)[number];
  readonly allocation: (typeof ALLOCATIONS)[number];
  /** -32,768 to 32,767. */
  readonly step: number;
}

export interface CandidatesMessage {
  readonly kind: 'candidates';
  readonly sequence: number;
  readonly relayOnly: boolean;
  readonly nat: ToldNat;
  /** Where the sender sees the receiver. */
  readonly seen: Endpoint | undefined;
  readonly endpoints: readonly ToldEndpoint[];
  readonly relays: readonly ToldRelay[];
  /** Largest UDP payload that the sender takes; 0 when it does not answer probes of sizes. @default 0 */
  readonly largest?: Bytes;
}

/** `begin`: take part now. `ready`: measured, now you. `go`: fire. `refuse`: not now. */
const STEPS = ['begin', 'ready', 'go', 'refuse'] as const;
const STRATEGIES = ['simple', 'prediction', 'birthday'] as const;

export interface PunchMessage {
  readonly kind: 'punch';
  readonly sequence: number;
  /** Names the attempt. */
  readonly nonce: number;
  readonly step: (typeof STEPS)[number];
  readonly strategy: (typeof STRATEGIES)[number];
  /** External address of the sender, and the ports at which it is to be met, likeliest first. */
  readonly host: string;
  readonly ports: readonly number[];
}

export type PathMessage =
  | CandidatesMessage
  | PunchMessage
  | { readonly kind: 'acknowledged'; readonly sequence: number }
  /** Says nothing but that the way it came exists. */
  | { readonly kind: 'probe'; readonly sequence: number; readonly nonce: number }
  /** Asks whether a datagram of this size gets through: see `encodeSizeProbe`. */
  | { readonly kind: 'size'; readonly sequence: number }
  /** It did. */
  | { readonly kind: 'carried'; readonly sequence: number };

/** `foreign`: not a path message, or of a version we do not know; old peers are told apart by that. */
export type PathMessageError = 'foreign' | 'too_short' | 'unknown_kind' | 'bad_value';

const KIND = { candidates: 1, acknowledged: 2, punch: 3, probe: 4, size: 5, carried: 6 } as const;
const RELAY_ONLY = 1;
const SEEN = 2;
const SIZES = 4;

/** Throws RangeError beyond the limits and TypeError for a host that is no IP address: a mistake of the caller. */
export function encodePathMessage(message: PathMessage): Uint8Array {
  const out: number[] = [];
  u32(out, MAGIC);
  out.push(VERSION, KIND[message.kind]);
  u32(out, message.sequence);
  switch (message.kind) {
    case 'candidates':
      candidates(out, message);
      break;
    case 'punch':
      u32(out, message.nonce);
      out.push(STEPS.indexOf(message.step), STRATEGIES.indexOf(message.strategy));
      ip(out, message.host);
      count(out, message.ports, MAX_TOLD_PORTS);
      for (const port of message.ports) u16(out, port);
      break;
    case 'probe':
      u32(out, message.nonce);
      break;
    case 'acknowledged':
    case 'size':
    case 'carried':
      break;
    default:
      message satisfies never;
  }
  if (out.length > MAX_PATH_MESSAGE)
    throw new RangeError(`Cannot encode a path message of ${out.length} bytes`);
  return Uint8Array.from(out);
}

/** A probe of a size: the path message fills `length` bytes. Throws RangeError below the 10 bytes of its header. */
export function encodeSizeProbe(sequence: number, length: Bytes): Uint8Array {
  if (length < HEADER) throw new RangeError(`Cannot encode a path message of ${length} bytes`);
  const out = new Uint8Array(length);
  out.set(encodePathMessage({ kind: 'size', sequence }));
  return out;
}

/** True when the payload of a control packet begins as a path message of our version does. */
export function isPathMessage(payload: Uint8Array): boolean {
  return payload.length >= HEADER && readU32(payload, 0) === MAGIC && payload[4] === VERSION;
}

export function decodePathMessage(bytes: Uint8Array): PathMessage | PathMessageError {
  if (!isPathMessage(bytes)) return 'foreign';
  const sequence = readU32(bytes, 6);
  if (bytes[5] === KIND.size) return { kind: 'size', sequence };
  if (bytes.length > MAX_PATH_MESSAGE) return 'foreign';
  const from = new Reader(bytes, HEADER);
  switch (bytes[5]) {
    case KIND.candidates:
      return decodeCandidates(from, sequence);
    case KIND.acknowledged:
      return { kind: 'acknowledged', sequence };
    case KIND.punch:
      return decodePunch(from, sequence);
    case KIND.probe: {
      const nonce = from.u32();
      return from.failed ? 'too_short' : { kind: 'probe', sequence, nonce };
    }
    case KIND.carried:
      return { kind: 'carried', sequence };
    default:
      return 'unknown_kind';
  }
}

function candidates(out: number[], message: CandidatesMessage): void {
  const { nat, seen, relayOnly } = message;
  const largest = message.largest ?? 0;
  out.push((relayOnly ? RELAY_ONLY : 0) | (seen === undefined ? 0 : SEEN) | (largest === 0 ? 0 : SIZES));
  out.push(TRANSLATIONS.indexOf(nat.translation), DEPENDENCES.indexOf(nat.mapping));
  out.push(DEPENDENCES.indexOf(nat.filtering), ALLOCATIONS.indexOf(nat.allocation));
  u16(out, nat.step & 0xffff);
  if (seen !== undefined) endpoint(out, seen);
  count(out, message.endpoints, MAX_TOLD_ENDPOINTS);
  for (const told of message.endpoints) {
    out.push(TOLD_ORIGINS.indexOf(told.origin));
    endpoint(out, told.endpoint);
  }
  count(out, message.relays, MAX_TOLD_RELAYS);
  for (const relay of message.relays) {
    if ('node' in relay) {
      out.push(2);
      u32(out, relay.node);
    } else if (isCarrier(relay.endpoint)) {
      const url = utf8(relay.endpoint.host);
      if (url.length > MAX_URL) throw new RangeError(`Cannot encode a URL of ${url.length} bytes`);
      out.push(1, url.length, ...url);
      u16(out, relay.endpoint.port);
    } else {
      out.push(0);
      endpoint(out, relay.endpoint);
    }
  }
  if (largest !== 0) u16(out, largest);
}

function decodeCandidates(from: Reader, sequence: number): CandidatesMessage | PathMessageError {
  const flags = from.u8();
  const nat: ToldNat = {
    translation: TRANSLATIONS[from.u8()] ?? 'unknown',
    mapping: DEPENDENCES[from.u8()] ?? 'unknown',
    filtering: DEPENDENCES[from.u8()] ?? 'unknown',
    allocation: ALLOCATIONS[from.u8()] ?? 'unknown',
    step: (from.u16() << 16) >> 16,
  };
  const seen = (flags & SEEN) === 0 ? undefined : from.endpoint();
  const endpoints: ToldEndpoint[] = [];
  const endpointCount = from.u8();
  if (endpointCount > MAX_TOLD_ENDPOINTS) return 'bad_value';
  for (let i = 0; i < endpointCount && !from.failed; i++) {
    const origin = TOLD_ORIGINS[from.u8()];
    const one = from.endpoint();
    // An origin of a later version: its endpoint is not used.
    if (origin !== undefined && one !== undefined) endpoints.push({ origin, endpoint: one });
  }
  const relays: ToldRelay[] = [];
  const relayCount = from.u8();
  if (relayCount > MAX_TOLD_RELAYS) return 'bad_value';
  for (let i = 0; i < relayCount && !from.failed; i++) {
    const relay = decodeRelay(from);
    if (relay !== undefined) relays.push(relay);
  }
  const largest = (flags & SIZES) === 0 ? 0 : from.u16();
  if (from.failed) return from.bad ? 'bad_value' : 'too_short';
  return {
    kind: 'candidates',
    sequence,
    relayOnly: (flags & RELAY_ONLY) !== 0,
    nat,
    seen,
    endpoints,
    relays,
    ...(largest > 0 && { largest }),
  };
}

function decodeRelay(from: Reader): ToldRelay | undefined {
  switch (from.u8()) {
    case 0: {
      const one = from.endpoint();
      return one && { endpoint: one };
    }
    case 1: {
      const length = from.u8();
      if (length > MAX_URL) return from.refuse();
      const host = fromUtf8(from.bytes(length));
      const one = { host, port: from.u16() };
      return isCarrier(one) ? { endpoint: one } : from.refuse();
    }
    case 2:
      return { node: from.u32() };
    default:
      return from.refuse();
  }
}

function decodePunch(from: Reader, sequence: number): PunchMessage | PathMessageError {
  const nonce = from.u32();
  const step = STEPS[from.u8()];
  const strategy = STRATEGIES[from.u8()];
  const host = from.host();
  const ports: number[] = [];
  const portCount = from.u8();
  if (portCount > MAX_TOLD_PORTS) return 'bad_value';
  for (let i = 0; i < portCount && !from.failed; i++) {
    const port = from.u16();
    if (port !== 0) ports.push(port);
  }
  if (from.failed) return from.bad ? 'bad_value' : 'too_short';
  if (step === undefined || strategy === undefined || host === undefined) return 'bad_value';
  return { kind: 'punch', sequence, nonce, step, strategy, host, ports };
}

/** Reads on from a place; beyond the end everything is 0 and `failed`. */
class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  #bad = false;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get failed(): boolean {
    return this.#bad || this.#at > this.#bytes.length;
  }
  get bad(): boolean {
    return this.#bad;
  }

  refuse(): undefined {
    this.#bad = true;
    return undefined;
  }

  bytes(length: number): Uint8Array {
    const at = this.#at;
    this.#at += length;
    return this.#bytes.subarray(Math.min(at, this.#bytes.length), Math.min(this.#at, this.#bytes.length));
  }
  u8(): number {
    return this.bytes(1)[0] ?? 0;
  }
  u16(): number {
    const two = this.bytes(2);
    return two.length < 2 ? 0 : readU16(two, 0);
  }
  u32(): number {
    const four = this.bytes(4);
    return four.length < 4 ? 0 : readU32(four, 0);
  }
  host(): string | undefined {
    const length = this.u8();
    if (this.failed) return undefined;
    if (length !== 4 && length !== 16) return this.refuse();
    const address = this.bytes(length);
    return address.length === length ? formatIp(address) : undefined;
  }
  /** Undefined for port 0: nobody is there. */
  endpoint(): Endpoint | undefined {
    const host = this.host();
    const port = this.u16();
    return host === undefined || port === 0 || this.failed ? undefined : { host, port };
  }
}

function count(out: number[], list: readonly unknown[], limit: number): void {
  if (list.length > limit)
    throw new RangeError(`Cannot encode ${list.length} entries: the limit is ${limit}`);
  out.push(list.length);
}

function ip(out: number[], host: string): void {
  const bytes = parseIp(host);
  if (bytes === undefined) throw new TypeError(`Cannot encode host "${host}": it is not an IP address`);
  out.push(bytes.length, ...bytes);
}

function endpoint(out: number[], { host, port }: Endpoint): void {
  ip(out, host);
  u16(out, port);
}

function u16(out: number[], value: number): void {
  out.push(value >>> 8, value & 0xff);
}

function u32(out: number[], value: number): void {
  out.push(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}
