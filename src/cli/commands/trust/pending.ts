import { defineCommand } from '../../command.ts';
import { formatAgo, formatTable, preview, printable } from '../../text.ts';

export const pending = defineCommand({
  name: 'pending',
  group: 'Trust',
  summary: 'List requests for trust that wait for an answer',
  flags: { outgoing: { summary: 'list the requests of this node instead' } },
  timeout: '15s',
  returns:
    '{pending: [{node_id, address, hostname, public_key, justification, received_at}]}; with --outgoing {outgoing: [{node_id?, address, hostname, justification, created_at, expires_at}]}',
  examples: [
    { line: 'pilotctl pending', about: 'Who asks?' },
    { line: 'pilotctl pending --outgoing', about: 'Whom did this node ask?' },
  ],
  async run(context, { flags }) {
    const client = await context.client();
    const now = context.host.clock.wallNow();
    if (flags.outgoing) {
      const outgoing = await client.outgoing();
      const rows = outgoing.map((row) => [
        row.node_id === undefined ? '-' : String(row.node_id),
        printable(row.hostname),
        preview(row.justification, 50),
        formatAgo(row.created_at * 1000, now),
      ]);
      const table = formatTable(['NODE ID', 'HOSTNAME', 'JUSTIFICATION', 'SENT'], rows);
      return {
        data: { outgoing },
        human: rows.length === 0 ? 'no requests of this node wait for an answer' : table,
      };
    }
    const requests = await client.pending();
    const rows = requests.map((row) => [
      String(row.node_id),
      printable(row.hostname),
      preview(row.justification, 50),
      formatAgo(row.received_at * 1000, now),
    ]);
    if (rows.length === 0) return { data: { pending: requests }, human: 'no pending requests' };
    const first = requests[0];
    const name =
      first === undefined ? '' : first.hostname === '' ? String(first.node_id) : printable(first.hostname);
    const table = formatTable(['NODE ID', 'HOSTNAME', 'JUSTIFICATION', 'RECEIVED'], rows);
    return {
      data: { pending: requests },
      human: `${table}\nanswer with: pilotctl approve ${name}, or: pilotctl reject ${name}`,
    };
  },
});
