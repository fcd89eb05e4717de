/** Expression policies: who may reach whom on which port inside a network. spec/12 §6 */
import { toHex, utf8 } from '../../../base/bytes.ts';
import type { NetworkId } from '../../../base/units.ts';
import { canonicalJson, isJsonObject, parseJson } from '../../../wire/json.ts';
import { MAX_POLICY_BYTES, parsePolicy } from '../../../wire/policy/document.ts';
import { type Recorded, recorded } from '../audit/recorded.ts';
import type { Call, Handler } from '../call.ts';
import { refusal } from '../refusal.ts';
import { BACKBONE, networkField, noSuchNetwork } from './bounds.ts';
import { acting, actorIn, readable } from './standing.ts';

export const setExprPolicy: Handler = async (call) => {
  const id = networkField(call);
  const given = call.request.expr_policy;
  if (given === undefined) throw refusal('invalid_argument', 'expr_policy field is required');
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot set a policy of the backbone network');
  const standing = await acting(call, id, ['owner', 'admin']);
  const cleared = given === '' || given === 'null' || given === null;
  const exprPolicy = cleared ? '' : exprPolicyText(given);
  const changed = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.patchNetwork(id, { exprPolicy }),
    (result) =>
      result === 'no_network' || standing.network.exprPolicy === exprPolicy
        ? []
        : [policyChange(call, id, exprPolicy)],
  );
  if (changed === 'no_network') throw noSuchNetwork(id);
  call.shared.networks.announcer.changed(id);
  return { type: 'set_expr_policy_ok', network_id: id, ...(cleared ? { cleared: true } : {}) };
};

/** The text itself may be long, and is for members: its hash tells which it was. */
function policyChange(call: Call, network: NetworkId, exprPolicy: string): Recorded {
  if (exprPolicy === '') return { action: 'network.expr_policy_cleared', network };
  const sha256 = toHex(call.shared.crypto.sha256(utf8(exprPolicy)));
  return { action: 'network.expr_policy_set', network, details: { sha256 } };
}

export const getExprPolicy: Handler = async (call) => {
  const id = networkField(call);
  if (id === BACKBONE) return { type: 'get_expr_policy_ok', network_id: id };
  const { exprPolicy } = await readable(call, id);
  return { type: 'get_expr_policy_ok', network_id: id, ...exprPolicyField(exprPolicy) };
};

/** Canonical text of a document that every daemon of ours understands in full. Throws `invalid_argument` with the place. */
export function exprPolicyText(given: unknown): string {
  const tooLarge = () => refusal('too_large', `expr_policy: too long (max ${MAX_POLICY_BYTES} bytes)`);
  if (typeof given === 'string' && given.length > MAX_POLICY_BYTES) throw tooLarge();
  let document: unknown = given;
  if (typeof given === 'string') {
    // Nested as deep as its length allows, it would exhaust the stack of whoever walks it.
    const parsed = parseJson(utf8(given));
    if (typeof parsed === 'string') throw refusal('invalid_argument', `expr_policy: invalid JSON: ${parsed}`);
    document = parsed.value;
  }
  if (!isJsonObject(document)) throw refusal('invalid_argument', 'expr_policy: invalid JSON: not an object');
  const { version } = document;
  if (version !== 1) {
    const stated = typeof version === 'number' ? version : 0;
    throw refusal('invalid_argument', `expr_policy: unsupported version ${stated} (want 1)`);
  }
  const written = canonicalJson(document);
  if (written.length > MAX_POLICY_BYTES) throw tooLarge();
  const policy = parsePolicy(written);
  if ('error' in policy) {
    const at = policy.at === '' ? '' : ` (at ${policy.at})`;
    throw refusal('invalid_argument', `expr_policy: invalid: ${policy.error}${at}`);
  }
  return written;
}

export function exprPolicyField(stored: string): { readonly expr_policy?: unknown } {
  return stored === '' ? {} : { expr_policy: JSON.parse(stored) };
}
