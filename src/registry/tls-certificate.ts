import { PilotError } from '../api/errors.ts';
import { fromUtf8Strict, toHex, utf8 } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Clock, Storage } from '../runtime/ports.ts';
import { decodeBase64 } from '../wire/base64.ts';
import { isJsonObject, parseJson } from '../wire/json.ts';
import type { PostgresStore } from './store/postgres.ts';

export interface ServerCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly privateKey: string;
  /** Lower-case hex SHA-256 of the certificate, which clients pin. */
  readonly fingerprint: string;
}

const DAY = 24 * 60 * 60 * 1000;
/** Clients pin the certificate itself, so an end date would only break them. */
const LIFETIME = 50 * 365 * DAY;

/**
 * The server's self-signed certificate, made at the first start and kept: clients that pinned it must find the same
 * one after every restart. A file that can't be read is refused rather than replaced.
 * Errors: `state_corrupt`, `disk_full`, `io_error`.
 */
export async function persistedCertificate(options: {
  readonly storage: Pick<Storage, 'read' | 'replace' | 'describe'>;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** @default 'tls.json' */
  readonly path?: string;
}): Promise<ServerCertificate> {
  const { storage, crypto, clock, path = 'tls.json' } = options;
  const stored = await storage.read(path);
  if (stored !== undefined) {
    const known = parseStored(stored, crypto);
    if (known !== undefined) return known;
    throw new PilotError('state_corrupt', `Cannot read the registry's TLS key ${storage.describe(path)}`, {
      hint: 'restore the file from a backup, or move it away and give clients the new fingerprint',
    });
  }
  const made = await generate(clock.wallNow());
  await storage.replace(path, utf8(`${JSON.stringify(made, null, 2)}\n`));
  return { ...made, fingerprint: fingerprintOf(made.certificate, crypto)! };
}

/** Of all processes that share a store: the first makes it. */
export async function sharedCertificate(options: {
  readonly store: Pick<PostgresStore, 'setting' | 'offerSetting' | 'name'>;
  readonly crypto: Crypto;
  readonly clock: Clock;
}): Promise<ServerCertificate> {
  const { store, crypto, clock } = options;
  const storage = {
    async read(path: string): Promise<Uint8Array | undefined> {
      const text = await store.setting(path);
      return text === undefined ? undefined : utf8(text);
    },
    replace: (path: string, data: Uint8Array): Promise<void> =>
      store.offerSetting(path, fromUtf8Strict(data)!),
    describe: (path: string): string => `${path} in ${store.name}`,
  };
  await persistedCertificate({ storage, crypto, clock });
  // Another process may have been first.
  return persistedCertificate({ storage, crypto, clock });
}

async function generate(now: number): Promise<{ certificate: string; privateKey: string }> {
  // Loaded only when a key has to be made: it brings a whole ASN.1 library.
  const { generate: generateCertificate } = await import('selfsigned');
  const made = await generateCertificate(
    [
      { name: 'commonName', value: 'pilot-registry' },
      { name: 'organizationName', value: 'Pilot Protocol' },
    ],
    {
      keyType: 'ec',
      curve: 'P-256',
      algorithm: 'sha256',
      notBeforeDate: new Date(now - DAY),
      notAfterDate: new Date(now + LIFETIME),
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'keyUsage', digitalSignature: true },
        { name: 'extKeyUsage', serverAuth: true },
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: 'localhost' },
            { type: 7, ip: '127.0.0.1' },
            { type: 7, ip: '::1' },
          ],
        },
      ],
    },
  );
  return { certificate: made.cert, privateKey: made.private };
}

function parseStored(bytes: Uint8Array, crypto: Crypto): ServerCertificate | undefined {
  if (fromUtf8Strict(bytes) === undefined) return undefined;
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return undefined;
  const { certificate, privateKey } = parsed.value;
  if (typeof certificate !== 'string' || typeof privateKey !== 'string') return undefined;
  const fingerprint = fingerprintOf(certificate, crypto);
  return fingerprint === undefined || !privateKey.includes('PRIVATE KEY')
    ? undefined
    : { certificate, privateKey, fingerprint };
}

function fingerprintOf(pem: string, crypto: Crypto): string | undefined {
  const body = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(pem)?.[1];
  const der = body === undefined ? undefined : decodeBase64(body.replace(/\s/g, ''));
  return der === undefined || der.length === 0 ? undefined : toHex(crypto.sha256(der));
}
