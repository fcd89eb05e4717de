/**
 * An encrypted backup of what a node is. One JSON object: how the key follows from a passphrase, a nonce, and the
 * sealed content. Everything but `data` is authenticated with it.
 */
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { Aead } from '../base/crypto.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { canonicalJson, isJsonObject, parseJson } from './json.ts';

const KIND = 'pilot-backup';
/** UTF-8 bytes of a whole file; a node with ten thousand trusted peers stays far below. */
export const BACKUP_LIMIT = 64 * 1024 * 1024;
const SALT_LENGTH = 16;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/** scrypt (RFC 7914). Bounds on reading keep a hostile file from taking all memory. */
export interface KeyDerivation {
  /** Binary logarithm of the cost N, 14 to 20. Memory is 128 · r · N bytes. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  /** 16 random bytes. */
  readonly salt: Uint8Array;
}

export interface SealedBackup {
  readonly derivation: KeyDerivation;
  readonly nonce: Uint8Array;
  /** Ciphertext and tag. */
  readonly data: Uint8Array;
}

/** What is inside. */
export interface BackupContent {
  /** Unix seconds. */
  readonly created: number;
  /** 0 when the node never had one. */
  readonly node: number;
  readonly hostname: string;
  readonly registries: readonly string[];
  /** Files of the home by name. */
  readonly files: Readonly<Record<string, string>>;
}

export type BackupError = 'too_large' | 'invalid_json' | 'wrong_kind' | 'bad_member';

/** Seals under a key derived as `derivation` says; nonce and salt must be fresh. */
export function sealBackup(
  aead: Aead,
  derivation: KeyDerivation,
  nonce: Uint8Array,
  content: BackupContent,
): string {
  const plain = utf8(canonicalJson(content));
  const data = new Uint8Array(plain.length + TAG_LENGTH);
  const head = headOf(derivation, nonce);
  aead.sealInto(nonce, utf8(canonicalJson(head)), plain, data, 0);
  return `${JSON.stringify({ ...head, data: encodeBase64(data) }, undefined, 2)}\n`;
}

/** Checks shape and bounds only. */
export function decodeBackup(bytes: Uint8Array): SealedBackup | BackupError {
  if (bytes.length > BACKUP_LIMIT) return 'too_large';
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return 'invalid_json';
  const { kind, v, kdf, nonce, data } = parsed.value;
  if (kind !== KIND || v !== 1) return 'wrong_kind';
  if (!isJsonObject(kdf) || kdf.name !== 'scrypt') return 'bad_member';
  const { log_n: logN, r, p } = kdf;
  const salt = base64Of(kdf.salt);
  const sealed = { nonce: base64Of(nonce), data: base64Of(data) };
  if (!isWithin(logN, 14, 20) || !isWithin(r, 1, 16) || !isWithin(p, 1, 4)) return 'bad_member';
  if (salt?.length !== SALT_LENGTH || sealed.nonce?.length !== NONCE_LENGTH) return 'bad_member';
  if (sealed.data === undefined || sealed.data.length < TAG_LENGTH) return 'bad_member';
  return { derivation: { logN, r, p, salt }, nonce: sealed.nonce, data: sealed.data };
}

/** Undefined when the key is wrong or any byte was changed. */
export function openBackup(aead: Aead, sealed: SealedBackup): BackupContent | undefined {
  const head = utf8(canonicalJson(headOf(sealed.derivation, sealed.nonce)));
  const plain = aead.open(sealed.nonce, head, sealed.data);
  const text = plain === undefined ? undefined : fromUtf8Strict(plain);
  return text === undefined ? undefined : contentOf(utf8(text));
}

function contentOf(bytes: Uint8Array): BackupContent | undefined {
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return undefined;
  const { created, node, hostname, registries, files } = parsed.value;
  if (typeof created !== 'number' || typeof node !== 'number' || typeof hostname !== 'string')
    return undefined;
  if (!Array.isArray(registries) || !registries.every((item) => typeof item === 'string')) return undefined;
  if (!isJsonObject(files)) return undefined;
  const texts = Object.entries(files).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return { created, node, hostname, registries, files: Object.fromEntries(texts) };
}

function headOf({ logN, r, p, salt }: KeyDerivation, nonce: Uint8Array) {
  return {
    kind: KIND,
    v: 1,
    kdf: { name: 'scrypt', log_n: logN, r, p, salt: encodeBase64(salt) },
    nonce: encodeBase64(nonce),
  };
}

function base64Of(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? decodeBase64(value) : undefined;
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
}
