/** Who may do what in a network: owner, admins, members. spec/12 §3.2 */
import type { NetworkId, NodeId } from '../../../base/units.ts';
import type { MemberRole } from '../../store/store.ts';
import { recorded } from '../audit/recorded.ts';
import type { Call, Handler } from '../call.ts';
import { u32 } from '../fields.ts';
import { refusal } from '../refusal.ts';
import { BACKBONE, networkField, notMember } from './bounds.ts';
import { acting, actorIn, readable } from './standing.ts';

export const promoteMember: Handler = async (call) => {
  const { network, target } = await change(call, 'member', 'admin', (role, node) =>
    role === 'owner' ? 'cannot promote the owner' : `node ${node} is already an admin`,
  );
  return { type: 'promote_member_ok', network_id: network, target_node_id: target, role: 'admin' };
};

export const demoteMember: Handler = async (call) => {
  const { network, target } = await change(call, 'admin', 'member', (role, node) =>
    role === 'owner' ? 'cannot demote the owner' : `node ${node} is already a member`,
  );
  return { type: 'demote_member_ok', network_id: network, target_node_id: target, role: 'member' };
};

async function change(
  call: Call,
  from: MemberRole,
  to: MemberRole,
  otherwise: (role: MemberRole, node: NodeId) => string,
): Promise<{ network: NetworkId; target: NodeId }> {
  const network = networkField(call);
  const target = u32(call.request.target_node_id);
  if (network === BACKBONE) throw refusal('invalid_argument', 'cannot change roles in the backbone network');
  const standing = await acting(call, network, ['owner'], { enterprise: true });
  const outcome = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.changeRole(network, target, from, to),
    (result) =>
      result === 'changed'
        ? [{ action: to === 'admin' ? 'member.promoted' : 'member.demoted', target, network }]
        : [],
  );
  if (outcome === 'not_member') throw notMember(target, network);
  if (outcome !== 'changed') {
    const code = outcome.role === 'owner' ? 'permission_denied' : 'already_exists';
    throw refusal(code, otherwise(outcome.role, target));
  }
  call.shared.networks.announcer.stands(network, target);
  return { network, target };
}

/** By the owner, who becomes an admin, or by the operator: a network without an owner is given to a member by nobody else. */
export const transferOwnership: Handler = async (call) => {
  const { request, shared } = call;
  const id = networkField(call);
  const heir = u32(request.new_owner_id);
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot transfer the backbone network');
  if (heir === 0) throw refusal('invalid_argument', 'new_owner_id is required');
  const standing = await acting(call, id, ['owner'], { enterprise: true });
  const owner = standing.member?.node ?? (await shared.store.owner(id));
  if ((await shared.store.member(id, heir)) === undefined) throw notMember(heir, id);
  if (owner === heir) throw refusal('already_exists', `node ${heir} is already the owner`);
  const outcome = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.transferNetwork(id, owner, heir, shared.config.networksPerNode),
    (result) =>
      result === 'transferred'
        ? [
            {
              action: 'network.ownership_transferred',
              target: heir,
              network: id,
              details: { before: owner ?? 0 },
            },
          ]
        : [],
  );
  switch (outcome) {
    case 'not_member':
      throw notMember(heir, id);
    case 'not_owner':
      throw refusal('permission_denied', `network ${id} has another owner now`);
    case 'too_many':
      throw refusal('rate_limited', `too many networks: node ${heir} owns as many as it may`);
    case 'transferred':
      break;
    default:
      outcome satisfies never;
  }
  for (const node of [owner, heir]) if (node !== undefined) shared.networks.announcer.stands(id, node);
  return { type: 'transfer_ownership_ok', network_id: id, old_owner: owner ?? 0, new_owner: heir };
};

export const getMemberRole: Handler = async (call) => {
  const id = networkField(call);
  const target = u32(call.request.target_node_id);
  await readable(call, id);
  const member = await call.shared.store.member(id, target);
  if (member === undefined) throw notMember(target, id);
  return { type: 'get_member_role_ok', network_id: id, target_node_id: target, role: member.role };
};
