import { signedString } from '../../wire/registry-signatures.ts';
import { actor, recorded } from './audit/recorded.ts';
import { authenticate } from './authenticate.ts';
import type { Handler } from './call.ts';
import { u32 } from './fields.ts';
import { Refusal } from './refusal.ts';

/** Hides a node until it registers again; name, tags, visibility, trust and networks are kept. spec/10 §4.6 */
export const deregister: Handler = async (call) => {
  const id = u32(call.request.node_id);
  let proof: string;
  try {
    ({ proof } = await authenticate(call, id, signedString.deregister(id), { operator: 'nodes:write' }));
  } catch (error) {
    // Who proved that the node is its own, or is the operator, has what it wants.
    if (error instanceof Refusal && error.code === 'not_found') return { type: 'deregister_ok' };
    throw error;
  }
  await recorded(
    call,
    actor(call, id, proof),
    (store) => store.deregister(id),
    (done) => (done ? [{ action: 'node.deregistered', node: id }] : []),
  );
  return { type: 'deregister_ok' };
};
