/**
 * The catalogue of metrics: what `pilotctl metrics` prints. Names, units and labels follow the rules of Prometheus and
 * OpenMetrics: base units, `_total` on what only grows. A test compares it with docs/metrics.md.
 */

interface MetricSpec {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

export const METRICS = {
  pilot_info: { type: 'gauge', labels: ['version'], help: 'Always 1' },
  pilot_uptime_seconds: { type: 'gauge', labels: [], help: 'Since the daemon started' },
  pilot_registered: { type: 'gauge', labels: [], help: '1 when the registry knows this node as it is now' },
  pilot_registry_connected: {
    type: 'gauge',
    labels: [],
    help: '1 while the connection to the registry stands',
  },
  pilot_trusted_peers: { type: 'gauge', labels: [], help: 'Peers with whom there is mutual trust' },
  pilot_peers: {
    type: 'gauge',
    labels: ['path'],
    help: 'Peers with a tunnel by the path in use: lan, direct, relay, or none',
  },
  pilot_connections: { type: 'gauge', labels: [], help: 'Open streams' },
  pilot_sent_bytes_total: { type: 'counter', labels: [], help: 'UDP payload sent' },
  pilot_received_bytes_total: { type: 'counter', labels: [], help: 'UDP payload received' },
  pilot_sent_packets_total: { type: 'counter', labels: [], help: 'Datagrams sent' },
  pilot_received_packets_total: { type: 'counter', labels: [], help: 'Datagrams received' },
  pilot_dropped_total: {
    type: 'counter',
    labels: ['reason'],
    help: 'Datagrams and messages dropped; the reasons are those of pilotctl info',
  },
  pilot_nat_info: {
    type: 'gauge',
    labels: ['translation', 'mapping', 'filtering', 'allocation'],
    help: 'Always 1; how the NAT in front of this node behaves, in terms of RFC 4787',
  },
  pilot_beacon_usable: { type: 'gauge', labels: ['beacon'], help: '1 while the beacon answers' },
  pilot_beacon_rtt_seconds: { type: 'gauge', labels: ['beacon'], help: 'Round trip to the beacon' },
  pilot_port_mapped: {
    type: 'gauge',
    labels: ['method'],
    help: '1 while the router forwards a port to this node',
  },
  pilot_path_rtt_seconds: {
    type: 'gauge',
    labels: ['path', 'quantile'],
    help: 'Round trips of the paths in use, over all peers: 0.5, 0.9 and 1',
  },
  pilot_path_datagram_bytes: {
    type: 'gauge',
    labels: ['path', 'quantile'],
    help: 'UDP payload that datagrams of the paths in use may have, over all peers: 0.5, 0.9 and 1',
  },
  pilot_first_path_seconds: {
    type: 'histogram',
    labels: [],
    help: 'From the first frame to a peer to the first path that was proven',
  },
  pilot_first_direct_seconds: {
    type: 'histogram',
    labels: [],
    help: 'From the first frame to a peer to the first direct path that was proven',
  },
  pilot_punches_total: {
    type: 'counter',
    labels: ['strategy', 'outcome'],
    help: 'Attempts to open a direct path that ended: outcome direct, no_answer, refused or over_budget',
  },
  pilot_punch_packets_total: {
    type: 'counter',
    labels: ['strategy'],
    help: 'Packets spent on such attempts',
  },
  pilot_events_total: {
    type: 'counter',
    labels: ['event'],
    help: 'Events of docs/events.md, logged or not',
  },
} as const satisfies Readonly<Record<string, MetricSpec>>;

export type MetricName = keyof typeof METRICS;

/** Upper bounds of the buckets of histograms of times, in seconds. Chosen: from one round trip on a LAN to patience. */
export const TIME_BUCKETS: readonly number[] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30];
