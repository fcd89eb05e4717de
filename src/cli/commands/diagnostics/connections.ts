import { defineCommand } from '../../command.ts';
import { formatSize, formatTable } from '../../text.ts';

export const connections = defineCommand({
  name: 'connections',
  group: 'Diagnostics',
  summary: 'List the streams of this node',
  timeout: '15s',
  returns:
    '{connections: [{id, local_port, remote_addr, remote_port, state, cong_win, in_flight, srtt_ms, retransmits, bytes_sent, bytes_recv, …}], total}',
  examples: [
    { line: 'pilotctl connections', about: 'Which streams are open?' },
    { line: 'pilotctl disconnect 12', about: 'Reset one of them' },
  ],
  async run(context) {
    const client = await context.client();
    const connections = await client.connections();
    const data = { connections, total: connections.length };
    if (connections.length === 0) return { data, human: 'no connections' };
    const rows = connections.map((conn) => [
      String(conn.id),
      String(conn.local_port),
      `${conn.remote_addr}:${conn.remote_port}`,
      conn.state,
      `${conn.srtt_ms}ms`,
      formatSize(conn.cong_win),
      formatSize(conn.in_flight),
      String(conn.retransmits),
      `${formatSize(conn.bytes_sent)} / ${formatSize(conn.bytes_recv)}`,
    ]);
    const head = [
      'ID',
      'LOCAL',
      'REMOTE',
      'STATE',
      'RTT',
      'WINDOW',
      'IN FLIGHT',
      'RESENT',
      'SENT / RECEIVED',
    ];
    return { data, human: formatTable(head, rows) };
  },
});
