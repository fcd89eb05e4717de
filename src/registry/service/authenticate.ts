import type { Scope } from '../../api/scopes.ts';
import { utf8 } from '../../base/bytes.ts';
import type { NetworkId, NodeId, UnixMillis } from '../../base/units.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import { contentSignedBytes } from '../../wire/registry-signatures.ts';
import type { NodeIdentity, NodeRecord } from '../store/store.ts';
import type { Call } from './call.ts';
import { text } from './fields.ts';
import { operates } from './operators/demand.ts';
import { noSuchNode, type Refusal, refusal } from './refusal.ts';

export interface SignatureTexts {
  /** Answer to a request without a signature. */
  readonly missing?: string;
  /** Answer to a wrong signature. */
  readonly wrong?: string;
}

const MISSING = 'signature required for authenticated node';
const WRONG = 'signature verification failed';
const SIGNS_CONTENT = 'a node that registered with proof signs whole requests: send sig, ts and nonce';

export type Proof = 'content' | 'connection' | 'legacy' | 'admin';

export interface Authenticated<Node = NodeRecord> {
  readonly node: Node;
  readonly proof: Proof;
}

interface Demands {
  /** Operators with this scope need no signature. */
  readonly operator?: Scope;
  /** The network that the scope has to be for. */
  readonly network?: NetworkId;
  readonly connection?: boolean;
  readonly texts?: SignatureTexts;
}

/** How the node is looked up. */
type Find<Node> = (id: NodeId) => Promise<Node | undefined>;

/**
 * Demands proof that the request comes from `id`. Nodes whose key was registered with proof must sign the whole
 * content (fresh, never seen before); others may use the old challenge string `legacy`. An id nobody has is refused
 * like one that somebody else has; only who proved its key is told that it is not registered. spec/10 §3
 */
export function authenticate(
  call: Call,
  id: NodeId,
  legacy: string,
  options: Demands = {},
): Promise<Authenticated> {
  return authenticateBy((node) => call.shared.store.node(node), call, id, legacy, options);
}

/** As `authenticate`, for what has to be cheap and needs no more of the node. */
export function authenticateIdentity(
  call: Call,
  id: NodeId,
  legacy: string,
  options: Demands = {},
): Promise<Authenticated<NodeIdentity>> {
  return authenticateBy((node) => call.shared.store.identity(node), call, id, legacy, options);
}

async function authenticateBy<Node extends NodeIdentity>(
  find: Find<Node>,
  call: Call,
  id: NodeId,
  legacy: string,
  options: Demands,
): Promise<Authenticated<Node>> {
  const { request, shared, connection } = call;
  const node = await find(id);
  if (request.sig !== undefined) {
    await verifyContent(call, { id, publicKey: node?.publicKey ?? shared.nobody });
    const signer = registered(id, node);
    connection.authenticate(id, signer.publicKey, 'proven');
    return { node: signer, proof: 'content' };
  }
  if (options.operator !== undefined && operates(call, options.operator, options.network))
    return { node: registered(id, node), proof: 'admin' };
  const signature = text(request.signature);
  if (options.connection === true && node !== undefined && (node.proven || signature === '')) {
    if (connection.speaksFor(node, node.proven ? 'proven' : 'legacy'))
      return { node: registered(id, node), proof: 'connection' };
  }
  if (!shared.config.legacySignatures) throw legacyRefused();
  if (signature === '') throw refusal('permission_denied', options.texts?.missing ?? MISSING);
  const publicKey = node === undefined || node.proven ? shared.nobody : node.publicKey;
  verifyLegacy(call, { publicKey }, legacy, signature, options.texts);
  const signer = registered(id, node);
  connection.authenticate(id, publicKey, 'legacy');
  return { node: signer, proof: 'legacy' };
}

/** The registered node that signed the whole content. Throws `permission_denied` alike for wrong keys and missing nodes. */
export async function contentSigner(call: Call, id: NodeId): Promise<NodeRecord> {
  const node = await call.shared.store.node(id);
  await verifyContent(call, { id, publicKey: node?.publicKey ?? call.shared.nobody });
  return registered(id, node);
}

/** For those who may know that a node is not registered. */
function registered<Node extends NodeIdentity>(id: NodeId, node: Node | undefined): Node {
  if (node === undefined || !node.registered) throw noSuchNode(id);
  return node;
}

/** The answer to whoever proves nothing, or only in the old way, where the operator wants neither. */
export function legacyRefused(): Refusal {
  return refusal(
    'permission_denied',
    'signature required: this registry accepts only requests signed over their whole content',
    'update the client',
  );
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
    throw refusal('permission_denied', texts?.wrong ?? WRONG, SIGNS_CONTENT);
  }
}

/** Checks `sig`, `ts` and, where named, the server, and that the nonce is new. Throws `permission_denied`. */
export async function verifyContent(
  call: Call,
  signer: { readonly id: NodeId; readonly publicKey: Uint8Array },
): Promise<void> {
  const { ts, nonce } = verifySignedContent(call, signer.publicKey);
  if (!call.shared.replays.admit(signer.id, nonce, ts, call.at, call.shared.clock.now())) {
    throw refusal('permission_denied', 'signature was used before');
  }
  // What names our certificate came over TLS from whoever signed it, so nobody else can have it.
  if (call.request.server !== undefined || call.shared.store.claimNonce === undefined) return;
  if (!(await call.shared.store.claimNonce(signer.id, nonce, ts)))
    throw refusal('permission_denied', 'signature was used before');
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
