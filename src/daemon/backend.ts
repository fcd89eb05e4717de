import type { Millis } from '../base/units.ts';
import type { IpcBackend } from '../ipc/backend.ts';
import { answerCall, type CallContext } from './calls/index.ts';
import { sendDatagram } from './datagrams.ts';

/** Streams to a name that the registry has just explained begin without asking again. Chosen: a name seldom changes hands. */
const NAME_AGE: Millis = 5_000;

/** What local programs can ask of the daemon. */
export function daemonBackend(context: CallContext): IpcBackend {
  const { clock, identities, messages, node, own, streams, targets, version } = context;
  return {
    version,
    messages,
    address: () => ({ network: 0, node: own.nodeId }),
    resolveTarget: async (target, signal) => {
      const likely = targets.remembered(target);
      // It will be talked to: the way there is opened while the registry looks its name up.
      if (likely !== undefined && node.isTrusted(likely) && !node.isConnected(likely))
        context.run(() => node.connectPeer(likely, clock.now()));
      context.registry.hurry();
      const found = await targets.find(target, signal, NAME_AGE);
      return { network: found.network, node: found.node };
    },
    dial: (to, port, options) => identities.keys.guard(to.node, () => streams.dial(to, port, options)),
    listen: (port, onStream) => streams.listen(port, onStream),
    freePort: () => streams.freePort(),
    sendDatagram: (to, port, data, options = {}) =>
      identities.keys.guard(to.node, () => sendDatagram(context, to, port, data, options)),
    call: (method, params, signal) => answerCall(context, method, params, signal),
  };
}
