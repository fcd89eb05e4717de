/** Making, renaming and deleting networks. spec/12 §3 */
import { toHex, utf8 } from '../../../base/bytes.ts';
import { sourceOf } from '../../source.ts';
import type { NodeRecord } from '../../store/store.ts';
import { actor, recorded } from '../audit/recorded.ts';
import { authenticate } from '../authenticate.ts';
import type { Call, Handler } from '../call.ts';
import { text, u32 } from '../fields.ts';
import { operates } from '../operators/demand.ts';
import { refusal } from '../refusal.ts';
import {
  BACKBONE,
  checkMayTakeName,
  checkName,
  isOurs,
  nameTaken,
  networkField,
  noSuchNetwork,
} from './bounds.ts';
import { exprPolicyText } from './expr-policy.ts';
import { acting, actorIn } from './standing.ts';

const LAST_NETWORK = 0xffff;
const MAX_TOKEN = 256;
const JOIN_RULES: readonly string[] = ['open', 'token', 'invite'];

/** By the operator, or by any node that proved its key, where the operator lets them. */
export const createNetwork: Handler = async (call) => {
  const { request, shared, at } = call;
  const creator = await creatorOf(call);
  const byOperator = operates(call, 'networks:write');
  const name = text(request.name);
  checkName(name);
  const joinRule = text(request.join_rule) === '' ? 'open' : text(request.join_rule);
  const enterprise = request.enterprise === true;
  if (enterprise && !byOperator) {
    throw refusal('permission_denied', 'enterprise feature: only the operator makes enterprise networks');
  }
  if (joinRule === 'invite' && !enterprise && !isOurs(call)) {
    throw refusal('unavailable', 'enterprise feature: invite-only networks require the enterprise flag');
  }
  if (!JOIN_RULES.includes(joinRule)) {
    throw refusal('invalid_argument', 'invalid join_rule: open, token or invite');
  }
  if (request.rules !== undefined) {
    throw refusal('unavailable', 'enterprise feature: managed rules are not offered by this registry');
  }
  if (text(request.network_admin_token) !== '') {
    throw refusal(
      'unavailable',
      'enterprise feature: tokens of one network are not offered by this registry',
      'give the role of admin instead',
    );
  }
  const exprPolicy = request.expr_policy === undefined ? '' : exprPolicyText(request.expr_policy);
  const token = joinRule === 'token' ? joinToken(call, text(request.token)) : undefined;
  checkMayTakeName(call);
  if (!byOperator) spendCreation(call);
  const { networksPerNode, membershipsPerNode, networkIdsKept } = shared.config;
  const wanted = {
    name,
    joinRule,
    tokenHash: token === undefined ? '' : hashToken(call, token.value),
    enterprise,
    exprPolicy,
    creator: creator.id,
    at,
    perOwner: byOperator ? LAST_NETWORK : networksPerNode,
    perNode: byOperator ? LAST_NETWORK : membershipsPerNode,
    lastId: byOperator ? LAST_NETWORK : LAST_NETWORK - networkIdsKept,
  };
  const made = await recorded(
    call,
    actor(call, creator.id, byOperator ? 'admin' : ''),
    (store) => store.createNetwork(wanted),
    (result) =>
      typeof result === 'string'
        ? []
        : [
            {
              action: 'network.created',
              node: creator.id,
              network: result.id,
              details: { name, join_rule: joinRule },
            },
          ],
  );
  if (made === 'exists') throw nameTaken(call, name);
  if (made === 'exhausted') throw refusal('unavailable', 'network ID space exhausted (max 65535 networks)');
  if (made === 'too_many') {
    throw refusal(
      'rate_limited',
      `too many networks: node ${creator.id} owns ${networksPerNode}, or is in ${membershipsPerNode}`,
      'delete or leave a network first',
    );
  }
  shared.networks.announcer.changedFor(creator.id, made.id);
  return {
    type: 'create_network_ok',
    network_id: made.id,
    name,
    enterprise,
    ...(token?.generated === true ? { token: token.value } : {}),
  };
};

function spendCreation({ shared, remote }: Call): void {
  const { networks, clock } = shared;
  if (!networks.creations.spend(sourceOf(remote.host), clock.now())) {
    throw refusal('rate_limited', 'rate limited: too many new networks from this network address');
  }
  if (!networks.allCreations.spend('all', clock.now())) {
    throw refusal('rate_limited', 'rate limited: too many new networks', 'try again later');
  }
}

async function creatorOf(call: Call): Promise<NodeRecord> {
  const { request, shared } = call;
  const id = u32(request.node_id);
  if (request.sig !== undefined) {
    const { node } = await authenticate(call, id, '');
    if (operates(call, 'networks:write')) return node;
    if (shared.config.networkCreation === 'operator') {
      throw refusal(
        'permission_denied',
        'network creation is disabled: only the operator makes networks here',
      );
    }
    if (!node.proven)
      throw refusal('permission_denied', 'network creation requires a registration with proof');
    return node;
  }
  if (call.operator === undefined && shared.config.adminToken === '')
    throw refusal('permission_denied', 'network creation is disabled');
  if (!operates(call, 'networks:write')) throw refusal('permission_denied', 'invalid admin token');
  const node = await shared.store.node(id);
  if (!node?.registered) throw refusal('not_found', `node ${id} not registered`);
  return node;
}

export const renameNetwork: Handler = async (call) => {
  const id = networkField(call);
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot rename the backbone network');
  const standing = await acting(call, id, ['owner', 'admin']);
  const name = text(call.request.name);
  checkName(name);
  checkMayTakeName(call);
  const before = standing.network.name;
  const outcome = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.renameNetwork(id, name),
    (result) =>
      result === 'renamed' && name !== before
        ? [{ action: 'network.renamed', network: id, details: { name, before } }]
        : [],
  );
  if (outcome === 'no_network') throw noSuchNetwork(id);
  if (outcome === 'exists') throw nameTaken(call, name);
  call.shared.networks.announcer.changed(id);
  return { type: 'rename_network_ok', network_id: id, name };
};

export const deleteNetwork: Handler = async (call) => {
  const id = networkField(call);
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot delete the backbone network');
  const standing = await acting(call, id, ['owner']);
  const { announcer } = call.shared.networks;
  const members = await announcer.membersToTell(id);
  const deleted = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.deleteNetwork(id),
    (done) =>
      done ? [{ action: 'network.deleted', network: id, details: { name: standing.network.name } }] : [],
  );
  if (!deleted) throw noSuchNetwork(id);
  announcer.gone(id, members);
  return { type: 'delete_network_ok', network_id: id };
};

/** The old one ceases to work at once; who is a member stays one. */
export const rotateJoinToken: Handler = async (call) => {
  const id = networkField(call);
  const standing = await acting(call, id, ['owner', 'admin']);
  const { network } = standing;
  if (network.joinRule !== 'token') {
    throw refusal('invalid_argument', `network ${id} cannot have a join token (rule: ${network.joinRule})`);
  }
  const { value } = joinToken(call, text(call.request.token));
  const changed = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.patchNetwork(id, { tokenHash: hashToken(call, value) }),
    (result) => (result === 'no_network' ? [] : [{ action: 'network.token_rotated', network: id }]),
  );
  if (changed === 'no_network') throw noSuchNetwork(id);
  return { type: 'rotate_join_token_ok', network_id: id, token: value };
};

/** The given token, or one that nobody guesses: an empty one would let everybody in. */
function joinToken(call: Call, given: string): { readonly value: string; readonly generated: boolean } {
  if (given.length > MAX_TOKEN) throw refusal('too_large', `token too long (max ${MAX_TOKEN} chars)`);
  if (given !== '') return { value: given, generated: false };
  return { value: toHex(call.shared.random.bytes(16)), generated: true };
}

export function hashToken(call: Call, token: string): string {
  return toHex(call.shared.crypto.sha256(utf8(token)));
}
