/** What requests about networks have in common: the rules for names and ids, and what is said of a network that is not there. */
import type { NetworkId } from '../../../base/units.ts';
import { sourceOf } from '../../source.ts';
import type { NetworkRecord } from '../../store/store.ts';
import type { Call } from '../call.ts';
import { u16 } from '../fields.ts';
import { type Refusal, refusal } from '../refusal.ts';

export const BACKBONE: NetworkId = 0;
export const MAX_PAGE = 200;
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Throws what old clients know. spec/12 §1 */
export function checkName(name: string): void {
  if (name === '') throw refusal('invalid_argument', 'network name required');
  if (name.length > 63) throw refusal('invalid_argument', 'network name too long (max 63 chars)');
  if (!NAME.test(name)) {
    throw refusal(
      'invalid_argument',
      'network name must be lowercase alphanumeric with hyphens, start/end with alphanumeric',
    );
  }
  if (name === 'backbone') throw refusal('invalid_argument', 'network name "backbone" is reserved');
}

/** Taken names can't be listed by asking for many. */
export function checkMayTakeName(call: Call): void {
  const { takenNames, clock } = call.shared;
  if (takenNames.has(sourceOf(call.remote.host), clock.now())) return;
  throw refusal('rate_limited', 'rate limited: too many network names that others have');
}
export function nameTaken(call: Call, name: string): Refusal {
  call.shared.takenNames.spend(sourceOf(call.remote.host), call.shared.clock.now());
  return refusal('already_exists', `network "${name}" already exists`, 'choose another name');
}

export function noSuchNetwork(id: NetworkId): Refusal {
  return refusal('not_found', `network ${id}: network not found`);
}
export function notMember(node: number, id: NetworkId): Refusal {
  return refusal('not_found', `node ${node} is not a member of network ${id}`);
}

/** What somebody without part in a network is told. Only open ones are known to exist. */
export function hidden(network: NetworkRecord, text: string): Refusal {
  return network.joinRule === 'open' ? refusal('permission_denied', text) : noSuchNetwork(network.id);
}

/** Clients of ours say so; they get more words, and are held to no rule that only old ones know. */
export function isOurs(call: Call): boolean {
  return call.request.sig !== undefined || call.request.request_id !== undefined;
}

/** Old registries manage only "enterprise" networks; ours manages all, for those who can sign what they ask. */
export function checkEnterprise(call: Call, network: NetworkRecord): void {
  if (isOurs(call) || network.enterprise) return;
  throw refusal('unavailable', 'enterprise feature: requires enterprise network');
}

/** The part of a list that is asked for; undefined when the whole is, as old clients do. */
export function pageOf(call: Call): { readonly after: number; readonly limit: number } | undefined {
  const { after, limit } = call.request;
  if (typeof limit !== 'number' && typeof after !== 'number') return undefined;
  const wanted = typeof limit === 'number' && limit >= 1 ? Math.trunc(limit) : MAX_PAGE;
  return { after: whole(after), limit: Math.min(wanted, MAX_PAGE) };
}
export function cursorOf(ids: readonly number[], limit: number): { readonly cursor?: number } {
  return ids.length === limit && limit > 0 ? { cursor: ids.at(-1)! } : {};
}

export function networkField(call: Call): NetworkId {
  return u16(call.request.network_id);
}

function whole(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
