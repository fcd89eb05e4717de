import { PilotError } from '../api/errors.ts';
import { fromUtf8, fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Storage } from '../runtime/ports.ts';
import type { BackupContent } from '../wire/backup-file.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import { parseIdentityFile } from '../wire/identity-file.ts';
import { isJsonObject, type JsonObject, parseJson } from '../wire/json.ts';

const IDENTITY = 'identity.json';
/** A rotation of the key is under way while it exists. */
const STAGED = 'identity.next.json';
/** A restore whose files are not all in place; the next start goes on with it. */
const PENDING = 'restore.json';

/** What a node is and whom it knows: without one of these in the backup there is none after a restore. */
const STATE = [IDENTITY, 'node.json', 'trust.json', 'peers.json', 'networks.json', 'revocations.json'];
/** Where its registry is: kept as they are when the backup has none. */
const SETTINGS = ['config.json', 'known-registries.json', 'local-network.json'];

/** Everything needed to be the same node elsewhere. Errors: `not_found`, `unavailable` during a rotation. */
export async function gatherBackup(storage: Storage, now: number): Promise<BackupContent> {
  if ((await storage.read(STAGED)) !== undefined) {
    throw new PilotError('unavailable', 'A rotation of the key is under way', {
      hint: 'start the daemon, which ends it, then make the backup',
    });
  }
  const files: Record<string, string> = {};
  for (const name of [...STATE, ...SETTINGS]) {
    const bytes = await storage.read(name);
    const text = bytes === undefined ? undefined : fromUtf8Strict(bytes);
    if (text !== undefined) files[name] = text;
  }
  if (files[IDENTITY] === undefined) {
    throw new PilotError('not_found', `There is no identity in ${storage.describe('')}`, {
      hint: 'start the daemon once: pilotctl daemon start',
    });
  }
  const node = objectOf(files['node.json']);
  return {
    created: Math.floor(now / 1000),
    node: typeof node.node_id === 'number' ? node.node_id : 0,
    hostname: typeof node.hostname === 'string' ? node.hostname : '',
    registries: Array.isArray(node.registries)
      ? node.registries.filter((item) => typeof item === 'string')
      : [],
    files,
  };
}

/** The fingerprint of the identity in a backup. Errors: `identity_invalid`. */
export function identityIn(content: BackupContent, crypto: Crypto): string {
  const keys = parseIdentityFile(content.files[IDENTITY] ?? '', crypto);
  if (typeof keys !== 'string') return fingerprintOf(crypto, keys.publicKey);
  throw new PilotError('identity_invalid', `The backup holds no usable identity: ${keys}`);
}

/** The fingerprint of the identity at hand; undefined when there is none, `damaged` when it is no identity. */
export async function identityAt(storage: Storage, crypto: Crypto): Promise<string | undefined> {
  const bytes = await storage.read(IDENTITY);
  if (bytes === undefined) return undefined;
  const keys = parseIdentityFile(fromUtf8(bytes), crypto);
  return typeof keys === 'string' ? 'damaged' : fingerprintOf(crypto, keys.publicKey);
}

/**
 * Puts a backup in place. It is on disk as a whole before any file changes, so that a crash leaves either the old
 * node or, after the next start, the restored one. Returns where an identity that was there before is kept.
 */
export async function restoreBackup(
  storage: Storage,
  crypto: Crypto,
  content: BackupContent,
): Promise<string | undefined> {
  const before = await identityAt(storage, crypto);
  let kept: string | undefined;
  if (before !== undefined && before !== identityIn(content, crypto)) {
    kept = `identity.replaced-${before}.json`;
    await storage.replace(kept, (await storage.read(IDENTITY)) ?? new Uint8Array(0));
  }
  await storage.replace(PENDING, utf8(JSON.stringify({ files: content.files })));
  await finishRestore(storage);
  return kept === undefined ? undefined : storage.describe(kept);
}

/** Goes on with a restore that was interrupted. False when there was none. Errors: `state_corrupt`, `io_error`. */
export async function finishRestore(storage: Storage): Promise<boolean> {
  const bytes = await storage.read(PENDING);
  if (bytes === undefined) return false;
  const { files } = objectOf(fromUtf8(bytes));
  if (!isJsonObject(files) || typeof files[IDENTITY] !== 'string') {
    throw new PilotError('state_corrupt', `Cannot go on with the restore in ${storage.describe(PENDING)}`, {
      hint: 'restore the backup again: pilotctl identity restore --file FILE --replace',
    });
  }
  await storage.remove(STAGED);
  for (const name of [...STATE, ...SETTINGS]) {
    const text = files[name];
    if (typeof text === 'string') await storage.replace(name, utf8(text));
    else if (STATE.includes(name)) await storage.remove(name);
  }
  await storage.remove(PENDING);
  return true;
}

function objectOf(text: string | undefined): JsonObject {
  const parsed = parseJson(utf8(text ?? ''));
  return typeof parsed !== 'string' && isJsonObject(parsed.value) ? parsed.value : {};
}
