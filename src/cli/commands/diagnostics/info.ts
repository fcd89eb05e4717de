import type { Info } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import { formatFields, formatSize, formatSpan, plural, printable } from '../../text.ts';
import { tagText } from '../names/tag-values.ts';
import { accelerationText } from './acceleration.ts';

export const info = defineCommand({
  name: 'info',
  group: 'Diagnostics',
  summary: 'Show this node: address, name, registry, traffic',
  timeout: '15s',
  returns:
    '{node_id, address, hostname, public, uptime_secs, version, public_key, fingerprint, verified_name, key_epoch, warnings, registry, registered, beacons, endpoint, peers, connections, bytes_sent, bytes_recv, acceleration: {sealing, udp, why}, drops, peer_list, conn_list, …}',
  examples: [
    { line: 'pilotctl info', about: 'Who am I?' },
    { line: 'pilotctl info --json', about: 'Everything the daemon tells of itself' },
  ],
  async run(context) {
    const client = await context.client();
    const data = await client.info();
    return { data, human: [formatFields(rows(data)), ...warningLines(data)].join('\n') };
  },
});

function rows(info: Info): [string, string | undefined][] {
  const dropped = Object.entries(info.drops).filter(([, count]) => count > 0);
  return [
    ['Node ID', info.node_id === 0 ? 'none yet' : String(info.node_id)],
    ['Address', info.node_id === 0 ? 'none yet' : info.address],
    ['Hostname', info.hostname === '' ? undefined : info.hostname],
    ['Visible', info.public ? 'public: anyone may connect' : 'private: only trusted peers may connect'],
    ['Tags', info.tags.length === 0 ? undefined : tagText(info.tags)],
    ['Services', info.services.map(({ name, port }) => `${name} (port ${port})`).join(', ') || undefined],
    ['Public key', info.public_key],
    ['Fingerprint', `${info.fingerprint}${info.key_epoch === 0 ? '' : ` (key rotation ${info.key_epoch})`}`],
    ['For others', info.node_id === 0 ? undefined : info.verified_name],
    ['Registry', `${info.registry} (${registryState(info)})`],
    ['Beacons', info.beacons.length === 0 ? undefined : info.beacons.join(', ')],
    ['Endpoint', info.endpoint === '' ? undefined : `${info.endpoint} (as the beacon sees it)`],
    ['Transport', transportLine(info)],
    ['Accelerator', accelerationText(info.acceleration)],
    ['NAT', info.nat === 'unknown' ? undefined : `${info.nat} (more: pilotctl netcheck)`],
    ['Uptime', formatSpan(info.uptime_secs * 1000)],
    ['Version', info.version],
    ['Networks', info.networks?.map(({ name, address }) => `${printable(name)} (${address})`).join(', ')],
    ['Trusted', `${plural(info.trusted_count, 'peer')}${pendingNote(info.handshake_pending_count)}`],
    ['Peers', `${info.peers} (${info.encrypted_peers} encrypted, ${info.relay_peer_count} relayed)`],
    ['Connections', String(info.connections)],
    ['Traffic', `${formatSize(info.bytes_sent)} sent, ${formatSize(info.bytes_recv)} received`],
    ['Packets', `${info.pkts_sent} sent, ${info.pkts_recv} received`],
    [
      'Dropped',
      dropped.length === 0
        ? undefined
        : dropped.map(([why, count]) => `${count} ${printable(why)}`).join(', '),
    ],
    ['Inbox', info.inbox_dir],
    ['Received', info.received_dir],
  ];
}

/** Nothing to say while all is as it should be. */
function transportLine({ transport_in_use, transport, carrier, proxy }: Info): string | undefined {
  const through = proxy === '' ? '' : ` through the proxy ${proxy}`;
  if (transport_in_use === 'compat') {
    const why = transport === 'compat' ? 'as configured' : 'no beacon answers over UDP';
    return `WebSocket ${carrier}${through} (${why})`;
  }
  return transport_in_use === 'none' ? 'no beacon is in reach' : undefined;
}

function registryState(info: Info): string {
  if (!info.registry_connected) return 'not connected, trying again';
  return info.registered ? 'registered' : 'connected, not registered yet';
}

function pendingNote(count: number): string {
  return count === 0 ? '' : `, ${plural(count, 'request')} waiting: pilotctl pending`;
}

/** What the daemon wants the user to know; empty when all is well. */
export function warningLines(info: Info): readonly string[] {
  return info.warnings.map(
    ({ message, count }) => `warning: ${printable(message)}${count > 1 ? ` (${count} times)` : ''}`,
  );
}
