import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { hex, loadVectors } from './codec.testkit.ts';
import { contentSignedBytes, signedString } from './registry-signatures.ts';

interface Request {
  readonly type: string;
  readonly signature?: string;
  readonly node_id: number;
  readonly peer_id: number;
  readonly requester_id: number;
  readonly node_a: number;
  readonly node_b: number;
  readonly from_node_id: number;
  readonly to_node_id: number;
  readonly network_id: number;
  readonly inviter_id: number;
  readonly target_node_id: number;
}

const vectors = loadVectors<{
  ed25519_seed_hex: string;
  public_key_b64: string;
  messages: { name: string; json: string; signed_string?: string; signature_b64?: string }[];
}>('registry-client-frames');
const crypto = nodeCrypto();

/** The signed string of a request as sent, by its type. */
const stringOf: Readonly<Record<string, (request: Request) => string>> = {
  heartbeat: (r) => signedString.heartbeat(r.node_id),
  resolve: (r) => signedString.resolve(r.requester_id, r.node_id),
  punch: (r) => signedString.punch(r.node_a, r.node_b),
  report_trust: (r) => signedString.reportTrust(r.node_id, r.peer_id),
  revoke_trust: (r) => signedString.revokeTrust(r.node_id, r.peer_id),
  request_handshake: (r) => signedString.requestHandshake(r.from_node_id, r.to_node_id),
  respond_handshake: (r) => signedString.respondHandshake(r.node_id, r.peer_id),
  poll_handshakes: (r) => signedString.pollHandshakes(r.node_id),
  set_visibility: (r) => signedString.setVisibility(r.node_id),
  set_hostname: (r) => signedString.setHostname(r.node_id),
  set_tags: (r) => signedString.setTags(r.node_id),
  set_task_exec: (r) => signedString.setTaskExec(r.node_id),
  set_key_expiry: (r) => signedString.setKeyExpiry(r.node_id),
  deregister: (r) => signedString.deregister(r.node_id),
  rotate_key: (r) => signedString.rotateKey(r.node_id),
  join_network: (r) => signedString.joinNetwork(r.node_id, r.network_id),
  leave_network: (r) => signedString.leaveNetwork(r.node_id, r.network_id),
  invite_to_network: (r) => signedString.inviteToNetwork(r.inviter_id, r.network_id, r.target_node_id),
  poll_invites: (r) => signedString.pollInvites(r.node_id),
  respond_invite: (r) => signedString.respondInvite(r.node_id, r.network_id),
};

describe('registry signatures', () => {
  it('of every golden request are produced again from its fields', () => {
    const key = crypto.signingKey(hex(vectors.ed25519_seed_hex));
    assert.equal(encodeBase64(key.publicKey), vectors.public_key_b64);
    const seen = new Set<string>();
    for (const v of vectors.messages) {
      const request = JSON.parse(v.json) as Request;
      if (request.signature === undefined) continue;
      const text = stringOf[request.type]!(request);
      if (v.signed_string !== undefined) assert.equal(text, v.signed_string, v.name);
      const expected = v.signature_b64 ?? request.signature;
      assert.equal(encodeBase64(key.sign(utf8(text))), expected, v.name);
      assert.ok(crypto.verify(key.publicKey, utf8(text), decodeBase64(expected)!));
      seen.add(request.type);
    }
    assert.deepEqual(
      [...seen].sort(),
      Object.keys(stringOf).sort(),
      'every operation that signs has a vector',
    );
  });

  it('over the content cover every field but sig, whatever the order', () => {
    const request = { type: 'heartbeat', node_id: 1, ts: 1_775_000_000_000, nonce: '00'.repeat(16) };
    const expected =
      'pilot-registry-v2\n{"node_id":1,"nonce":"00000000000000000000000000000000","ts":1775000000000,"type":"heartbeat"}';
    assert.equal(fromUtf8(contentSignedBytes(request)), expected);
    assert.equal(fromUtf8(contentSignedBytes({ sig: 'x', ...request })), expected);
    assert.notEqual(fromUtf8(contentSignedBytes({ ...request, public: true })), expected);
  });

  it('over the content are the same for a request and its parsed copy', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (message) => {
        const copy = JSON.parse(JSON.stringify(message)) as object;
        assert.deepEqual(
          contentSignedBytes(copy),
          contentSignedBytes(JSON.parse(JSON.stringify(copy)) as object),
        );
        assert.deepEqual(
          contentSignedBytes({ ...copy, sig: 'abc' }),
          contentSignedBytes({ ...copy, sig: undefined }),
        );
      }),
    );
  });
});
