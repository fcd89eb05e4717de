import { PilotError } from '../../api/errors.ts';
import type { DiagnosticMethods, MetricMethods, Result } from '../../ipc/methods.ts';
import { intParam, textParam } from '../../ipc/params.ts';
import type { Abort } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import { connectionRow, healthOf, peerRow } from '../info.ts';
import type { CallContext, Given, Handlers } from './context.ts';

/** Rows of a list in one reply: each takes at most some 600 bytes of the 1 MiB a frame holds. */
const ROW_LIMIT = 1_500;

/** What goes on. */
export const DIAGNOSTIC_CALLS: Handlers<DiagnosticMethods & MetricMethods> = {
  metrics: async (context) => ({ metrics: context.metrics() }),
  info: async (context) => context.info(),
  health: async (context) => healthOf(context.info()),
  peers: async ({ node, book, identities }) => {
    const { rows, ...rest } = atMost(node.peers());
    return {
      peers: rows.map((peer) =>
        peerRow(peer, {
          hostname: book.nameOf(peer.node),
          trusted: node.isTrusted(peer.node),
          ...identities.keys.shown(peer.node),
        }),
      ),
      ...rest,
    };
  },
  connections: async ({ node }) => {
    const { rows, ...rest } = atMost(node.connections());
    return { connections: rows.map(connectionRow), ...rest };
  },
  disconnect: async ({ streams }, params) => {
    const connection = intParam(params, 'connection', 0, 0xffff_ffff);
    if (!streams.disconnect(connection)) {
      throw new PilotError('not_found', `There is no connection ${connection}`, {
        hint: 'see: pilotctl connections',
      });
    }
    return { connection };
  },
  ping,
};

/** A list cut so that the reply fits one frame. */
function atMost<Row>(all: readonly Row[]): { rows: readonly Row[]; truncated?: number } {
  if (all.length <= ROW_LIMIT) return { rows: all };
  return { rows: all.slice(0, ROW_LIMIT), truncated: all.length - ROW_LIMIT };
}

async function ping(context: CallContext, params: Given, signal: Abort): Promise<Result<'ping'>> {
  const timeout = intParam(params, 'timeout_ms', 1, 600_000, 5_000);
  const { node: peer, network } = await context.targets.find(textParam(params, 'target'), signal);
  if (network !== 0) await context.networks.expectMember(network, peer);
  const { keys } = context.identities;
  const rtt = await keys.guard(peer, () => context.pings.ping(peer, timeout, signal));
  const selected = context.node.peer(peer)?.selected;
  return {
    node_id: peer,
    address: formatAddress({ network, node: peer }),
    rtt_ms: Math.round(rtt * 1000) / 1000,
    path: selected?.kind ?? '',
    endpoint: selected === undefined ? '' : `${selected.endpoint.host}:${selected.endpoint.port}`,
  };
}
