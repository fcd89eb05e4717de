import * as attributes from './attributes.ts';
import { auditHead, auditLog, getAuditLog, networkAudit } from './audit/requests.ts';
import { beaconList, beaconRegister } from './beacons.ts';
import type { Handler } from './call.ts';
import { challenge } from './challenge.ts';
import { deregister } from './deregister.ts';
import { findNodes } from './find-nodes.ts';
import { pollHandshakes, requestHandshake, respondHandshake } from './handshake.ts';
import { heartbeat } from './heartbeat.ts';
import { getKeyInfo, rotateKey, setKeyExpiry } from './keys.ts';
import { lookup } from './lookup.ts';
import { NETWORK_HANDLERS } from './networks/index.ts';
import { createToken, listTokens, revokeToken } from './operators/tokens.ts';
import {
  createWebhook,
  deadLetters,
  listWebhooks,
  redeliver,
  removeWebhook,
  testWebhook,
  updateWebhook,
} from './operators/webhooks.ts';
import { punch } from './punch.ts';
import { publishRecord } from './records.ts';
import { register } from './register.ts';
import { resolve } from './resolve.ts';
import { resolveHostname } from './resolve-hostname.ts';
import { subscribe } from './subscribe.ts';
import { checkTrust, reportTrust, revokeTrust, trustCertificate } from './trust.ts';

/** Request type to the code that answers it. */
export const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['challenge', challenge],
  ['register', register],
  ['heartbeat', heartbeat],
  ['deregister', deregister],
  ['publish_record', publishRecord],
  ['find_nodes', findNodes],
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
  ['trust_certificate', trustCertificate],
  ['request_handshake', requestHandshake],
  ['respond_handshake', respondHandshake],
  ['poll_handshakes', pollHandshakes],
  ['subscribe', subscribe],
  ['beacon_register', beaconRegister],
  ['beacon_list', beaconList],
  ...NETWORK_HANDLERS,
  ['audit_log', auditLog],
  ['audit_head', auditHead],
  ['network_audit', networkAudit],
  ['get_audit_log', getAuditLog],
  ['token_create', createToken],
  ['token_list', listTokens],
  ['token_revoke', revokeToken],
  ['webhook_create', createWebhook],
  ['webhook_list', listWebhooks],
  ['webhook_update', updateWebhook],
  ['webhook_remove', removeWebhook],
  ['webhook_test', testWebhook],
  ['webhook_dead', deadLetters],
  ['webhook_redeliver', redeliver],
]);

/** Requests of spec/12 and spec/13 that exist elsewhere but not here; the answer says so instead of "request failed". */
export const NOT_OFFERED: ReadonlySet<string> = new Set([
  'set_network_enterprise',
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
  'set_audit_export',
  'get_audit_export',
  'set_webhook',
  'get_webhook',
  'get_webhook_dlq',
  'subscribe_replication',
]);
