import { PilotError } from '../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Storage } from '../runtime/ports.ts';
import { formatIdentityFile, type IdentityFileError, parseIdentityFile } from '../wire/identity-file.ts';

export const IDENTITY_FILE = 'identity.json';

const REASONS: Readonly<Record<IdentityFileError, string>> = {
  invalid_json: 'it is not JSON',
  not_object: 'it is not a JSON object',
  bad_private_key: 'private_key is not 64 bytes in base64',
  bad_public_key: 'public_key is not 32 bytes in base64',
  key_mismatch: 'its two keys do not belong together',
};

/**
 * Loads the identity, or makes one when there is no file yet. A damaged file is left as it is: a new identity would
 * be a new node. Errors: `identity_invalid`, and those of the storage.
 */
export async function loadIdentity(storage: Storage, crypto: Crypto, random: Random): Promise<SigningKey> {
  const bytes = await storage.read(IDENTITY_FILE);
  if (bytes === undefined) return createIdentity(storage, crypto, random);
  const text = fromUtf8Strict(bytes);
  const keys = text === undefined ? 'invalid_json' : parseIdentityFile(text, crypto);
  if (typeof keys === 'string') {
    throw new PilotError(
      'identity_invalid',
      `Cannot use the identity in ${storage.describe(IDENTITY_FILE)}: ${REASONS[keys]}`,
    );
  }
  return crypto.signingKey(keys.seed);
}

async function createIdentity(storage: Storage, crypto: Crypto, random: Random): Promise<SigningKey> {
  const seed = random.bytes(32);
  const key = crypto.signingKey(seed);
  await storage.replace(IDENTITY_FILE, utf8(formatIdentityFile({ seed, publicKey: key.publicKey })));
  return key;
}
