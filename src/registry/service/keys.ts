/** Requests about a node's key. spec/10 §5.1 */
import type { NodeId } from '../../base/units.ts';
import { formatAddress } from '../../wire/address.ts';
import { decodeBase64, encodeBase64 } from '../../wire/base64.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { actor, recorded } from './audit/recorded.ts';
import { authenticate } from './authenticate.ts';
import type { Call, Handler, Reply } from './call.ts';
import { text, u32 } from './fields.ts';
import { visibleNode } from './privacy.ts';
import { checkRotation } from './records.ts';
import { refusal } from './refusal.ts';
import { tellPeers } from './tell-peers.ts';
import { keyAgeDays, parseRfc3339, rfc3339 } from './time.ts';

const TEN_YEARS = 10 * 366 * 24 * 60 * 60 * 1000;

/**
 * Replaces the key, signed by the old one. A node that proved its key brings the document that both keys signed, so
 * that peers can follow. Repeating a rotation that is done, after a lost answer, succeeds again.
 */
export const rotateKey: Handler = async (call) => {
  const { request, shared } = call;
  const id = u32(request.node_id);
  const document = text(request.rotation);
  const keyText = text(request.new_public_key);
  if (await isDone(call, id, document)) return rotated(id, keyText);
  const { node, proof } = await authenticate(call, id, signedString.rotateKey(id), {
    texts: {
      missing: 'rotate_key requires a valid signature',
      wrong: 'rotate_key requires a valid signature',
    },
  });
  if (keyText === '') throw refusal('invalid_argument', 'rotate_key requires new_public_key');
  const publicKey = decodeBase64(keyText);
  if (publicKey === undefined || publicKey.length !== 32) {
    throw refusal(
      'invalid_argument',
      `invalid new_public_key: ${publicKey === undefined ? 'illegal base64 data' : `invalid public key size: ${publicKey.length}`}`,
    );
  }
  if (document !== '') checkRotation(call, node, publicKey, document);
  else if (node.proven)
    throw refusal('invalid_argument', 'rotate_key requires rotation, the document that both keys signed');
  if (!shared.rotations.spend(String(id), shared.clock.now()))
    throw refusal('rate_limited', 'rate limited: too many key rotations');
  const outcome = await recorded(
    call,
    actor(call, id, proof),
    (store) => store.rotateKey(id, publicKey, call.at, document),
    (result) =>
      typeof result === 'string'
        ? []
        : [{ action: 'key.rotated', node: id, details: { epoch: result.keyRotations } }],
  );
  if (outcome === 'no_node') throw refusal('not_found', `node ${id}: node not found`);
  if (outcome === 'key_in_use') throw refusal('already_exists', 'invalid new_public_key: already registered');
  shared.subscribers.dropNode(id);
  await tellPeers(call, id, 'key_rotated');
  return rotated(id, encodeBase64(outcome.publicKey));
};

/** True when this very rotation is the node's last one. Its document proves that, and tells nobody anything new. */
async function isDone(call: Call, id: NodeId, document: string): Promise<boolean> {
  if (document === '') return false;
  const { rotations } = await call.shared.store.nodeDocuments(id);
  return rotations.at(-1) === document;
}

function rotated(id: NodeId, key: string): Reply {
  const address = formatAddress({ network: 0, node: id });
  return { type: 'rotate_key_ok', node_id: id, address, public_key: key };
}

export const getKeyInfo: Handler = async (call) => {
  const { node } = await visibleNode(call, u32(call.request.node_id));
  return {
    type: 'get_key_info_ok',
    node_id: node.id,
    created_at: rfc3339(node.keyCreatedAt),
    rotate_count: node.keyRotations,
    key_age_days: keyAgeDays(node, call.at),
    ...(node.keyRotatedAt === undefined ? {} : { rotated_at: rfc3339(node.keyRotatedAt) }),
    ...(node.keyExpiresAt === undefined ? {} : { expires_at: rfc3339(node.keyExpiresAt) }),
  };
};

export const setKeyExpiry: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const { proof } = await authenticate(call, id, signedString.setKeyExpiry(id), { operator: 'nodes:write' });
  const by = actor(call, id, proof);
  const wanted = text(call.request.expires_at);
  if (wanted === '' || wanted === 'never') {
    await recorded(
      call,
      by,
      (store) => store.patchNode(id, { keyExpiresAt: null }, call.at),
      () => [{ action: 'key.expiry_cleared', node: id }],
    );
    return { type: 'set_key_expiry_ok', node_id: id };
  }
  const expires = parseRfc3339(wanted);
  if (expires === undefined) throw refusal('invalid_argument', 'invalid expires_at: not an RFC 3339 time');
  if (expires <= call.at) throw refusal('invalid_argument', 'expires_at must be in the future');
  if (expires - call.at > TEN_YEARS)
    throw refusal('invalid_argument', 'invalid expires_at: cannot exceed 10 years');
  await recorded(
    call,
    by,
    (store) => store.patchNode(id, { keyExpiresAt: expires }, call.at),
    () => [{ action: 'key.expiry_set', node: id, details: { expires } }],
  );
  return { type: 'set_key_expiry_ok', node_id: id, expires_at: rfc3339(expires) };
};
