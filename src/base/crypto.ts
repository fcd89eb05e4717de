/**
 * The cryptography pure code needs, synchronous only: a simulated network is reproducible from one seed
 * because no result ever waits for another turn of the event loop.
 */

/** An Ed25519 identity. The private half never leaves the adapter that made it. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 (RFC 8032, pure) signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** One X25519 key pair. */
export interface AgreementKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Raw X25519 shared secret, 32 bytes; undefined when the result is all-zero (low-order point) or the peer key is not 32 bytes. */
  agree(peerPublicKey: Uint8Array): Uint8Array | undefined;
}

/** Where things lie in each frame of a train: `head` bytes in clear, the ciphertext, the 16-byte tag. */
export interface FrameLayout {
  /** Bytes in clear; the last 12 of them are the nonce. */
  readonly head: number;
  /** Where in the plaintext its CRC-32 (IEEE, big-endian, taken with this field zero) lies; -1 for none. */
  readonly checksumAt: number;
}

/** What became of one frame of a train. */
export const FRAME_UNAUTHENTIC = 0;
export const FRAME_OPENED = 1;
/** It opened, but its checksum is not that of the whole plaintext. */
export const FRAME_OPENED_UNCHECKED = 2;

/** AES-256-GCM under one key: 12-byte nonce, 16-byte tag. */
export interface Aead {
  /**
   * Writes ciphertext followed by the 16-byte tag into `out` at `at`; `out` must have room for
   * `plaintext.length + 16` bytes there.
   */
  sealInto(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, at: number): void;
  /** Opens ciphertext followed by tag; undefined when it does not authenticate. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /**
   * Seals in place what lies in `train`: frames of `segment` bytes one after another, the last maybe shorter, each with
   * its nonce and plaintext written and the last 16 bytes free. Writes the checksums first, when there are any.
   * RangeError when a frame has no room for head, checksum and tag; then nothing is sealed.
   */
  sealTrain(aad: Uint8Array, train: Uint8Array, segment: number, layout: FrameLayout): void;
  /**
   * Opens such a train and returns how many frames did. The plaintext of a frame goes to `out` at the place its
   * ciphertext has in `train` (`out` may be `train`), zeros where it does not authenticate; `verdicts`, one byte a
   * frame, says `FRAME_UNAUTHENTIC`, `FRAME_OPENED` or `FRAME_OPENED_UNCHECKED`. RangeError as above.
   */
  openTrain(
    aad: Uint8Array,
    train: Uint8Array,
    segment: number,
    layout: FrameLayout,
    out: Uint8Array,
    verdicts: Uint8Array,
  ): number;
}

/** SHA-256 of a byte sequence that arrives in pieces, for content too large to hold. */
export interface Sha256Stream {
  update(data: Uint8Array): void;
  /** 32 bytes; nothing may be added afterwards. */
  digest(): Uint8Array;
}

export interface Crypto {
  /** From a 32-byte seed. */
  signingKey(seed: Uint8Array): SigningKey;
  /** From 32 private bytes (clamped by the algorithm). */
  agreementKey(privateBytes: Uint8Array): AgreementKey;
  /** False on any malformed key or signature; never throws. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  sha256(data: Uint8Array): Uint8Array;
  sha256Stream(): Sha256Stream;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF-SHA256 (RFC 5869). */
  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** From a 32-byte key. */
  aead(key: Uint8Array): Aead;
}
