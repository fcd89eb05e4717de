import { PilotError } from '../../api/errors.ts';
import type { NetworkMethods } from '../../ipc/methods.ts';
import type { CallContext, Given, Handlers } from './context.ts';

/** Networks of which we are a member. */
export const NETWORK_CALLS: Handlers<NetworkMethods> = {};

/** The network sub-commands of spec/20 §7 are the registry's own requests. */
export async function networkCall(context: CallContext, params: Given): Promise<object> {
  const network_id = params.network;
  const node_id = context.own.nodeId;
  const ask = (type: string, fields: object, signed = true): Promise<object> =>
    context.registry.call(type, fields, { signed });
  switch (params.sub) {
    case 'list':
      return ask('list_networks', {}, false);
    case 'join':
      return ask('join_network', { node_id, network_id, token: params.token });
    case 'leave':
      return ask('leave_network', { node_id, network_id });
    case 'members':
      return ask('list_nodes', { node_id, network_id });
    case 'invite':
      return ask('invite_to_network', { inviter_id: node_id, network_id, target_node_id: params.target });
    case 'pollInvites':
      return ask('poll_invites', { node_id });
    case 'respondInvite':
      return ask('respond_invite', { node_id, network_id, accept: params.accept });
    default:
      throw new PilotError('invalid_argument', `Unknown network command: ${String(params.sub)}`);
  }
}
