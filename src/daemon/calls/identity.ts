import type { IdentityMethods } from '../../ipc/methods.ts';
import { textParam } from '../../ipc/params.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { addressText, parseTarget } from '../targets.ts';
import type { Handlers } from './context.ts';

/** The life of our identity, and what we hold others to. */
export const IDENTITY_CALLS: Handlers<IdentityMethods> = {
  deregister: async (context) => {
    await context.registry.deregister();
    context.withdraw();
    return { node_id: context.own.nodeId };
  },
  rotate_key: async ({ identities, own }) => {
    const former = identities.fingerprint;
    const { epoch, key } = await identities.rotation.rotate();
    return {
      node_id: own.nodeId,
      address: addressText(own.nodeId),
      public_key: encodeBase64(key.publicKey),
      fingerprint: identities.fingerprint,
      former_fingerprint: former,
      epoch,
    };
  },
  forget_key: async ({ identities, targets }, params, signal) => {
    const text = textParam(params, 'target');
    const target = parseTarget(text);
    // A name is looked up without its key being checked: that it does not match is why it is to be forgotten.
    const node =
      target.kind === 'address'
        ? target.address.node
        : (await targets.findName(target.hostname, signal)).node;
    return { node_id: node, fingerprint: identities.keys.forget(node) };
  },
};
