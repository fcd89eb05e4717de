import type { OutgoingRow, PendingRow } from '../../../sdk/index.ts';
import { defineCommand, type Result } from '../../command.ts';
import type { Context } from '../../context.ts';
import { briefGrant, describeEnd } from '../../terms.ts';
import { formatAgo, formatTable, preview, printable } from '../../text.ts';
import { nameOf, whatChanged } from './words.ts';

export const pending = defineCommand({
  name: 'pending',
  group: 'Trust',
  summary: 'List requests for trust that wait for an answer',
  details:
    'GIVE is what the peer would reach here, GET what this node would reach there. A change is asked by a peer that ' +
    'is trusted already; what holds today goes on until it is answered.',
  flags: { outgoing: { summary: 'list the requests of this node instead' } },
  timeout: '15s',
  returns:
    '{pending: [{node_id, address, hostname, public_key, justification, received_at, asks: {give, get, not_after?, renew}, change, now?, auto?}]}; with --outgoing {outgoing: [{node_id?, address, hostname, justification, created_at, expires_at, terms}]}',
  examples: [
    { line: 'pilotctl pending', about: 'Who asks?' },
    { line: 'pilotctl pending --outgoing', about: 'Whom did this node ask?' },
  ],
  async run(context, { flags }) {
    const client = await context.client();
    return flags.outgoing
      ? listOutgoing(context, await client.outgoing())
      : listPending(context, await client.pending());
  },
});

function listOutgoing({ host }: Context, outgoing: readonly OutgoingRow[]): Result {
  const now = host.clock.wallNow();
  const rows = outgoing.map((row) => [
    row.node_id === undefined ? '-' : String(row.node_id),
    printable(row.hostname),
    briefGrant(row.terms.give),
    briefGrant(row.terms.get),
    describeEnd(row.terms.not_after, now),
    preview(row.justification, 50),
    formatAgo(row.created_at * 1000, now),
  ]);
  const table = formatTable(['NODE ID', 'HOSTNAME', 'GIVE', 'GET', 'ENDS', 'JUSTIFICATION', 'SENT'], rows);
  return {
    data: { outgoing },
    human: rows.length === 0 ? 'no requests of this node wait for an answer' : table,
  };
}

function listPending({ host }: Context, requests: readonly PendingRow[]): Result {
  const [first] = requests;
  if (first === undefined) return { data: { pending: requests }, human: 'no pending requests' };
  const now = host.clock.wallNow();
  const rows = requests.map((row) => [
    String(row.node_id),
    printable(row.hostname),
    briefGrant(row.asks.give),
    briefGrant(row.asks.get),
    describeEnd(row.asks.not_after, now),
    row.change ? 'change' : 'new',
    preview(row.justification, 50),
    formatAgo(row.received_at * 1000, now),
  ]);
  const head = ['NODE ID', 'HOSTNAME', 'GIVE', 'GET', 'ENDS', 'KIND', 'JUSTIFICATION', 'RECEIVED'];
  const notes = requests.flatMap((row) => {
    const name = printable(nameOf(row));
    return [
      ...(row.change && row.now !== undefined
        ? whatChanged(row.now, row.asks, host).map((change) => `${name} would change ${change}`)
        : []),
      ...(row.auto === undefined ? [] : [`${name} waits: ${printable(row.auto)}`]),
    ];
  });
  const name = printable(nameOf(first));
  const answer = `answer with: pilotctl approve ${name}, or: pilotctl reject ${name}`;
  return {
    data: { pending: requests },
    human: [formatTable(head, rows), ...notes, answer].join('\n'),
  };
}
