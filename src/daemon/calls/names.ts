import { PilotError } from '../../api/errors.ts';
import type { NameMethods, Result } from '../../ipc/methods.ts';
import { flagParam, textParam } from '../../ipc/params.ts';
import type { Abort } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { addressText, type FoundNode } from '../targets.ts';
import type { CallContext, Given, Handlers } from './context.ts';

const MAX_TAGS = 3;

/** Who is where, and what we are called. */
export const NAME_CALLS: Handlers<NameMethods> = {
  resolve: async (context, params, signal) =>
    resolved(await context.targets.find(textParam(params, 'target'), signal)),
  find: async (context, params, signal) =>
    resolved(await context.targets.findName(textParam(params, 'hostname').toLowerCase(), signal)),
  set_hostname: async (context, params) => {
    const hostname = textParam(params, 'hostname').toLowerCase();
    await context.own.setHostname(hostname);
    return { hostname, node_id: context.own.nodeId };
  },
  set_visibility: async (context, params) => {
    const isPublic = flagParam(params, 'public');
    await context.own.setVisibility(isPublic);
    return { node_id: context.own.nodeId, visibility: isPublic ? 'public' : 'private' };
  },
  set_tags: async (context, params) => {
    const tags = params.tags;
    if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string') || tags.length > MAX_TAGS) {
      throw new PilotError(
        'invalid_argument',
        `Parameter tags must be a list of at most ${MAX_TAGS} strings`,
      );
    }
    await context.own.setTags(tags);
    return { node_id: context.own.nodeId, tags };
  },
  lookup,
};

function resolved(found: FoundNode): Result<'resolve'> {
  return {
    node_id: found.node,
    address: formatAddress({ network: found.network, node: found.node }),
    hostname: found.hostname,
    public: found.public ?? null,
  };
}

async function lookup(context: CallContext, params: Given, signal: Abort): Promise<Result<'lookup'>> {
  const { node } = await context.targets.find(textParam(params, 'target'), signal);
  const info = await context.registry.lookup(node);
  if (info.hostname !== undefined) context.book.named(node, info.hostname);
  return {
    node_id: info.node,
    address: addressText(info.node),
    hostname: info.hostname ?? '',
    public: info.public,
    public_key: encodeBase64(info.publicKey),
    networks: info.networks,
    tags: info.tags,
    polo_score: info.poloScore,
    ...(info.version !== undefined && { version: info.version }),
    ...(info.endpoint !== undefined && { real_addr: `${info.endpoint.host}:${info.endpoint.port}` }),
    ...(info.online !== undefined && { online: info.online }),
  };
}
