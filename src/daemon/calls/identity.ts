import type { IdentityMethods } from '../../ipc/methods.ts';
import type { Handlers } from './context.ts';

/** The life of our identity. */
export const IDENTITY_CALLS: Handlers<IdentityMethods> = {
  deregister: async (context) => {
    await context.registry.deregister();
    context.withdraw();
    return { node_id: context.own.nodeId };
  },
};
