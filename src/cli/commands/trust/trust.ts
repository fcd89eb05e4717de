import { defineCommand } from '../../command.ts';
import { formatTable, printable } from '../../text.ts';

export const trust = defineCommand({
  name: 'trust',
  group: 'Trust',
  summary: 'List trusted peers',
  timeout: '15s',
  returns: '{trusted: [{node_id, address, hostname, public_key, approved_at, mutual, network}]}',
  examples: [{ line: 'pilotctl trust', about: 'Who is trusted?' }],
  async run(context) {
    const client = await context.client();
    const trusted = await client.trusted();
    if (trusted.length === 0) {
      return {
        data: { trusted },
        human: 'no trusted peers yet\nask one with: pilotctl handshake PEER "reason"',
      };
    }
    const rows = trusted.map((row) => [
      String(row.node_id),
      printable(row.hostname),
      row.address,
      context.host.localTime(row.approved_at * 1000),
    ]);
    return {
      data: { trusted },
      human: formatTable(['NODE ID', 'HOSTNAME', 'ADDRESS', 'SINCE'], rows),
    };
  },
});
