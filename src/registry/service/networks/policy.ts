/** What holds for all members: how many, on which ports, and what it is for. spec/12 §3, §4 */
import type { NetworkPatch, NetworkRecord } from '../../store/store.ts';
import { type Recorded, recorded } from '../audit/recorded.ts';
import type { Handler, Reply } from '../call.ts';
import type { Fields } from '../fields.ts';
import { refusal } from '../refusal.ts';
import { BACKBONE, networkField, noSuchNetwork } from './bounds.ts';
import { acting, actorIn, readable } from './standing.ts';

const MAX_PORTS = 100;
const MAX_MEMBERS = 10_000;
const MAX_DESCRIPTION = 256;

/** Old daemons ask for the backbone's at every start: nothing is restricted there. */
export const getNetworkPolicy: Handler = async (call) => {
  const id = networkField(call);
  const network = id === BACKBONE ? undefined : await readable(call, id);
  return {
    type: 'get_network_policy_ok',
    network_id: id,
    max_members: network?.maxMembers ?? 0,
    allowed_ports: network?.ports ?? [],
    description: network?.description ?? '',
  };
};

export const setNetworkPolicy: Handler = async (call) => {
  const id = networkField(call);
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot set a policy of the backbone network');
  const standing = await acting(call, id, ['owner', 'admin'], { enterprise: true });
  const { network } = standing;
  const patch = patchOf(call.request);
  const changed = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.patchNetwork(id, patch),
    (result) => (typeof result === 'object' && 'id' in result ? policyChange(network, result) : []),
  );
  if (changed === 'no_network') throw noSuchNetwork(id);
  if (!('id' in changed)) {
    const text = `cannot set max_members to ${patch.maxMembers}: network already has ${changed.members} members`;
    throw refusal('invalid_argument', text);
  }
  if (differs(network, changed)) call.shared.networks.announcer.changed(id);
  return { type: 'set_network_policy_ok', network_id: id, ...policyFields(changed) };
};

function policyChange(before: NetworkRecord, after: NetworkRecord): Recorded[] {
  if (!differs(before, after)) return [];
  const { id: network, maxMembers, ports } = after;
  return [{ action: 'network.policy_changed', network, details: { max_members: maxMembers, ports } }];
}

function policyFields(network: NetworkRecord): Reply {
  const { maxMembers, ports, description } = network;
  return { max_members: maxMembers, allowed_ports: ports, description };
}

function differs(a: NetworkRecord, b: NetworkRecord): boolean {
  return JSON.stringify(policyFields(a)) !== JSON.stringify(policyFields(b));
}

/** Only what is present changes. */
function patchOf(request: Fields): NetworkPatch {
  const { max_members: maxMembers, allowed_ports: ports, description } = request;
  return {
    ...(maxMembers === undefined ? {} : { maxMembers: maxMembersOf(maxMembers) }),
    ...(ports === undefined ? {} : { ports: portsOf(ports) }),
    ...(description === undefined ? {} : { description: descriptionOf(description) }),
  };
}

function maxMembersOf(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_MEMBERS)
    return value;
  throw refusal('invalid_argument', 'invalid max_members (must be integer 0-10000)');
}

function portsOf(value: unknown): number[] {
  if (!Array.isArray(value)) throw refusal('invalid_argument', 'invalid allowed_ports: not a list');
  if (value.length > MAX_PORTS) throw refusal('invalid_argument', 'too many allowed_ports (max 100)');
  for (const port of value) {
    if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 0xffff) continue;
    throw refusal('invalid_argument', 'invalid port number in allowed_ports (must be integer 1-65535)');
  }
  return [...new Set(value as number[])];
}

function descriptionOf(value: unknown): string {
  if (typeof value !== 'string') throw refusal('invalid_argument', 'invalid description: not a string');
  if (value.length <= MAX_DESCRIPTION) return value;
  throw refusal('too_large', 'policy description too long (max 256 chars)');
}
