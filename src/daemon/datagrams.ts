import { PilotError } from '../api/errors.ts';
import type { Address, Bytes, Millis, NetworkId, NodeId, Port } from '../base/units.ts';
import { MAX_DATAGRAM } from '../core/stream/config.ts';
import type { DatagramOptions, DatagramSent } from '../ipc/backend.ts';
import { formatAddress, isBroadcast } from '../wire/address.ts';
import { type CallContext, decide } from './calls/context.ts';
import { denied } from './denied.ts';

/** How long a confirmed datagram waits for a proven key. Longer than a tunnel takes over a relay with losses. */
const CONFIRM_WAIT: Millis = 10_000;
const LOOK: Millis = 10;

/** Errors: `too_large`, `invalid_argument`, `permission_denied`, `policy_denied`, `untrusted`, `timeout`, `cancelled`. */
export async function sendDatagram(
  context: CallContext,
  to: Address,
  port: Port,
  data: Uint8Array,
  options: DatagramOptions,
): Promise<DatagramSent> {
  if (context.own.nodeId === 0) {
    throw new PilotError('registry_unreachable', 'This node has no address yet');
  }
  if (isBroadcast(to)) return broadcast(context, to.network, port, data, options);
  const { node, clock } = context;
  const deadline = clock.now() + CONFIRM_WAIT;
  for (;;) {
    const most = largestTo(context, to.node);
    if (data.length > most) throw tooLarge(formatAddress(to), data.length, most);
    const result = decide(context, (now) => node.sendDatagram(to, port, data, now, options));
    if (result === 'sent') return { recipients: 1, skipped: 0 };
    if (result === 'invalid') {
      throw new PilotError('invalid_argument', 'Cannot send an empty datagram, or one to that address');
    }
    if (typeof result === 'object') throw denied('send', to, port, result.denied);
    if (clock.now() >= deadline) {
      const name = formatAddress(to);
      throw new PilotError('timeout', `Cannot send a datagram to ${name} port ${port}: no answer`, {
        hint: `see why: pilotctl why ${name}`,
      });
    }
    await clock.sleep(LOOK, options.signal);
  }
}

/** To every member but us, each as far as the policy of the network allows. Nothing on the wire tells it from others. */
async function broadcast(
  context: CallContext,
  network: NetworkId,
  port: Port,
  data: Uint8Array,
  options: DatagramOptions,
): Promise<DatagramSent> {
  if (network === 0) {
    throw new PilotError('invalid_argument', 'Cannot send to everybody on network 0');
  }
  const { networks, node, own } = context;
  if (!networks.own.some((one) => one.network === network)) {
    throw new PilotError(
      'permission_denied',
      `Cannot send to everybody: not a member of network ${network}`,
      { hint: `join it with: pilotctl network join ${network}` },
    );
  }
  const members = await networks.audiences.of(network);
  // Whom there is no key for gets it once there is one: a member that is away must not hold up the others.
  const { fromPort } = options;
  return decide(context, (now) => {
    let recipients = 0;
    for (const member of members) {
      // One whose path is too narrow is no reason to leave out the others.
      if (member === own.nodeId || isTooNarrow(context, member, data)) continue;
      const result = node.sendDatagram({ network, node: member }, port, data, now, { fromPort });
      if (result === 'too_large') {
        throw tooLarge(`everybody in network ${network}`, data.length, MAX_DATAGRAM);
      }
      if (result === 'invalid') throw new PilotError('invalid_argument', 'Cannot send an empty datagram');
      if (result === 'sent') recipients++;
    }
    const others = members.length - (members.includes(own.nodeId) ? 1 : 0);
    return { recipients, skipped: others - recipients };
  });
}

/** What is known not to leave or arrive in one piece would be lost without a word. */
function largestTo({ node }: CallContext, peer: NodeId): Bytes {
  return Math.min(MAX_DATAGRAM, node.largestDatagram(peer) ?? MAX_DATAGRAM);
}

function isTooNarrow(context: CallContext, peer: NodeId, data: Uint8Array): boolean {
  return data.length <= MAX_DATAGRAM && data.length > largestTo(context, peer);
}

function tooLarge(whom: string, bytes: Bytes, limit: Bytes): PilotError {
  return new PilotError(
    'too_large',
    `Cannot send a datagram of ${bytes} bytes to ${whom}: at most ${limit} bytes fit`,
    { hint: 'send it as a message: pilotctl send-message <node> --data-file <file>' },
  );
}
