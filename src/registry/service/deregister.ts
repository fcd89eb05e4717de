import { signedString } from '../../wire/registry-signatures.ts';
import { authenticate } from './authenticate.ts';
import type { Handler } from './call.ts';
import { u32 } from './fields.ts';
import { Refusal } from './refusal.ts';

/** Hides a node until it registers again; name, tags, visibility, trust and networks are kept. spec/10 §4.6 */
export const deregister: Handler = async (call) => {
  const id = u32(call.request.node_id);
  try {
    await authenticate(call, id, signedString.deregister(id), { admin: true });
  } catch (error) {
    // Who proved that the node is its own, or is the operator, has what it wants.
    if (error instanceof Refusal && error.code === 'not_found') return { type: 'deregister_ok' };
    throw error;
  }
  await call.shared.store.deregister(id);
  return { type: 'deregister_ok' };
};
