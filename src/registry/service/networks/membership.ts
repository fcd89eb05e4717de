/** Coming and going: join, leave, kick. spec/12 §3 */
import type { NodeId } from '../../../base/units.ts';
import { formatAddress } from '../../../wire/address.ts';
import { signedString } from '../../../wire/registry-signatures.ts';
import { sourceOf } from '../../source.ts';
import type { Joined, MemberRole, NetworkRecord } from '../../store/store.ts';
import { actor, recorded } from '../audit/recorded.ts';
import { authenticate } from '../authenticate.ts';
import type { Call, Handler } from '../call.ts';
import { text, u32 } from '../fields.ts';
import { operates } from '../operators/demand.ts';
import { type Refusal, refusal } from '../refusal.ts';
import { BACKBONE, isOurs, networkField, noSuchNetwork, notMember } from './bounds.ts';
import { hashToken } from './create.ts';
import { exprPolicyField } from './expr-policy.ts';
import { acting, actorIn, existing } from './standing.ts';

export const joinNetwork: Handler = async (call) => {
  const { request, shared, at } = call;
  const id = u32(request.node_id);
  const byName = request.network_id === undefined && request.sig !== undefined ? text(request.name) : '';
  const wanted = networkField(call);
  if (wanted === BACKBONE && byName === '') {
    throw refusal('invalid_argument', 'cannot join the backbone network');
  }
  const { proof } = await authenticate(call, id, signedString.joinNetwork(id, wanted), {
    operator: 'networks:write',
    network: wanted,
  });
  const network = byName === '' ? await byNumber(call, id) : await byNameAndToken(call, id, byName);
  const { membersPerNetwork, membershipsPerNode } = shared.config;
  const admission = {
    network: network.id,
    node: id,
    at,
    perNetwork: membersPerNetwork,
    perNode: proof === 'admin' ? Number.MAX_SAFE_INTEGER : membershipsPerNode,
  };
  const outcome = await recorded(
    call,
    actor(call, id, proof),
    (store) => store.joinNetwork(admission),
    (result) => (result === 'joined' ? [{ action: 'network.joined', node: id, network: network.id }] : []),
  );
  if (outcome !== 'joined') throw notJoined(outcome, network.id, id);
  shared.networks.announcer.came(network.id, id);
  return {
    type: 'join_network_ok',
    network_id: network.id,
    address: formatAddress({ network: network.id, node: id }),
    ...exprPolicyField(network.exprPolicy),
    ...(isOurs(call) ? { name: network.name } : {}),
  };
};

async function byNumber(call: Call, node: NodeId): Promise<NetworkRecord> {
  const network = await existing(call, networkField(call));
  if (network.joinRule === 'open') return network;
  // Uninvited, one cannot tell it from a network that is not there.
  if (network.joinRule !== 'token') {
    if (operates(call, 'networks:write', network.id))
      throw refusal('permission_denied', 'invite-only networks require an invitation');
    throw noSuchNetwork(network.id);
  }
  checkAttempts(call, node);
  if (!rightToken(call, network)) {
    spendAttempt(call, node);
    throw refusal('permission_denied', `invalid token for network ${network.id}`);
  }
  return network;
}

/** One answer for a name nobody has, for a network one needs to be invited to, and for a wrong token. */
async function byNameAndToken(call: Call, node: NodeId, name: string): Promise<NetworkRecord> {
  const network = await call.shared.store.networkByName(name);
  if (network?.joinRule === 'open') return network;
  checkAttempts(call, node);
  if (network?.joinRule === 'token' && rightToken(call, network)) return network;
  spendAttempt(call, node);
  throw refusal('not_found', `network "${name}" not found, or not to be joined with this token`);
}

/** Hashes are compared: how long that takes says nothing about the token. */
function rightToken(call: Call, network: NetworkRecord): boolean {
  return network.tokenHash !== '' && hashToken(call, text(call.request.token)) === network.tokenHash;
}

function holders(call: Call, node: NodeId): string[] {
  return [sourceOf(call.remote.host), `node ${node}`];
}
function checkAttempts(call: Call, node: NodeId): void {
  const { networks, clock } = call.shared;
  if (holders(call, node).every((holder) => networks.attempts.has(holder, clock.now()))) return;
  throw refusal('rate_limited', 'rate limited: too many wrong join tokens');
}
function spendAttempt(call: Call, node: NodeId): void {
  const { networks, clock } = call.shared;
  for (const holder of holders(call, node)) networks.attempts.spend(holder, clock.now());
}

/** Why a node did not become a member. */
export function notJoined(outcome: Exclude<Joined, 'joined'>, network: number, node: NodeId): Refusal {
  switch (outcome) {
    case 'already':
      return refusal('already_exists', `node ${node} already in network ${network}`);
    case 'no_network':
      return noSuchNetwork(network);
    case 'full':
      return refusal('rate_limited', 'network membership limit reached', 'ask the owner of the network');
    case 'too_many':
      return refusal(
        'rate_limited',
        `too many networks: node ${node} is in as many as it may`,
        'leave one first',
      );
    default:
      return outcome satisfies never;
  }
}

export const leaveNetwork: Handler = async (call) => {
  const { request, shared } = call;
  const id = u32(request.node_id);
  const network = networkField(call);
  if (network === BACKBONE) throw refusal('invalid_argument', 'cannot leave the backbone network');
  const { proof } = await authenticate(call, id, signedString.leaveNetwork(id, network), {
    operator: 'networks:write',
    network,
  });
  const member = await shared.store.member(network, id);
  if (member === undefined && (await shared.store.network(network))?.joinRule !== 'open') {
    throw noSuchNetwork(network);
  }
  const outcome = await recorded(
    call,
    actor(call, id, proof),
    (store) => store.removeMember(network, id, ['owner']),
    (result) => (result === 'removed' ? [{ action: 'network.left', node: id, network }] : []),
  );
  if (outcome === 'not_member') throw notMember(id, network);
  if (outcome !== 'removed') {
    throw refusal(
      'permission_denied',
      'cannot leave network: owner must transfer ownership first',
      'transfer it to a member, or delete it',
    );
  }
  shared.networks.announcer.went(network, id);
  return { type: 'leave_network_ok', network_id: network };
};

/** Admins remove members; the owner also admins; nobody the owner. */
export const kickMember: Handler = async (call) => {
  const { request, shared } = call;
  const id = networkField(call);
  const target = u32(request.target_node_id);
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot kick from the backbone network');
  const standing = await acting(call, id, ['owner', 'admin'], { enterprise: true });
  const { member } = standing;
  if (member?.node === target) {
    throw refusal('invalid_argument', 'cannot kick yourself', 'leave the network instead');
  }
  const except: readonly MemberRole[] = member?.role === 'admin' ? ['owner', 'admin'] : ['owner'];
  const outcome = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.removeMember(id, target, except),
    (result) => (result === 'removed' ? [{ action: 'member.kicked', target, network: id }] : []),
  );
  if (outcome === 'not_member') throw notMember(target, id);
  if (outcome !== 'removed') {
    throw outcome.role === 'owner'
      ? refusal('permission_denied', 'cannot kick the network owner')
      : refusal(
          'permission_denied',
          'cannot kick an admin: only the owner can',
          'ask the owner of the network',
        );
  }
  shared.networks.announcer.went(id, target);
  return { type: 'kick_member_ok', network_id: id, target_node_id: target };
};
