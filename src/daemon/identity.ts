import { PilotError } from '../api/errors.ts';
import { fromUtf8, fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Storage } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import {
  formatIdentityFile,
  type IdentityFileError,
  type IdentityKeys,
  parseIdentityFile,
} from '../wire/identity-file.ts';
import { decodeKeyRotation, encodeKeyRotation, type KeyRotation } from '../wire/key-rotation.ts';

export const IDENTITY_FILE = 'identity.json';
/** The key a rotation leads to, from before the registry is asked until it is the identity. */
export const STAGED_FILE = 'identity.next.json';

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
  return crypto.signingKey(readKeys(storage, crypto, IDENTITY_FILE, bytes).seed);
}

/** A rotation under way. */
export interface StagedIdentity {
  readonly seed: Uint8Array;
  readonly key: SigningKey;
  /** The document both keys signed. */
  readonly rotation: KeyRotation;
}

/** The rotation that was under way when the last run ended. Errors: `identity_invalid`. */
export async function loadStaged(storage: Storage, crypto: Crypto): Promise<StagedIdentity | undefined> {
  const bytes = await storage.read(STAGED_FILE);
  if (bytes === undefined) return undefined;
  const { seed, publicKey } = readKeys(storage, crypto, STAGED_FILE, bytes);
  const { rotation: text } = JSON.parse(fromUtf8(bytes)) as { rotation?: unknown };
  const rotation = typeof text === 'string' ? decodeKeyRotation(text) : 'bad_member';
  if (typeof rotation === 'string' || rotation.new_key !== encodeBase64(publicKey)) {
    throw new PilotError(
      'identity_invalid',
      `Cannot use the key in ${storage.describe(STAGED_FILE)}: its rotation is damaged`,
    );
  }
  return { seed, key: crypto.signingKey(seed), rotation };
}

/** Errors: those of the storage. */
export function saveStaged(storage: Storage, { seed, key, rotation }: StagedIdentity): Promise<void> {
  const keys: unknown = JSON.parse(formatIdentityFile({ seed, publicKey: key.publicKey }));
  const file = { ...(keys as object), rotation: encodeKeyRotation(rotation) };
  return storage.replace(STAGED_FILE, utf8(JSON.stringify(file, undefined, 2)));
}

/** Makes the staged key the identity. Errors: those of the storage. */
export function saveIdentity(storage: Storage, { seed, key }: StagedIdentity): Promise<void> {
  return storage.replace(IDENTITY_FILE, utf8(formatIdentityFile({ seed, publicKey: key.publicKey })));
}

function readKeys(storage: Storage, crypto: Crypto, file: string, bytes: Uint8Array): IdentityKeys {
  const text = fromUtf8Strict(bytes);
  const keys = text === undefined ? 'invalid_json' : parseIdentityFile(text, crypto);
  if (typeof keys !== 'string') return keys;
  throw new PilotError(
    'identity_invalid',
    `Cannot use the identity in ${storage.describe(file)}: ${REASONS[keys]}`,
  );
}

async function createIdentity(storage: Storage, crypto: Crypto, random: Random): Promise<SigningKey> {
  const seed = random.bytes(32);
  const key = crypto.signingKey(seed);
  await storage.replace(IDENTITY_FILE, utf8(formatIdentityFile({ seed, publicKey: key.publicKey })));
  return key;
}
