/** Requests about a node's key. spec/10 §5.1 */
import { formatAddress } from '../../wire/address.ts';
import { decodeBase64, encodeBase64 } from '../../wire/base64.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { authenticate } from './authenticate.ts';
import { type Handler, liveNode } from './call.ts';
import { text, u32 } from './fields.ts';
import { refusal } from './refusal.ts';
import { keyAgeDays, parseRfc3339, rfc3339 } from './time.ts';

const TEN_YEARS = 10 * 366 * 24 * 60 * 60 * 1000;

/** Replaces the key, signed by the old one. For nodes that sign whole requests the new key is covered too. */
export const rotateKey: Handler = async (call) => {
  const id = u32(call.request.node_id);
  await authenticate(call, id, signedString.rotateKey(id), {
    texts: {
      missing: 'rotate_key requires a valid signature',
      wrong: 'rotate_key requires a valid signature',
    },
  });
  const keyText = text(call.request.new_public_key);
  if (keyText === '') throw refusal('invalid_argument', 'rotate_key requires new_public_key');
  const publicKey = decodeBase64(keyText);
  if (publicKey === undefined || publicKey.length !== 32) {
    throw refusal(
      'invalid_argument',
      `invalid new_public_key: ${publicKey === undefined ? 'illegal base64 data' : `invalid public key size: ${publicKey.length}`}`,
    );
  }
  const node = await call.shared.store.rotateKey(id, publicKey, call.at);
  if (node === 'no_node') throw refusal('not_found', `node ${id}: node not found`);
  if (node === 'key_in_use') throw refusal('already_exists', 'invalid new_public_key: already registered');
  call.shared.subscribers.dropNode(id);
  return {
    type: 'rotate_key_ok',
    node_id: id,
    address: formatAddress({ network: 0, node: id }),
    public_key: encodeBase64(node.publicKey),
  };
};

export const getKeyInfo: Handler = async (call) => {
  const node = await liveNode(call, u32(call.request.node_id));
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
  await authenticate(call, id, signedString.setKeyExpiry(id), { admin: true });
  const wanted = text(call.request.expires_at);
  if (wanted === '' || wanted === 'never') {
    await call.shared.store.patchNode(id, { keyExpiresAt: null }, call.at);
    return { type: 'set_key_expiry_ok', node_id: id };
  }
  const expires = parseRfc3339(wanted);
  if (expires === undefined) throw refusal('invalid_argument', 'invalid expires_at: not an RFC 3339 time');
  if (expires <= call.at) throw refusal('invalid_argument', 'expires_at must be in the future');
  if (expires - call.at > TEN_YEARS)
    throw refusal('invalid_argument', 'invalid expires_at: cannot exceed 10 years');
  await call.shared.store.patchNode(id, { keyExpiresAt: expires }, call.at);
  return { type: 'set_key_expiry_ok', node_id: id, expires_at: rfc3339(expires) };
};
