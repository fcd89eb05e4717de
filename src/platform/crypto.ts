import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import type { AgreementKey, Crypto, SigningKey } from '../base/crypto.ts';
import { accelerate } from './accelerator.ts';
import { nativeAead, nodeAead } from './aead.ts';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** PKCS #8 up to the 32 private bytes (RFC 8410 §7): version, algorithm, nested octet string. */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const X25519_PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** Verification keys kept as parsed KeyObjects; parsing one costs about as much as a hash of a datagram. */
const CACHED_KEYS = 512;

/** node:crypto behind the synchronous port. */
export function nodeCrypto({ sealer } = accelerate()): Crypto {
  const verificationKeys = new Map<string, KeyObject>();

  function verificationKey(raw: Uint8Array): KeyObject {
    const name = view(raw).toString('base64url');
    const known = verificationKeys.get(name);
    if (known !== undefined) return known;
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: name }, format: 'jwk' });
    if (verificationKeys.size >= CACHED_KEYS) {
      for (const oldest of verificationKeys.keys()) {
        verificationKeys.delete(oldest);
        break;
      }
    }
    verificationKeys.set(name, key);
    return key;
  }

  return {
    signingKey,
    agreementKey,
    verify(publicKey, message, signature) {
      if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
      try {
        return verify(null, message, verificationKey(publicKey), signature);
      } catch {
        return false;
      }
    },
    sha256: (data) => bytesOf(createHash('sha256').update(data).digest()),
    sha256Stream() {
      const hash = createHash('sha256');
      return {
        update: (data) => {
          hash.update(data);
        },
        digest: () => bytesOf(hash.digest()),
      };
    },
    hmacSha256: (key, data) => bytesOf(createHmac('sha256', key).update(data).digest()),
    hkdfSha256: (secret, salt, info, length) =>
      new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
    aead: sealer === undefined ? nodeAead : (key) => nativeAead(sealer, key),
  };
}

function signingKey(seed: Uint8Array): SigningKey {
  const key = privateKey(ED25519_PKCS8, seed);
  return {
    publicKey: publicBytes(key),
    sign: (message) => bytesOf(sign(null, message, key)),
  };
}

function agreementKey(privateBytes: Uint8Array): AgreementKey {
  const key = privateKey(X25519_PKCS8, privateBytes);
  return {
    publicKey: publicBytes(key),
    agree(peerPublicKey) {
      if (peerPublicKey.length !== KEY_BYTES) return undefined;
      try {
        const x = view(peerPublicKey).toString('base64url');
        const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
        const secret = diffieHellman({ privateKey: key, publicKey });
        return secret.every((byte) => byte === 0) ? undefined : bytesOf(secret);
      } catch {
        // OpenSSL refuses low-order points by failing the derivation.
        return undefined;
      }
    },
  };
}

function privateKey(prefix: Buffer, raw: Uint8Array): KeyObject {
  if (raw.length !== KEY_BYTES) throw new RangeError(`private key of ${raw.length} bytes`);
  return createPrivateKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'pkcs8' });
}

function publicBytes(key: KeyObject): Uint8Array {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return bytesOf(Buffer.from(x!, 'base64url'));
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy of its own: small Buffers share a pool whose other parts must not travel along. */
function bytesOf(buffer: Buffer): Uint8Array {
  return Uint8Array.prototype.slice.call(buffer);
}
