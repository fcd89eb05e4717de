import { defineCommand } from '../../command.ts';
import { formatMillis, formatSize, formatTable, printable } from '../../text.ts';
import { text } from '../../values.ts';

export const peers = defineCommand({
  name: 'peers',
  group: 'Diagnostics',
  summary: 'List peers with a tunnel, and the path each one uses',
  flags: {
    search: { value: text, summary: 'only those whose id, address, name, path or endpoint contains this' },
  },
  timeout: '15s',
  returns:
    '{peers: [{node_id, address, hostname, established, encrypted, trusted, fingerprint, identity_changed, path, endpoint, rtt_ms, bytes_sent, bytes_recv, datagram_size, paths}], total}',
  examples: [
    { line: 'pilotctl peers', about: 'Direct or relayed?' },
    { line: 'pilotctl peers --search relay', about: 'Only relayed ones' },
  ],
  async run(context, { flags }) {
    const client = await context.client();
    const wanted = flags.search?.toLowerCase() ?? '';
    const all = (await client.peers()).map((peer) => ({ ...peer, encrypted: peer.established }));
    const peers = all.filter((peer) =>
      [String(peer.node_id), peer.address, peer.hostname, peer.path, peer.endpoint].some((field) =>
        field.toLowerCase().includes(wanted),
      ),
    );
    const data = { peers, total: peers.length };
    if (peers.length === 0)
      return { data, human: wanted === '' ? 'no peers' : `no peers match "${flags.search}"` };
    const rows = peers.map((peer) => [
      String(peer.node_id),
      printable(peer.hostname),
      peer.established ? 'encrypted' : 'connecting',
      peer.trusted ? 'yes' : 'no',
      peer.identity_changed ? 'CHANGED' : peer.fingerprint === '' ? '' : 'pinned',
      peer.path,
      peer.endpoint,
      peer.rtt_ms === null ? '' : formatMillis(peer.rtt_ms),
      `${formatSize(peer.bytes_sent)} / ${formatSize(peer.bytes_recv)}`,
    ]);
    return {
      data,
      human: formatTable(
        ['NODE ID', 'HOSTNAME', 'TUNNEL', 'TRUSTED', 'KEY', 'PATH', 'ENDPOINT', 'RTT', 'SENT / RECEIVED'],
        rows,
      ),
    };
  },
});
