import { utf8, writeU32 } from '../../base/bytes.ts';
import type { Aead, Crypto, FrameLayout } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId } from '../../base/units.ts';
import { PILS_HEADER_LENGTH, writePilsHeader } from '../../wire/tunnel-frames.ts';
import { KEY_INFO, MAX_COUNTER, MAX_PREFIXES, REKEY_PREFIXES } from './constants.ts';
import type { Offer } from './offer.ts';
import { ReplayWindow } from './replay-window.ts';

const NO_SALT = new Uint8Array(0);
const KEY_LENGTH = 32;

export type OpenFailure = 'unauthentic' | 'replayed' | 'prefix_limit';

/**
 * One tunnel key: the pair (our X25519 key, the peer's), with everything that must not outlive or precede it:
 * send prefix and counter, and one replay window per prefix of the peer.
 */
export class KeySlot {
  readonly offer: Offer;
  /** The peer's X25519 key in hex, and as it came. */
  readonly peerKey: string;
  readonly peerKeyBytes: Uint8Array;
  readonly createdAt: Instant;
  /** When a frame of the peer first opened under this key. */
  confirmedAt: Instant | undefined;
  /** When a frame of the peer last opened under this key. */
  heardAt: Instant | undefined;

  readonly #aead: Aead;
  readonly #ownId: Uint8Array;
  readonly #peerId: Uint8Array;
  readonly #node: NodeId;
  readonly #prefix: number;
  readonly #nonce = new Uint8Array(12);
  #counterHigh = 0;
  #counterLow = 0;
  readonly #windows = new Map<number, ReplayWindow>();
  #lastPrefix = -1;
  #lastWindow: ReplayWindow | undefined;
  #collided = false;

  constructor(parts: {
    crypto: Crypto;
    random: Random;
    node: NodeId;
    peer: NodeId;
    offer: Offer;
    peerKey: string;
    peerKeyBytes: Uint8Array;
    key: Uint8Array;
    /** True when our X25519 key sorts before the peer's. */
    first: boolean;
    now: Instant;
  }) {
    this.offer = parts.offer;
    this.peerKey = parts.peerKey;
    this.peerKeyBytes = parts.peerKeyBytes;
    this.createdAt = parts.now;
    this.#node = parts.node;
    this.#aead = parts.crypto.aead(parts.key);
    this.#ownId = idBytes(parts.node);
    this.#peerId = idBytes(parts.peer);
    // One key serves both directions: the top bit keeps the nonces of two peers that both do this apart.
    const random = parts.random.u32() & 0x7fff_ffff;
    this.#prefix = (parts.first ? random : random | 0x8000_0000) >>> 0;
    writeU32(this.#nonce, 0, this.#prefix);
  }

  /** Frames sealed so far. */
  get sealed(): number {
    return this.#counterHigh * 0x1_0000_0000 + this.#counterLow;
  }

  /** True when the key has seen too much to be kept: many prefixes, or the peer picked our own. */
  get worn(): boolean {
    return this.#collided || this.#windows.size >= REKEY_PREFIXES;
  }

  /** Writes the whole PILS frame of `plaintext` at the start of `out` (36 bytes longer); false at the counter's end. */
  seal(plaintext: Uint8Array, out: Uint8Array): boolean {
    if (!this.begin(out, 0)) return false;
    writeU32(this.#nonce, 4, this.#counterHigh);
    writeU32(this.#nonce, 8, this.#counterLow);
    this.#aead.sealInto(this.#nonce, this.#ownId, plaintext, out, PILS_HEADER_LENGTH);
    return true;
  }

  /** Writes the 20 bytes before the ciphertext of one frame, under a counter of its own; false at the counter's end. */
  begin(out: Uint8Array, at: number): boolean {
    this.#counterLow = (this.#counterLow + 1) >>> 0;
    if (this.#counterLow === 0) this.#counterHigh++;
    if (this.sealed >= MAX_COUNTER) return false;
    writePilsHeader(out, this.#node, this.#prefix, this.#counterHigh, this.#counterLow, at);
    return true;
  }

  /** Seals in place the frames that `begin` began, as `Aead.sealTrain` does. */
  sealTrain(train: Uint8Array, segment: number, layout: FrameLayout): void {
    this.#aead.sealTrain(this.#ownId, train, segment, layout);
  }

  /** True when a frame with this prefix was opened before. */
  knows(prefix: number): boolean {
    return prefix === this.#lastPrefix || this.#windows.has(prefix);
  }

  /** Opens frames in place, as `Aead.openTrain` does. No counter is taken. */
  openTrain(train: Uint8Array, segment: number, layout: FrameLayout, verdicts: Uint8Array): void {
    this.#aead.openTrain(this.#peerId, train, segment, layout, train, verdicts);
  }

  /** Takes the counter of a frame that `openTrain` found authentic under a known prefix; false when it was taken before. */
  take(prefix: number, counter: number): boolean {
    const window = prefix === this.#lastPrefix ? this.#lastWindow : this.#windows.get(prefix);
    if (window?.admits(counter) !== true) return false;
    window.mark(counter);
    return true;
  }

  /** Opens one frame. Nothing changes unless it authenticates. */
  open(prefix: number, counter: number, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | OpenFailure {
    let window = prefix === this.#lastPrefix ? this.#lastWindow : this.#windows.get(prefix);
    if (window !== undefined && !window.admits(counter)) return 'replayed';
    if (window === undefined && this.#windows.size >= MAX_PREFIXES) return 'prefix_limit';
    const plaintext = this.#aead.open(nonce, this.#peerId, sealed);
    if (plaintext === undefined) return 'unauthentic';
    if (window === undefined) {
      window = new ReplayWindow();
      this.#windows.set(prefix, window);
      if (prefix === this.#prefix) this.#collided = true;
    }
    window.mark(counter);
    this.#lastPrefix = prefix;
    this.#lastWindow = window;
    return plaintext;
  }
}

/** The AES-256-GCM key of a shared secret. spec/02 §4 */
export function tunnelKey(crypto: Crypto, secret: Uint8Array): Uint8Array {
  return crypto.hkdfSha256(secret, NO_SALT, utf8(KEY_INFO), KEY_LENGTH);
}

function idBytes(node: NodeId): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, node);
  return bytes;
}
