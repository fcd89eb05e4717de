import { PilotError } from '../../api/errors.ts';
import type { NameMethods, Result } from '../../ipc/methods.ts';
import { flagParam, textParam } from '../../ipc/params.ts';
import { formatAddress } from '../../wire/address.ts';
import type { FoundNode } from '../targets.ts';
import type { Handlers } from './context.ts';
import { addService, findNodes, removeService } from './discovery.ts';
import { lookup } from './lookup.ts';

const MAX_TAGS = 3;

/** Who is where, and what we are called. */
export const NAME_CALLS: Handlers<NameMethods> = {
  resolve: async (context, params, signal) =>
    resolved(await context.targets.find(textParam(params, 'target'), signal)),
  find: async (context, params, signal) => {
    const hostname = textParam(params, 'hostname').toLowerCase();
    const { targets } = context;
    return resolved(
      await (hostname.includes('#') ? targets.find(hostname, signal) : targets.findName(hostname, signal)),
    );
  },
  find_nodes: findNodes,
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
  add_service: addService,
  remove_service: removeService,
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
