import { PilotError } from '../api/errors.ts';
import type { Address, NetworkId, Port } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { IpcBackend } from '../ipc/backend.ts';
import { isBroadcast } from '../wire/address.ts';
import { answerCall, type CallContext } from './calls/index.ts';
import { denied } from './denied.ts';

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
      if (likely !== undefined && node.isTrusted(likely))
        context.run(() => node.connectPeer(likely, clock.now()));
      const found = await targets.find(target, signal);
      return { network: found.network, node: found.node };
    },
    dial: (to, port, options) => identities.keys.guard(to.node, () => streams.dial(to, port, options)),
    listen: (port, onStream) => streams.listen(port, onStream),
    freePort: () => streams.freePort(),
    sendDatagram: (to, port, data, fromPort) =>
      identities.keys.guard(to.node, () => sendDatagram(context, to, port, data, fromPort)),
    call: (method, params, signal) => answerCall(context, method, params, signal),
  };
}

async function sendDatagram(
  context: CallContext,
  to: Address,
  port: Port,
  data: Uint8Array,
  fromPort: Port | undefined,
): Promise<void> {
  const { node, clock, own } = context;
  if (own.nodeId === 0) throw new PilotError('registry_unreachable', 'This node has no address yet');
  if (isBroadcast(to)) return broadcast(context, to.network, port, data, fromPort);
  const sent: { result: ReturnType<PilotNode['sendDatagram']> } = { result: 'invalid' };
  context.run(() => {
    sent.result = node.sendDatagram(to, port, data, clock.now(), fromPort);
  });
  if (sent.result === 'too_large') {
    throw new PilotError('too_large', `A datagram of ${data.length} bytes is too large`);
  }
  if (typeof sent.result === 'object') {
    throw denied('send', to, port, sent.result.denied);
  }
  if (sent.result === 'invalid') {
    throw new PilotError('invalid_argument', 'Cannot send an empty datagram, or one to that address');
  }
}

/** To every member but us, each as far as the policy of the network allows. */
async function broadcast(
  context: CallContext,
  network: NetworkId,
  port: Port,
  data: Uint8Array,
  fromPort: Port | undefined,
): Promise<void> {
  if (network === 0) {
    throw new PilotError('invalid_argument', 'Cannot send to everybody on network 0');
  }
  const { networks, node, clock, own } = context;
  if (!networks.own.some((one) => one.network === network)) {
    throw new PilotError(
      'permission_denied',
      `Cannot send to everybody: not a member of network ${network}`,
      {
        hint: `join it with: pilotctl network join ${network}`,
      },
    );
  }
  const members = await networks.audiences.of(network);
  let tooLarge = false;
  context.run(() => {
    for (const member of members) {
      if (member === own.nodeId) continue;
      const result = node.sendDatagram({ network, node: member }, port, data, clock.now(), fromPort);
      tooLarge ||= result === 'too_large';
    }
  });
  if (tooLarge) throw new PilotError('too_large', `A datagram of ${data.length} bytes is too large`);
}
