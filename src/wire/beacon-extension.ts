/**
 * What our nodes and beacons say to each other in the trailing bytes of Discover and DiscoverReply, which old peers
 * ignore. Chosen; see docs/decisions/0007 and 0018.
 *
 * Version 1 (`50 58 01`): Discover: challenge 16, signature 64. DiscoverReply: challenge 16.
 * Version 2 (`50 58 02`): Discover: flags u8 (bit 0: answer from the other port, bit 1: a proof follows, bit 2: answer
 * later), token u32, then with bit 2 delay u16 in seconds, with bit 1 key 32, challenge 16, signature 64. DiscoverReply: flags u8 (bit 0: sent from the other port, bit 1: nothing
 * to prove, bit 2: a challenge follows), second port u16 (0: none), token u32, then with bit 2 challenge 16, beacon 8.
 * PunchCommand to the one who is to be reached: `50 58 01`, node u32 of the one who asked.
 */
import { concat, readU16, readU32, utf8, writeU16, writeU32 } from '../base/bytes.ts';
import type { NodeId } from '../base/units.ts';

/** Bytes of a registration challenge. Chosen: 128 bits, so that none is ever guessed or repeated. */
export const CHALLENGE_LENGTH = 16;
/** Bytes by which a beacon tells itself apart from others while it runs. */
export const BEACON_MARK_LENGTH = 8;
const SIGNATURE_LENGTH = 64;
const MAGIC_1 = Uint8Array.of(0x50, 0x58, 0x01);
const MAGIC_2 = Uint8Array.of(0x50, 0x58, 0x02);
const PREFIX_1 = 'pilot-beacon-register:';
const PREFIX_2 = 'pilot-beacon-register2:';
const ELSEWHERE = 0x01;
const SETTLED = 0x02;
const PROOF = 0x02;
const LATER = 0x04;
const KEY_LENGTH = 32;
const CHALLENGE = 0x04;

/** Proves that the sender of a Discover holds the identity key registered for the node. */
export interface DiscoverProof {
  /** 16 bytes, as the beacon gave it. */
  readonly challenge: Uint8Array;
  /** 64 bytes, Ed25519 over `discoverSignedBytes`. */
  readonly signature: Uint8Array;
  /** 32 bytes, the identity key signed with; only with a question. The beacon asks the registry whether it is right. */
  readonly key?: Uint8Array;
}

/** Makes a Discover a question of its own, whose answer is told apart from every other. */
export interface DiscoverQuestion {
  /** u32, echoed. */
  readonly token: number;
  /** Answer from the beacon's port that was not asked. */
  readonly elsewhere: boolean;
  /** Answer this many seconds later, u16; only where nothing is registered. Tells how long a mapping lives. */
  readonly delay?: number;
}

/** What a beacon adds when it was asked with a `DiscoverQuestion`. */
export interface DiscoverAnswer {
  readonly token: number;
  readonly elsewhere: boolean;
  /** The node is registered where the question came from, and needs to prove nothing. */
  readonly settled: boolean;
  /** The beacon's second port; 0 when it has none. */
  readonly alternatePort: number;
  /** With a challenge: 8 bytes by which the beacon tells itself apart; the proof names them. */
  readonly mark?: Uint8Array;
}

/** What the trailing bytes of a Discover say. */
export interface DiscoverTrailer {
  readonly proof?: DiscoverProof;
  readonly question?: DiscoverQuestion;
}

/** What the trailing bytes of a DiscoverReply say. */
export interface ReplyTrailer {
  readonly challenge?: Uint8Array;
  readonly answer?: DiscoverAnswer;
}

/**
 * What the signature of a proven Discover covers: ASCII `pilot-beacon-register:` ‖ node u32 ‖ challenge; with the mark
 * of the beacon `pilot-beacon-register2:` ‖ node u32 ‖ challenge ‖ mark, so that another beacon can't use it.
 */
export function discoverSignedBytes(node: NodeId, challenge: Uint8Array, mark?: Uint8Array): Uint8Array {
  expectLength('challenge', challenge, CHALLENGE_LENGTH);
  const id = new Uint8Array(4);
  writeU32(id, 0, node);
  if (mark === undefined) return concat(utf8(PREFIX_1), id, challenge);
  expectLength('mark', mark, BEACON_MARK_LENGTH);
  return concat(utf8(PREFIX_2), id, challenge, mark);
}

export function encodeDiscoverTrailer({ proof, question }: DiscoverTrailer): Uint8Array {
  if (proof !== undefined) {
    expectLength('challenge', proof.challenge, CHALLENGE_LENGTH);
    expectLength('signature', proof.signature, SIGNATURE_LENGTH);
  }
  if (question === undefined)
    return proof === undefined ? new Uint8Array() : concat(MAGIC_1, proof.challenge, proof.signature);
  const { token, elsewhere, delay } = question;
  const key = proof?.key;
  const head = new Uint8Array(delay === undefined ? 5 : 7);
  head[0] = (elsewhere ? ELSEWHERE : 0) | (key === undefined ? 0 : PROOF) | (delay === undefined ? 0 : LATER);
  writeU32(head, 1, token);
  if (delay !== undefined) writeU16(head, 5, delay);
  if (proof === undefined || key === undefined) return concat(MAGIC_2, head);
  expectLength('key', key, KEY_LENGTH);
  return concat(MAGIC_2, head, key, proof.challenge, proof.signature);
}

export function encodeReplyTrailer({ challenge, answer }: ReplyTrailer): Uint8Array {
  if (challenge !== undefined) expectLength('challenge', challenge, CHALLENGE_LENGTH);
  if (answer === undefined) return challenge === undefined ? new Uint8Array() : concat(MAGIC_1, challenge);
  const head = new Uint8Array(7);
  const { mark } = answer;
  const asks = challenge !== undefined && mark !== undefined;
  head[0] = (answer.elsewhere ? ELSEWHERE : 0) | (answer.settled ? SETTLED : 0) | (asks ? CHALLENGE : 0);
  writeU16(head, 1, answer.alternatePort);
  writeU32(head, 3, answer.token);
  if (!asks) return concat(MAGIC_2, head);
  expectLength('mark', mark, BEACON_MARK_LENGTH);
  return concat(MAGIC_2, head, challenge, mark);
}

/** Reads what follows a Discover from `at` on; whatever is not ours is as if it were not there. */
export function decodeDiscoverTrailer(bytes: Uint8Array, at: number): DiscoverTrailer {
  if (startsWith(bytes, at, MAGIC_1)) {
    const proof = proofAt(bytes, at + 3);
    return proof === undefined ? {} : { proof };
  }
  if (!startsWith(bytes, at, MAGIC_2) || bytes.length < at + 8) return {};
  const flags = bytes[at + 3]!;
  const later = (flags & LATER) !== 0;
  if (later && bytes.length < at + 10) return {};
  const question = {
    token: readU32(bytes, at + 4),
    elsewhere: (flags & ELSEWHERE) !== 0,
    ...(later && { delay: readU16(bytes, at + 8) }),
  };
  if ((flags & PROOF) === 0) return { question };
  const body = at + (later ? 10 : 8);
  const key = slice(bytes, body, KEY_LENGTH);
  const proof = proofAt(bytes, body + KEY_LENGTH);
  return key === undefined || proof === undefined ? { question } : { question, proof: { ...proof, key } };
}

/** Reads what follows a DiscoverReply from `at` on; whatever is not ours is as if it were not there. */
export function decodeReplyTrailer(bytes: Uint8Array, at: number): ReplyTrailer {
  if (startsWith(bytes, at, MAGIC_1)) {
    const challenge = slice(bytes, at + 3, CHALLENGE_LENGTH);
    return challenge === undefined ? {} : { challenge };
  }
  if (!startsWith(bytes, at, MAGIC_2) || bytes.length < at + 10) return {};
  const flags = bytes[at + 3]!;
  const answer = {
    token: readU32(bytes, at + 6),
    elsewhere: (flags & ELSEWHERE) !== 0,
    settled: (flags & SETTLED) !== 0,
    alternatePort: readU16(bytes, at + 4),
  };
  if ((flags & CHALLENGE) === 0) return { answer };
  const challenge = slice(bytes, at + 10, CHALLENGE_LENGTH);
  const mark = slice(bytes, at + 10 + CHALLENGE_LENGTH, BEACON_MARK_LENGTH);
  return challenge === undefined || mark === undefined
    ? { answer }
    : { challenge, answer: { ...answer, mark } };
}

/** Tells the one who is to be reached who asked for it. */
export function encodeAsker(node: NodeId): Uint8Array {
  const id = new Uint8Array(4);
  writeU32(id, 0, node);
  return concat(MAGIC_1, id);
}

/** Reads what follows a PunchCommand from `at` on; undefined from an old beacon, and for the one who asked. */
export function decodeAsker(bytes: Uint8Array, at: number): NodeId | undefined {
  return startsWith(bytes, at, MAGIC_1) && bytes.length >= at + 7 ? readU32(bytes, at + 3) : undefined;
}

function proofAt(bytes: Uint8Array, at: number): DiscoverProof | undefined {
  const challenge = slice(bytes, at, CHALLENGE_LENGTH);
  const signature = slice(bytes, at + CHALLENGE_LENGTH, SIGNATURE_LENGTH);
  return challenge === undefined || signature === undefined ? undefined : { challenge, signature };
}

function slice(bytes: Uint8Array, at: number, length: number): Uint8Array | undefined {
  return bytes.length < at + length ? undefined : bytes.subarray(at, at + length);
}

function startsWith(bytes: Uint8Array, at: number, magic: Uint8Array): boolean {
  if (bytes.length < at + magic.length) return false;
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic[i]) return false;
  return true;
}

function expectLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length)
    throw new RangeError(`Cannot encode a ${what} of ${bytes.length} bytes: it has ${length}`);
}
