import { isAdmin } from '../authenticate.ts';
import type { Call, Handler, Reply } from '../call.ts';
import { u32 } from '../fields.ts';
import { networkField } from './bounds.ts';

/** What is written down, in the words of spec/12 §9. Tokens and texts are not part of it. */
const ACTIONS: Readonly<Record<string, string>> = {
  create_network: 'network.created',
  rename_network: 'network.renamed',
  delete_network: 'network.deleted',
  rotate_join_token: 'network.token_rotated',
  join_network: 'network.joined',
  leave_network: 'network.left',
  kick_member: 'member.kicked',
  promote_member: 'member.promoted',
  demote_member: 'member.demoted',
  transfer_ownership: 'network.ownership_transferred',
  set_network_policy: 'network.policy_changed',
  set_expr_policy: 'network.expr_policy_set',
  set_member_tags: 'member_tags.changed',
  invite_to_network: 'invite.created',
  respond_invite: 'invite.responded',
};

/** Writes to the operator's log who changed what, once it is done. */
export function audited(type: string, handler: Handler): Handler {
  const action = ACTIONS[type];
  if (action === undefined) return handler;
  return async (call) => {
    const reply = await handler(call);
    call.shared.log.event('info', 'registry.audit', { action, ...factsOf(call, reply) });
    return reply;
  };
}

function factsOf(call: Call, reply: Reply): Record<string, string | number> {
  const { request } = call;
  const by = u32(request.inviter_id) || u32(request.node_id);
  const target = u32(request.target_node_id) || u32(request.new_owner_id);
  return {
    network: typeof reply.network_id === 'number' ? reply.network_id : networkField(call),
    by: isAdmin(call) ? 'operator' : by,
    ...(isAdmin(call) && by !== 0 ? { node: by } : {}),
    ...(target === 0 ? {} : { target }),
    ...(typeof reply.accepted === 'boolean' ? { accepted: String(reply.accepted) } : {}),
  };
}
