/** Networks: everything of spec/12 that is not marked "enterprise", and invitations and roles for all of them. */
import type { Handler } from '../call.ts';
import { createNetwork, deleteNetwork, renameNetwork, rotateJoinToken } from './create.ts';
import { getExprPolicy, setExprPolicy } from './expr-policy.ts';
import { inviteToNetwork, pollInvites, respondInvite } from './invites.ts';
import { listNetworks, listNodes, myNetworks, relation } from './lists.ts';
import { getMemberTags, setMemberTags } from './member-tags.ts';
import { joinNetwork, kickMember, leaveNetwork } from './membership.ts';
import { getNetworkPolicy, setNetworkPolicy } from './policy.ts';
import { demoteMember, getMemberRole, promoteMember, transferOwnership } from './roles.ts';

export const NETWORK_HANDLERS: readonly (readonly [string, Handler])[] = [
  ['create_network', createNetwork],
  ['rename_network', renameNetwork],
  ['delete_network', deleteNetwork],
  ['rotate_join_token', rotateJoinToken],
  ['join_network', joinNetwork],
  ['leave_network', leaveNetwork],
  ['kick_member', kickMember],
  ['invite_to_network', inviteToNetwork],
  ['poll_invites', pollInvites],
  ['respond_invite', respondInvite],
  ['promote_member', promoteMember],
  ['demote_member', demoteMember],
  ['transfer_ownership', transferOwnership],
  ['get_member_role', getMemberRole],
  ['get_network_policy', getNetworkPolicy],
  ['set_network_policy', setNetworkPolicy],
  ['get_expr_policy', getExprPolicy],
  ['set_expr_policy', setExprPolicy],
  ['get_member_tags', getMemberTags],
  ['set_member_tags', setMemberTags],
  ['list_networks', listNetworks],
  ['list_nodes', listNodes],
  ['my_networks', myNetworks],
  ['relation', relation],
];
