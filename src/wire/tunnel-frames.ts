/** What travels in one UDP datagram between daemons: five magics, no version field. spec/02 §1, §3 */
import { readU32, utf8, writeU32 } from '../base/bytes.ts';
import type { NodeId } from '../base/units.ts';

/** First four bytes of a frame, big-endian. */
export const MAGIC = {
  /** Authenticated key exchange. */
  pila: 0x5049_4c41,
  /** Anonymous key exchange: never sent, always refused by us. */
  pilk: 0x5049_4c4b,
  /** NAT punch: the magic is the whole frame. */
  pilp: 0x5049_4c50,
  /** Encrypted packet. */
  pils: 0x5049_4c53,
  /** Plaintext packet: never sent, always refused by us. */
  pilt: 0x5049_4c54,
} as const;

/** First bytes below this value are beacon messages. spec/02 §1 */
export const BEACON_TYPE_LIMIT = 0x10;

export const PILA_LENGTH = 136;
export const PILK_LENGTH = 40;
/** Magic 4, sender node 4, nonce 12. */
export const PILS_HEADER_LENGTH = 20;
/** Header and 16-byte tag: what encryption adds to a packet. */
export const PILS_OVERHEAD = 36;

/** An authenticated key exchange. The signature covers `pilaSignedBytes`, nothing about the receiver or the time. */
export interface Pila {
  readonly node: NodeId;
  /** 32 bytes. */
  readonly x25519: Uint8Array;
  /** 32 bytes; claimed by the sender, to be compared with the pinned or registered key. */
  readonly ed25519: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

export interface Pilk {
  readonly node: NodeId;
  readonly x25519: Uint8Array;
}

/** An encrypted packet. All arrays are views into the datagram. */
export interface Pils {
  readonly node: NodeId;
  readonly prefix: number;
  readonly counterHigh: number;
  readonly counterLow: number;
  /** 12 bytes: prefix ‖ counter. */
  readonly nonce: Uint8Array;
  /** Ciphertext ‖ 16-byte tag. */
  readonly sealed: Uint8Array;
}

export interface DatagramKind {
  readonly kind: 'beacon' | 'pila' | 'pilk' | 'pils' | 'pilp' | 'pilt' | 'empty' | 'unknown';
}

const KIND = {
  beacon: { kind: 'beacon' },
  pila: { kind: 'pila' },
  pilk: { kind: 'pilk' },
  pils: { kind: 'pils' },
  pilp: { kind: 'pilp' },
  pilt: { kind: 'pilt' },
  empty: { kind: 'empty' },
  unknown: { kind: 'unknown' },
} as const satisfies Record<DatagramKind['kind'], DatagramKind>;

/** Tells what a datagram is from its first bytes, in the order of spec/02 §1. */
export function classifyDatagram(bytes: Uint8Array): DatagramKind {
  if (bytes.length === 0) return KIND.empty;
  if (bytes[0]! < BEACON_TYPE_LIMIT) return KIND.beacon;
  if (bytes.length < 4) return KIND.unknown;
  switch (readU32(bytes, 0)) {
    case MAGIC.pils:
      return KIND.pils;
    case MAGIC.pila:
      return KIND.pila;
    case MAGIC.pilp:
      return KIND.pilp;
    case MAGIC.pilt:
      return KIND.pilt;
    case MAGIC.pilk:
      return KIND.pilk;
    default:
      return KIND.unknown;
  }
}

/** The 40 bytes a PILA signature covers: ASCII `auth` ‖ node ‖ X25519 key. */
export function pilaSignedBytes(node: NodeId, x25519: Uint8Array): Uint8Array {
  expectLength('X25519 key', x25519, 32);
  const out = new Uint8Array(40);
  out.set(utf8('auth'), 0);
  writeU32(out, 4, node);
  out.set(x25519, 8);
  return out;
}

/** 136 bytes. Throws RangeError on keys or signatures of the wrong length. */
export function encodePila(pila: Pila): Uint8Array {
  expectLength('X25519 key', pila.x25519, 32);
  expectLength('Ed25519 key', pila.ed25519, 32);
  expectLength('signature', pila.signature, 64);
  const out = new Uint8Array(PILA_LENGTH);
  writeU32(out, 0, MAGIC.pila);
  writeU32(out, 4, pila.node);
  out.set(pila.x25519, 8);
  out.set(pila.ed25519, 40);
  out.set(pila.signature, 72);
  return out;
}

/** Bytes beyond 136 are ignored. */
export function decodePila(bytes: Uint8Array): Pila | 'too_short' {
  if (bytes.length < PILA_LENGTH) return 'too_short';
  return {
    node: readU32(bytes, 4),
    x25519: bytes.subarray(8, 40),
    ed25519: bytes.subarray(40, 72),
    signature: bytes.subarray(72, 136),
  };
}

/** 40 bytes. We never send it; tests and tools do. */
export function encodePilk(pilk: Pilk): Uint8Array {
  expectLength('X25519 key', pilk.x25519, 32);
  const out = new Uint8Array(PILK_LENGTH);
  writeU32(out, 0, MAGIC.pilk);
  writeU32(out, 4, pilk.node);
  out.set(pilk.x25519, 8);
  return out;
}

/** Bytes beyond 40 are ignored. */
export function decodePilk(bytes: Uint8Array): Pilk | 'too_short' {
  if (bytes.length < PILK_LENGTH) return 'too_short';
  return { node: readU32(bytes, 4), x25519: bytes.subarray(8, 40) };
}

/** The punch frame: exactly its magic. */
export function encodePilp(): Uint8Array {
  const out = new Uint8Array(4);
  writeU32(out, 0, MAGIC.pilp);
  return out;
}

/** Wraps an encoded packet in the plaintext magic. We never send it; tests and tools do. */
export function encodePilt(packet: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + packet.length);
  writeU32(out, 0, MAGIC.pilt);
  out.set(packet, 4);
  return out;
}

/** Writes the 20 bytes before the ciphertext; bytes 8 to 19 of the frame are then the nonce, 4 to 7 the AAD. */
export function writePilsHeader(
  buffer: Uint8Array,
  node: NodeId,
  prefix: number,
  counterHigh: number,
  counterLow: number,
  at = 0,
): void {
  writeU32(buffer, at, MAGIC.pils);
  writeU32(buffer, at + 4, node);
  writeU32(buffer, at + 8, prefix);
  writeU32(buffer, at + 12, counterHigh);
  writeU32(buffer, at + 16, counterLow);
}

export function decodePils(bytes: Uint8Array): Pils | 'too_short' {
  if (bytes.length < PILS_OVERHEAD) return 'too_short';
  return {
    node: readU32(bytes, 4),
    prefix: readU32(bytes, 8),
    counterHigh: readU32(bytes, 12),
    counterLow: readU32(bytes, 16),
    nonce: bytes.subarray(8, PILS_HEADER_LENGTH),
    sealed: bytes.subarray(PILS_HEADER_LENGTH),
  };
}

/** The AAD of a PILS frame: the sender's node id exactly as in the frame. */
export function pilsAad(frame: Uint8Array): Uint8Array {
  return frame.subarray(4, 8);
}

function expectLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length)
    throw new RangeError(`Cannot encode a ${what} of ${bytes.length} bytes: it has ${length}`);
}
