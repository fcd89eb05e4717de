import * as attributes from './attributes.ts';
import { beaconList, beaconRegister } from './beacons.ts';
import type { Handler } from './call.ts';
import { challenge } from './challenge.ts';
import { deregister } from './deregister.ts';
import { pollHandshakes, requestHandshake, respondHandshake } from './handshake.ts';
import { heartbeat } from './heartbeat.ts';
import { getKeyInfo, rotateKey, setKeyExpiry } from './keys.ts';
import { lookup } from './lookup.ts';
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
]);
