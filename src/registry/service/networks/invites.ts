/** Invitations. A target that does not exist is invited like any other: inviting says nothing about nodes. spec/12 §3.1 */
import { signedString } from '../../../wire/registry-signatures.ts';
import { sourceOf } from '../../source.ts';
import type { Invite, NetworkRecord } from '../../store/store.ts';
import { actor, recorded } from '../audit/recorded.ts';
import { authenticate } from '../authenticate.ts';
import type { Call, Handler, Reply } from '../call.ts';
import { flag, u32 } from '../fields.ts';
import { operates } from '../operators/demand.ts';
import { refusal } from '../refusal.ts';
import { unixSeconds } from '../time.ts';
import { BACKBONE, checkEnterprise, hidden, isOurs, networkField, noSuchNetwork } from './bounds.ts';
import { notJoined } from './membership.ts';
import { existing } from './standing.ts';

export const inviteToNetwork: Handler = async (call) => {
  const { request, shared, at } = call;
  const id = networkField(call);
  const target = u32(request.target_node_id);
  const inviter = u32(request.inviter_id);
  if (target === 0) throw refusal('not_found', 'node 0: node not found');
  if (target === inviter) throw refusal('invalid_argument', 'cannot invite yourself');
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot invite to the backbone network');
  const { proof } = await authenticate(call, inviter, signedString.inviteToNetwork(inviter, id, target), {
    operator: 'networks:write',
    network: id,
  });
  const network = await existing(call, id);
  await checkMayInvite(call, network, inviter);
  checkEnterprise(call, network);
  if (!isOurs(call) && network.joinRule !== 'invite') {
    throw refusal('permission_denied', `network ${id} is not invite-only (rule: ${network.joinRule})`);
  }
  const { invitesPerTarget, invitesPerSource, invitesPerNetwork } = shared.config;
  const invitation = {
    network: id,
    inviter,
    target,
    source: sourceOf(call.remote.host),
    at,
    expiredBefore: at - shared.config.inviteLifetime,
    perTarget: invitesPerTarget,
    perSource: invitesPerSource,
    perNetwork: invitesPerNetwork,
  };
  const outcome = await recorded(
    call,
    actor(call, inviter, proof),
    (store) => store.invite(invitation),
    (result) =>
      result === 'invited' ? [{ action: 'invite.created', node: inviter, target, network: id }] : [],
  );
  switch (outcome) {
    case 'no_network':
      throw noSuchNetwork(id);
    case 'member':
      throw refusal('already_exists', `node ${target} is already a member of network ${id}`);
    case 'full':
      throw refusal(
        'rate_limited',
        `invite inbox full for node ${target}`,
        'try again when invitations were answered',
      );
    case 'invited':
      shared.networks.announcer.invited(id, inviter, target);
      return { type: 'invite_to_network_ok', network_id: id, target_node_id: target };
    case 'already_invited':
      return { type: 'invite_to_network_ok', network_id: id, target_node_id: target, status: outcome };
    default:
      return outcome satisfies never;
  }
};

async function checkMayInvite(call: Call, network: NetworkRecord, inviter: number): Promise<void> {
  if (operates(call, 'networks:write', network.id)) return;
  const member = await call.shared.store.member(network.id, inviter);
  if (member === undefined) {
    throw hidden(network, `inviter ${inviter} is not a member of network ${network.id}`);
  }
  if (member.role === 'member') {
    throw refusal('permission_denied', `rbac: inviter ${inviter} has role "member", requires owner or admin`);
  }
}

/** Reading takes nothing away. */
export const pollInvites: Handler = async (call) => {
  const { request, shared, at } = call;
  const id = u32(request.node_id);
  await authenticate(call, id, signedString.pollInvites(id));
  const { inviteLifetime, invitesPerTarget } = shared.config;
  const invites = await shared.store.invites(id, at - inviteLifetime, invitesPerTarget);
  return { type: 'poll_invites_ok', invites: await Promise.all(invites.map((invite) => row(call, invite))) };
};

async function row(call: Call, { network, inviter, at }: Invite): Promise<Reply> {
  const old = { network_id: network, inviter_id: inviter, timestamp: unixSeconds(at) };
  if (!isOurs(call)) return old;
  const name = (await call.shared.store.network(network))?.name ?? '';
  return { ...old, name, expires: unixSeconds(at + call.shared.config.inviteLifetime) };
}

export const respondInvite: Handler = async (call) => {
  const { request, shared, at } = call;
  const id = u32(request.node_id);
  const network = networkField(call);
  await authenticate(call, id, signedString.respondInvite(id, network));
  const accept = flag(request.accept);
  const { inviteLifetime, membersPerNetwork, membershipsPerNode } = shared.config;
  const expiredBefore = at - inviteLifetime;
  const admission = { network, node: id, at, perNetwork: membersPerNetwork, perNode: membershipsPerNode };
  const outcome = await recorded(
    call,
    `node:${id}`,
    async (store) =>
      accept ? store.acceptInvite(admission, expiredBefore) : store.declineInvite(network, id, expiredBefore),
    (result) =>
      result === 'joined' || result === 'declined'
        ? [{ action: 'invite.responded', node: id, network, details: { accepted: accept } }]
        : [],
  );
  if (outcome === 'no_invite') {
    throw refusal('not_found', `no pending invite for node ${id} to network ${network}`);
  }
  if (outcome === 'expired')
    throw refusal('not_found', `invite for node ${id} to network ${network} has expired`);
  if (outcome === 'joined') shared.networks.announcer.came(network, id);
  else if (outcome !== 'declined') throw notJoined(outcome, network, id);
  return { type: 'respond_invite_ok', accepted: accept, network_id: network };
};
