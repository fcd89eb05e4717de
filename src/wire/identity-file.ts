/** identity.json: the one file that is a node's identity. Mode 0600. spec/02 §2 */

import { concat, equal } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

export interface IdentityKeys {
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /** 32 bytes, derived from the seed. */
  readonly publicKey: Uint8Array;
}

/** Why a file is not an identity. A loader must stop on any: a new identity would be a new node. */
export type IdentityFileError =
  | 'invalid_json'
  | 'not_object'
  | 'bad_private_key'
  | 'bad_public_key'
  | 'key_mismatch';

const SEED_LENGTH = 32;
const KEY_LENGTH = 32;

/** The text old daemons write: two members, two spaces, no final newline. `private_key` is seed ‖ public key. */
export function formatIdentityFile(keys: IdentityKeys): string {
  if (keys.seed.length !== SEED_LENGTH || keys.publicKey.length !== KEY_LENGTH) {
    throw new RangeError('Cannot format an identity: seed and public key have 32 bytes each');
  }
  const members = {
    private_key: encodeBase64(concat(keys.seed, keys.publicKey)),
    public_key: encodeBase64(keys.publicKey),
  };
  return JSON.stringify(members, undefined, 2);
}

/** Checks both lengths, that both public keys agree, and that the seed really gives that key. */
export function parseIdentityFile(
  text: string,
  crypto: Pick<Crypto, 'signingKey'>,
): IdentityKeys | IdentityFileError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'invalid_json';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not_object';
  const { private_key, public_key } = value as { private_key?: unknown; public_key?: unknown };
  const privateKey = typeof private_key === 'string' ? decodeBase64(private_key) : undefined;
  if (privateKey?.length !== SEED_LENGTH + KEY_LENGTH) return 'bad_private_key';
  const publicKey = typeof public_key === 'string' ? decodeBase64(public_key) : undefined;
  if (publicKey?.length !== KEY_LENGTH) return 'bad_public_key';
  const seed = privateKey.slice(0, SEED_LENGTH);
  if (!equal(privateKey.subarray(SEED_LENGTH), publicKey)) return 'key_mismatch';
  return equal(crypto.signingKey(seed).publicKey, publicKey) ? { seed, publicKey } : 'key_mismatch';
}
