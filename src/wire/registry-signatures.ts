/** What registry requests sign: the old challenge strings, and our signature over the whole content. spec/10 §3 */
import { utf8 } from '../base/bytes.ts';
import type { NetworkId, NodeId } from '../base/units.ts';
import { canonicalJson, type JsonObject } from './json.ts';

/**
 * The ASCII string an old request signs with the node's identity key, by operation. It covers neither the payload
 * nor the time; our own requests add `sig` over `contentSignedBytes`.
 */
export const signedString = {
  heartbeat: (node: NodeId) => `heartbeat:${node}`,
  resolve: (requester: NodeId, target: NodeId) => `resolve:${requester}:${target}`,
  punch: (nodeA: NodeId, nodeB: NodeId) => `punch:${nodeA}:${nodeB}`,
  reportTrust: (node: NodeId, peer: NodeId) => `report_trust:${node}:${peer}`,
  revokeTrust: (node: NodeId, peer: NodeId) => `revoke_trust:${node}:${peer}`,
  requestHandshake: (from: NodeId, to: NodeId) => `handshake:${from}:${to}`,
  respondHandshake: (node: NodeId, peer: NodeId) => `respond:${node}:${peer}`,
  pollHandshakes: (node: NodeId) => `poll_handshakes:${node}`,
  setVisibility: (node: NodeId) => `set_visibility:${node}`,
  setHostname: (node: NodeId) => `set_hostname:${node}`,
  setTags: (node: NodeId) => `set_tags:${node}`,
  setTaskExec: (node: NodeId) => `set_task_exec:${node}`,
  setKeyExpiry: (node: NodeId) => `set_key_expiry:${node}`,
  deregister: (node: NodeId) => `deregister:${node}`,
  rotateKey: (node: NodeId) => `rotate:${node}`,
  joinNetwork: (node: NodeId, network: NetworkId) => `join_network:${node}:${network}`,
  leaveNetwork: (node: NodeId, network: NetworkId) => `leave_network:${node}:${network}`,
  inviteToNetwork: (inviter: NodeId, network: NetworkId, target: NodeId) =>
    `invite:${inviter}:${network}:${target}`,
  pollInvites: (node: NodeId) => `poll_invites:${node}`,
  respondInvite: (node: NodeId, network: NetworkId) => `respond_invite:${node}:${network}`,
} as const;

const CONTENT_PREFIX = 'pilot-registry-v2\n';

/**
 * What `sig` covers: ASCII `pilot-registry-v2\n` ‖ canonical JSON of the request without `sig`. The request carries
 * `ts` (unix ms) and `nonce` (hex of 16 bytes), so that a captured request can't be sent again or changed.
 */
export function contentSignedBytes(message: object): Uint8Array {
  return utf8(CONTENT_PREFIX + canonicalJson({ ...(message as JsonObject), sig: undefined }));
}
