/**
 * On whose behalf a request about a network is made. An id that is merely stated is nobody: acting needs a signature
 * over the whole request, or the operator's token. spec/12 §2
 */
import type { NetworkId, NodeId } from '../../../base/units.ts';
import type { MemberRole, NetworkMember, NetworkRecord, NodeRecord } from '../../store/store.ts';
import { authenticate } from '../authenticate.ts';
import type { Call } from '../call.ts';
import { u32 } from '../fields.ts';
import { operates } from '../operators/demand.ts';
import { viewersOf } from '../privacy.ts';
import { refusal } from '../refusal.ts';
import { checkEnterprise, hidden, noSuchNetwork } from './bounds.ts';

export interface Acting {
  readonly network: NetworkRecord;
  /** Undefined: the operator. */
  readonly member: NetworkMember | undefined;
}

/** The network and who acts in it, with one of `roles`. Throws before anything of the network is told. */
export async function acting(
  call: Call,
  id: NetworkId,
  roles: readonly MemberRole[],
  options: { readonly enterprise?: boolean; readonly read?: boolean } = {},
): Promise<Acting> {
  const operating = operates(call, options.read === true ? 'networks:read' : 'networks:write', id);
  if (call.request.sig === undefined && !operating) {
    throw refusal(
      'permission_denied',
      'signature required: a role is not taken from a node id that is only stated',
      'sign the whole request: send sig, ts and nonce',
    );
  }
  const node = call.request.sig === undefined ? undefined : await signer(call);
  const network = await existing(call, id);
  if (operating) {
    if (options.enterprise === true) checkEnterprise(call, network);
    return { network, member: undefined };
  }
  const member = await call.shared.store.member(id, node!.id);
  if (member === undefined) throw hidden(network, `rbac: node ${node!.id} has no role in network ${id}`);
  if (!roles.includes(member.role)) {
    throw refusal(
      'permission_denied',
      `rbac: node ${member.node} has role "${member.role}", requires one of [${roles.join(' ')}]`,
      'ask the owner of the network',
    );
  }
  return { network, member };
}

/** Who acts, as in audit entries. */
export function actorIn(call: Call, { member }: Acting): string {
  return member === undefined ? (call.operator?.name ?? '') : `node:${member.node}`;
}

/** The network, for its members and the operator; old daemons are known by the connection they registered on. */
export async function readable(call: Call, id: NetworkId): Promise<NetworkRecord> {
  const viewers = call.request.sig === undefined ? undefined : [await signer(call)];
  const network = await existing(call, id);
  if (operates(call, 'networks:read', id)) return network;
  for (const viewer of viewers ?? (await viewersOf(call))) {
    if ((await call.shared.store.member(id, viewer.id)) !== undefined) return network;
  }
  throw hidden(network, `not a member of network ${id}`);
}

/** The node a request of ours is signed by, or that its connection was proved for. */
export async function ourselves(call: Call): Promise<NodeRecord> {
  const id = u32(call.request.node_id);
  if (call.request.sig === undefined && !call.connection.identities().includes(id)) {
    throw refusal('permission_denied', 'signature required for authenticated node');
  }
  return (await authenticate(call, id, `${String(call.request.type)}:${id}`, { connection: true })).node;
}

/** The networks of a node: all for itself and the operator, for others those they share with it. */
export async function visibleNetworks(
  call: Call,
  viewers: readonly NodeRecord[],
  id: NodeId,
): Promise<NetworkId[]> {
  const { store } = call.shared;
  if (operates(call, 'networks:read') || viewers.some((viewer) => viewer.id === id))
    return store.networksOf(id);
  const shared = await Promise.all(viewers.map((viewer) => store.sharedNetworks(viewer.id, id)));
  return [...new Set(shared.flat().map(({ network }) => network))].sort((a, b) => a - b);
}

export async function existing(call: Call, id: NetworkId): Promise<NetworkRecord> {
  const network = await call.shared.store.network(id);
  if (network === undefined) throw noSuchNetwork(id);
  return network;
}

/** Only for requests that carry `sig`. */
async function signer(call: Call): Promise<NodeRecord> {
  const id: NodeId = u32(call.request.node_id);
  return (await authenticate(call, id, '')).node;
}
