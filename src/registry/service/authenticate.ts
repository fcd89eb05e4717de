import { utf8 } from '../../base/bytes.ts';
import type { NodeId, UnixMillis } from '../../base/units.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import { contentSignedBytes } from '../../wire/registry-signatures.ts';
import type { NodeRecord } from '../store/store.ts';
import { type Call, liveNode } from './call.ts';
import { text } from './fields.ts';
import { refusal } from './refusal.ts';

export interface SignatureTexts {
  /** Answer to a request without a signature. */
  readonly missing?: string;
  /** Answer to a wrong signature. */
  readonly wrong?: string;
}

const MISSING = 'signature required for authenticated node';
const WRONG = 'signature verification failed';

export type Proof = 'content' | 'connection' | 'legacy' | 'admin';

export interface Authenticated {
  readonly node: NodeRecord;
  readonly proof: Proof;
}

/**
 * Demands proof that the request comes from `id`. Nodes whose key was registered with proof must sign the whole
 * content (fresh, never seen before); others may use the old challenge string `legacy`. spec/10 §3
 */
export async function authenticate(
  call: Call,
  id: NodeId,
  legacy: string,
  options: { readonly admin?: boolean; readonly connection?: boolean; readonly texts?: SignatureTexts } = {},
): Promise<Authenticated> {
  const node = await liveNode(call, id);
  if (call.request.sig !== undefined) {
    verifyContent(call, node);
    call.connection.authenticate(id, node.publicKey, 'proven');
    return { node, proof: 'content' };
  }
  if (options.admin === true && isAdmin(call)) return { node, proof: 'admin' };
  const signature = text(call.request.signature);
  if (options.connection === true && (node.proven || signature === '')) {
    if (call.connection.speaksFor(node, node.proven ? 'proven' : 'legacy'))
      return { node, proof: 'connection' };
  }
  if (signature === '') throw refusal('permission_denied', options.texts?.missing ?? MISSING);
  if (node.proven) {
    throw refusal(
      'permission_denied',
      options.texts?.wrong ?? WRONG,
      'this node signs whole requests: send sig, ts and nonce',
    );
  }
  verifyLegacy(call, node, legacy, signature, options.texts);
  call.connection.authenticate(id, node.publicKey, 'legacy');
  return { node, proof: 'legacy' };
}

/** Checks an old signature over an ASCII challenge string. */
export function verifyLegacy(
  call: Call,
  node: Pick<NodeRecord, 'publicKey'>,
  signed: string,
  signature: string,
  texts?: SignatureTexts,
): void {
  const bytes = decodeBase64(signature);
  if (bytes === undefined) {
    const at = signature.search(/[^A-Za-z0-9+/]/);
    throw refusal(
      'invalid_argument',
      `invalid signature encoding: illegal base64 data at input byte ${at < 0 ? signature.length : at}`,
    );
  }
  if (!call.shared.crypto.verify(node.publicKey, utf8(signed), bytes)) {
    throw refusal('permission_denied', texts?.wrong ?? WRONG);
  }
}

/** Checks `sig`, `ts` and, where named, the server, and that the nonce is new. Throws `permission_denied`. */
export function verifyContent(
  call: Call,
  signer: { readonly id: NodeId; readonly publicKey: Uint8Array },
): void {
  const { ts, nonce } = verifySignedContent(call, signer.publicKey);
  if (!call.shared.replays.admit(signer.id, nonce, ts, call.at, call.shared.clock.now())) {
    throw refusal('permission_denied', 'signature was used before');
  }
}

/** As `verifyContent`, for requests whose freshness something else proves. */
export function verifySignedContent(
  call: Call,
  publicKey: Uint8Array,
): { readonly ts: UnixMillis; readonly nonce: string } {
  const { request, shared, at } = call;
  const { sig, ts, nonce } = request;
  if (
    typeof sig !== 'string' ||
    typeof ts !== 'number' ||
    typeof nonce !== 'string' ||
    !/^[0-9a-f]{32}$/.test(nonce)
  ) {
    throw refusal('invalid_argument', 'invalid signature: sig, ts and nonce are required');
  }
  if (!shared.replays.timely(ts, at, shared.clock.now())) {
    throw refusal(
      'permission_denied',
      'signature expired: its time is too far from the clock of the registry',
    );
  }
  const server = request.server;
  if (server !== undefined && server !== shared.config.fingerprint) {
    throw refusal('permission_denied', 'signature is for another server');
  }
  const signature = decodeBase64(sig);
  if (signature === undefined || !shared.crypto.verify(publicKey, contentSignedBytes(request), signature)) {
    throw refusal('permission_denied', WRONG);
  }
  return { ts, nonce };
}

/** True when the request carries the operator's token. */
export function isAdmin(call: Call): boolean {
  const expected = call.shared.config.adminToken;
  const given = text(call.request.admin_token);
  if (expected === '' || given === '') return false;
  // Hashes have equal length, so comparing them says nothing about how much of the token was right.
  const a = call.shared.crypto.sha256(utf8(expected));
  const b = call.shared.crypto.sha256(utf8(given));
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
