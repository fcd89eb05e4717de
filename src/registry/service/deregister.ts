import { signedString } from '../../wire/registry-signatures.ts';
import { authenticate } from './authenticate.ts';
import type { Handler } from './call.ts';
import { u32 } from './fields.ts';

/** Hides a node until it registers again; name, tags, visibility, trust and networks are kept. spec/10 §4.6 */
export const deregister: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const node = await call.shared.store.node(id);
  if (node?.registered) {
    await authenticate(call, id, signedString.deregister(id), { admin: true });
    await call.shared.store.deregister(id);
  }
  return { type: 'deregister_ok' };
};
