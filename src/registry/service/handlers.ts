import * as attributes from './attributes.ts';
import { beaconList, beaconRegister } from './beacons.ts';
import type { Handler } from './call.ts';
import { challenge } from './challenge.ts';
import { deregister } from './deregister.ts';
import { pollHandshakes, requestHandshake, respondHandshake } from './handshake.ts';
import { heartbeat } from './heartbeat.ts';
import { getKeyInfo, rotateKey, setKeyExpiry } from './keys.ts';
import { lookup } from './lookup.ts';
import * as networks from './networks/index.ts';
import { punch } from './punch.ts';
import { register } from './register.ts';
import { resolve } from './resolve.ts';
import { resolveHostname } from './resolve-hostname.ts';
import { subscribe } from './subscribe.ts';
import { checkTrust, reportTrust, revokeTrust } from './trust.ts';

/** Request type to the code that answers it. */
export const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['challenge', challenge],
  ['register', register],
  ['heartbeat', heartbeat],
  ['deregister', deregister],
  ['lookup', lookup],
  ['resolve', resolve],
  ['resolve_hostname', resolveHostname],
  ['punch', punch],
  ['set_visibility', attributes.setVisibility],
  ['set_hostname', attributes.setHostname],
  ['set_tags', attributes.setTags],
  ['set_task_exec', attributes.setTaskExec],
  ['get_polo_score', attributes.getPoloScore],
  ['set_polo_score', attributes.setPoloScore],
  ['update_polo_score', attributes.updatePoloScore],
  ['rotate_key', rotateKey],
  ['get_key_info', getKeyInfo],
  ['set_key_expiry', setKeyExpiry],
  ['report_trust', reportTrust],
  ['revoke_trust', revokeTrust],
  ['check_trust', checkTrust],
  ['request_handshake', requestHandshake],
  ['respond_handshake', respondHandshake],
  ['poll_handshakes', pollHandshakes],
  ['subscribe', subscribe],
  ['beacon_register', beaconRegister],
  ['beacon_list', beaconList],
  ['create_network', networks.createNetwork],
  ['join_network', networks.joinNetwork],
  ['leave_network', networks.leaveNetwork],
  ['list_networks', networks.listNetworks],
  ['list_nodes', networks.listNodes],
  ['get_network_policy', networks.getNetworkPolicy],
  ['poll_invites', networks.pollInvites],
]);

/** Requests of spec/12 and spec/13 that exist elsewhere but not here; the answer says so instead of "request failed". */
export const NOT_OFFERED: ReadonlySet<string> = new Set([
  'delete_network',
  'rename_network',
  'set_network_policy',
  'get_expr_policy',
  'set_expr_policy',
  'get_member_tags',
  'set_member_tags',
  'invite_to_network',
  'respond_invite',
  'set_network_enterprise',
  'kick_member',
  'promote_member',
  'demote_member',
  'transfer_ownership',
  'get_member_role',
  'provision_network',
  'get_provision_status',
  'set_idp_config',
  'get_idp_config',
  'set_identity_webhook',
  'set_external_id',
  'get_identity',
  'validate_token',
  'directory_sync',
  'directory_status',
  'get_audit_log',
  'set_audit_export',
  'get_audit_export',
  'set_webhook',
  'get_webhook',
  'get_webhook_dlq',
  'subscribe_replication',
]);
