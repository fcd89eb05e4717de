import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { PilotError } from '../../src/api/errors.ts';
import { fromUtf8 } from '../../src/base/bytes.ts';
import type { Host } from '../../src/cli/host.ts';
import type { ServerCertificate } from '../../src/registry/index.ts';

/** Certificate chains are a few kilobytes. */
const MAX_FILE = 256 * 1024;

/**
 * A certificate of one's own, PEM: the leaf first, then what leads to its authority. Clients pin the leaf, so all
 * instances of a registry show the same one, and another one is a new pin. Errors: `invalid_argument`.
 */
export async function ownCertificate(
  host: Pick<Host, 'files'>,
  files: { readonly certificate: string; readonly key: string },
): Promise<ServerCertificate> {
  const certificate = await read(host, files.certificate, 'certificate');
  const privateKey = await read(host, files.key, 'key');
  const leaf = parsed(files.certificate, 'certificate', () => new X509Certificate(certificate));
  const key: KeyObject = parsed(files.key, 'key', () => createPrivateKey(privateKey));
  if (!leaf.checkPrivateKey(key)) {
    throw new PilotError(
      'invalid_argument',
      `The key in ${files.key} is not that of the certificate in ${files.certificate}`,
      {
        hint: `compare: openssl x509 -noout -pubkey -in ${files.certificate}; openssl pkey -pubout -in ${files.key}`,
      },
    );
  }
  return { certificate, privateKey, fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase() };
}

async function read(host: Pick<Host, 'files'>, file: string, what: string): Promise<string> {
  const bytes = await host.files.read(file, MAX_FILE);
  if (bytes === undefined)
    throw new PilotError('invalid_argument', `Cannot read the TLS ${what}: there is no ${file}`);
  return fromUtf8(bytes);
}

function parsed<Value>(file: string, what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (cause) {
    throw new PilotError(
      'invalid_argument',
      `Cannot read the TLS ${what} in ${file}: it is not PEM without a passphrase`,
      {
        cause,
        hint: `look at it: openssl ${what === 'key' ? 'pkey' : 'x509'} -noout -text -in ${file}`,
      },
    );
  }
}
