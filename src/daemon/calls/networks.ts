import { asPilotError, ERRORS, type ErrorCode, PilotError } from '../../api/errors.ts';
import type { NetworkId, NodeId } from '../../base/units.ts';
import type { ListedNetwork } from '../../directory/network-types.ts';
import type { Method, NetworkMethods, NetworkPolicyRow } from '../../ipc/methods.ts';
import { flagParam, intParam, textParam } from '../../ipc/params.ts';
import { formatAddress } from '../../wire/address.ts';
import { canonicalJson, isJsonObject } from '../../wire/json.ts';
import { parsePolicy } from '../../wire/policy/document.ts';
import type { CallContext, Given, Handler, Handlers } from './context.ts';
import { joinRuleParam, memberTags, portsParam, tagsParam } from './network-params.ts';
import { listedRow, memberRow, networkRow } from './network-rows.ts';

const PAGE = 100;
const MAX_PAGE = 200;
/** Pages looked through for a name. */
const NAME_PAGES = 20;

const HANDLERS: Handlers<NetworkMethods> = {
  network_create: async (context, params) => {
    const name = textParam(params, 'name').toLowerCase();
    const joinRule = joinRuleParam(params);
    const policy = params.expr_policy === undefined ? undefined : policyParam(params);
    const made = await context.registry.networks.create({
      name,
      joinRule,
      ...(params.token !== undefined && { token: textParam(params, 'token') }),
      ...(policy !== undefined && policy !== null && { policy: policy.document }),
      ...(params.operator_token !== undefined && { operatorToken: textParam(params, 'operator_token') }),
    });
    await context.networks.agree(made.network);
    return {
      network_id: made.network,
      name: made.name,
      address: ownAddress(context, made.network),
      join_rule: joinRule,
      ...(made.token !== undefined && { token: made.token }),
    };
  },
  network_own: async (context) => {
    if (context.registry.state === 'connected') await context.networks.sync().catch(() => {});
    return { networks: context.networks.own.map((network) => networkRow(network, context.own.nodeId)) };
  },
  network_list: async (context, params) => {
    const { items, cursor } = await context.registry.networks.list(pageParams(params));
    const own = new Set(context.networks.own.map((network) => network.network));
    return {
      networks: items.filter(({ network }) => network !== 0).map((item) => listedRow(item, own)),
      ...(cursor !== undefined && { cursor }),
    };
  },
  network_join: async (context, params) => {
    const text = textParam(params, 'network');
    const id = parseNetworkId(text);
    const { networks } = context.registry;
    const joined = await networks
      .join(id === undefined ? { name: text.toLowerCase() } : { network: id }, textParam(params, 'token', ''))
      .catch(async (thrown: unknown) => {
        // We are in it already, by somebody else's doing: from now on by our user's will, too.
        if (id !== undefined && asPilotError(thrown).code === 'already_exists')
          await context.networks.agree(id);
        throw thrown;
      });
    await context.networks.agree(joined.network);
    return {
      network_id: joined.network,
      name: nameOf(context, joined.network),
      address: formatAddress(joined.address),
    };
  },
  network_leave: async (context, params) => {
    const network = await networkOf(context, params);
    await context.registry.networks.leave(network);
    await context.networks.disagree(network);
    return { network_id: network };
  },
  network_members: async (context, params) => {
    const network = await networkOf(context, params);
    const { items, cursor } = await context.registry.networks.members(network, pageParams(params));
    for (const { node, hostname } of items) if (hostname !== '') context.book.named(node, hostname);
    return {
      network_id: network,
      members: items.map((member) => memberRow(member, network)),
      ...(cursor !== undefined && { cursor }),
    };
  },
  network_invite: about(async ({ registry }, network, node) => ({
    status: await registry.networks.invite(network, node),
  })),
  network_invites: async (context) => {
    const invites = await context.registry.networks.invites();
    return {
      invites: invites.map(({ network, name, inviter, timestamp, expires }) => ({
        network_id: network,
        name,
        inviter_id: inviter,
        inviter: context.book.nameOf(inviter),
        timestamp,
        expires,
      })),
    };
  },
  network_respond: async (context, params) => {
    const text = textParam(params, 'network');
    const accepted = flagParam(params, 'accept');
    const network = parseNetworkId(text) ?? (await invitedTo(context, text));
    await context.registry.networks.respondInvite(network, accepted);
    if (accepted) await context.networks.agree(network);
    return { network_id: network, accepted };
  },
  network_kick: about(async ({ registry }, network, node) => {
    await registry.networks.kick(network, node);
    return { status: 'removed' };
  }),
  network_promote: about(async ({ registry }, network, node) => {
    await registry.networks.promote(network, node);
    return { role: 'admin' };
  }),
  network_demote: about(async ({ registry }, network, node) => {
    await registry.networks.demote(network, node);
    return { role: 'member' };
  }),
  network_transfer: about(async (context, network, node) => {
    await context.registry.networks.transfer(network, node);
    await context.networks.sync();
    return { role: 'owner' };
  }),
  network_rename: async (context, params) => {
    const network = await networkOf(context, params);
    const name = textParam(params, 'name').toLowerCase();
    await context.registry.networks.rename(network, name);
    await context.networks.sync();
    return { network_id: network, name };
  },
  network_delete: async (context, params) => {
    const network = await networkOf(context, params);
    await context.registry.networks.delete(network);
    await context.networks.sync();
    return { network_id: network };
  },
  network_tags: async (context, params) => {
    const network = await networkOf(context, params);
    const node = await memberOf(context, params);
    const { networks } = context.registry;
    const tags = tagsParam(params);
    if (tags === undefined) {
      return { network_id: network, node_id: node, tags: await networks.memberTags(network, node) };
    }
    await networks.setMemberTags(network, node, tags);
    if (node === context.own.nodeId) await context.networks.sync();
    return { network_id: network, node_id: node, tags };
  },
  network_policy: async (context, params) => policyRow(context, await networkOf(context, params)),
  network_set_policy: async (context, params) => {
    const network = await networkOf(context, params);
    const { networks } = context.registry;
    const policy = policyParam(params);
    const ports = portsParam(params);
    const rest = {
      ...(params.max_members !== undefined && { maxMembers: intParam(params, 'max_members', 0, 10_000) }),
      ...(ports !== undefined && { ports }),
      ...(params.description !== undefined && { description: textParam(params, 'description') }),
    };
    if (policy === undefined && Object.keys(rest).length === 0) {
      throw new PilotError('invalid_argument', 'Nothing of the policy is to be changed');
    }
    if (Object.keys(rest).length > 0) await networks.setPolicy(network, rest);
    if (policy !== undefined) await networks.setExprPolicy(network, policy?.document);
    await context.networks.sync();
    return { ...(await policyRow(context, network)), notes: policy?.notes ?? [] };
  },
  network_peer: about(async (context, network, node) => {
    const { shared } = await context.networks.relation(node);
    const found = shared.find((entry) => entry.network === network);
    if (found === undefined)
      throw new PilotError('not_found', `Node ${node} is not a member of network ${network}`);
    return { tags: found.tags, role: found.role as 'member', since: found.since };
  }),
  network_rotate_token: async (context, params) => {
    const network = await networkOf(context, params);
    const token = params.token === undefined ? undefined : textParam(params, 'token');
    return { network_id: network, token: await context.registry.networks.rotateJoinToken(network, token) };
  },
};

/** Hints of the catalogue are about nodes and trust. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  not_found: 'see: pilotctl network list, pilotctl network members <network>',
  permission_denied: 'see your role: pilotctl network list',
};

/** Networks: those of which we are a member, and how to become one. */
export const NETWORK_CALLS: Handlers<NetworkMethods> = withHints(HANDLERS);

function withHints(handlers: Handlers<NetworkMethods>): Handlers<NetworkMethods> {
  const hinted = Object.entries(handlers).map(([method, handler]) => {
    const act = handler as Handler<Method>;
    const call: Handler<Method> = async (context, params, signal) => {
      try {
        return await act(context, params, signal);
      } catch (thrown) {
        const { code, message, hint } = asPilotError(thrown);
        const better = hint === ERRORS[code].hint ? HINTS[code] : undefined;
        throw better === undefined ? thrown : new PilotError(code, message, { hint: better, cause: thrown });
      }
    };
    return [method, call];
  });
  return Object.fromEntries(hinted);
}

/** A call about a member, or a node that is to become one. */
function about<Result extends object>(
  act: (context: CallContext, network: NetworkId, node: NodeId) => Promise<Result>,
): (context: CallContext, params: Given) => Promise<Result & { network_id: number; node_id: number }> {
  return async (context, params) => {
    const network = await networkOf(context, params);
    const node = await memberOf(context, params);
    return { network_id: network, node_id: node, ...(await act(context, network, node)) };
  };
}

async function memberOf(context: CallContext, params: Given): Promise<NodeId> {
  return (await context.targets.find(textParam(params, 'target'))).node;
}

function parseNetworkId(text: string): NetworkId | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 1 || id > 0xffff) throw new PilotError('invalid_argument', `There can be no network ${text}`);
  return id;
}

/** Networks are named by number or name: ours first, then those that the registry lists. */
async function networkOf(context: CallContext, params: Given): Promise<NetworkId> {
  const text = textParam(params, 'network');
  const id = parseNetworkId(text);
  if (id !== undefined) return id;
  const name = text.toLowerCase();
  const own = (): NetworkId | undefined =>
    context.networks.own.find((network) => network.name === name)?.network;
  const known = own();
  if (known !== undefined) return known;
  await context.networks.sync();
  const learnt = own() ?? (await listedAs(context, name));
  if (learnt !== undefined) return learnt;
  throw new PilotError('not_found', `There is no network "${text}" here`, {
    hint: 'see: pilotctl network list',
  });
}

async function listedAs(context: CallContext, name: string): Promise<NetworkId | undefined> {
  let after: number | undefined = 0;
  for (let pages = 0; after !== undefined && pages < NAME_PAGES; pages++) {
    const page: { items: readonly ListedNetwork[]; cursor?: number } = await context.registry.networks.list({
      after,
      limit: MAX_PAGE,
    });
    const found = page.items.find((item) => item.name === name);
    if (found !== undefined) return found.network;
    after = page.cursor;
  }
  return undefined;
}

async function invitedTo(context: CallContext, name: string): Promise<NetworkId> {
  const invites = await context.registry.networks.invites();
  const found = invites.find((invite) => invite.name === name.toLowerCase());
  if (found !== undefined) return found.network;
  throw new PilotError('not_found', `There is no invitation to "${name}"`, {
    hint: 'see: pilotctl network invites',
  });
}

function nameOf(context: CallContext, network: NetworkId): string {
  return context.networks.own.find((own) => own.network === network)?.name ?? '';
}

function ownAddress({ own }: CallContext, network: NetworkId): string {
  return formatAddress({ network, node: own.nodeId });
}

async function policyRow(context: CallContext, network: NetworkId): Promise<NetworkPolicyRow> {
  const { networks } = context.registry;
  const [policy, document] = await Promise.all([networks.policy(network), networks.exprPolicy(network)]);
  return {
    network_id: network,
    name: nameOf(context, network),
    allowed_ports: policy.ports,
    max_members: policy.maxMembers,
    description: policy.description,
    expr_policy: document ?? null,
    tags: context.networks.own.find((own) => own.network === network)?.tags ?? [],
  };
}

/** Undefined when it stays, null when it goes. Errors: `invalid_argument` when members would not understand it. */
function policyParam(
  params: Given,
): { readonly document: object; readonly notes: readonly string[] } | null | undefined {
  const document = params.expr_policy;
  if (document === undefined || document === null) return document;
  if (!isJsonObject(document)) {
    throw new PilotError('invalid_argument', 'Parameter expr_policy must be an object or null');
  }
  const parsed = parsePolicy(canonicalJson(document));
  if ('error' in parsed) {
    throw new PilotError('invalid_argument', `Cannot use this policy: ${parsed.at}: ${parsed.error}`, {
      hint: 'try it with: pilotctl network test-policy --file FILE',
    });
  }
  return { document, notes: parsed.notes };
}

function pageParams(params: Given): { after: number; limit: number } {
  return {
    after: intParam(params, 'after', 0, 0xffff_ffff, 0),
    limit: intParam(params, 'limit', 1, MAX_PAGE, PAGE),
  };
}

/** The sub-commands of spec/20 §7, and those of §8 about policies and member tags: mostly the registry's own requests. */
export async function networkCall(context: CallContext, params: Given): Promise<object> {
  const network_id = params.network;
  const node_id = context.own.nodeId;
  const ask = (type: string, fields: object, signed = true): Promise<object> =>
    context.registry.call(type, fields, { signed });
  const change = async (type: string, fields: object): Promise<object> => {
    const reply = await ask(type, fields);
    context.networks.refresh();
    return reply;
  };
  const agreed = async (reply: object): Promise<object> => {
    if (typeof network_id === 'number') await context.networks.agree(network_id);
    return reply;
  };
  switch (params.sub) {
    case 'list':
      return ask('list_networks', {}, false);
    case 'join':
      return agreed(await ask('join_network', { node_id, network_id, token: params.token }));
    case 'leave':
      return change('leave_network', { node_id, network_id });
    case 'members':
      return ask('list_nodes', { node_id, network_id });
    case 'invite':
      return ask('invite_to_network', { inviter_id: node_id, network_id, target_node_id: params.target });
    case 'pollInvites':
      return ask('poll_invites', { node_id });
    case 'respondInvite': {
      const reply = await change('respond_invite', { node_id, network_id, accept: params.accept });
      return params.accept === true ? agreed(reply) : reply;
    }
    case 'policyGet': {
      const policy = context.networks.own.find((own) => own.network === network_id)?.policy;
      const engine = policy === undefined ? { engine: 'none' } : { engine: 'policy', expr_policy: policy };
      return { type: 'managed_policy_ok', network_id, ...engine };
    }
    case 'memberTagsGet':
      return ask('get_member_tags', { node_id, network_id, target_node_id: params.node });
    case 'memberTagsSet':
      return change('set_member_tags', {
        node_id,
        network_id,
        target_node_id: params.node,
        tags: memberTags(textParam(params, 'tags')),
      });
    default:
      throw new PilotError('invalid_argument', `Unknown network command: ${String(params.sub)}`);
  }
}
