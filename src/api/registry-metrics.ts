/**
 * The catalogue of what a registry tells at `/metrics`: names of spec/13 §7 where they mean the same here. A test
 * compares it with docs/metrics.md, another with what a registry answers.
 */

interface MetricSpec {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

export const REGISTRY_METRICS = {
  pilot_registry_info: { type: 'gauge', labels: ['version'], help: 'Always 1' },
  pilot_uptime_seconds: { type: 'gauge', labels: [], help: 'Since this process serves' },
  pilot_store_ready: { type: 'gauge', labels: [], help: '1 while the store answers' },
  pilot_requests_total: {
    type: 'counter',
    labels: ['type'],
    help: 'Requests answered, refused ones too; types nobody knows count as unknown',
  },
  pilot_errors_total: { type: 'counter', labels: ['type'], help: 'Requests refused or failed' },
  pilot_request_duration_seconds: {
    type: 'histogram',
    labels: ['type'],
    help: 'From the whole request to its answer, the sync of the store included',
  },
  pilot_nodes_total: { type: 'gauge', labels: [], help: 'Node records, deregistered ones too' },
  pilot_nodes_registered: { type: 'gauge', labels: [], help: 'Registered nodes, at the last census' },
  pilot_nodes_online: { type: 'gauge', labels: [], help: 'Registered nodes that gave a sign of life lately' },
  pilot_nodes_public: { type: 'gauge', labels: [], help: 'Registered nodes that strangers may find' },
  pilot_task_executors: { type: 'gauge', labels: [], help: 'Registered nodes that execute tasks' },
  pilot_trust_links: { type: 'gauge', labels: [], help: 'Trust pairs that have not ended' },
  pilot_networks_total: { type: 'gauge', labels: [], help: 'Networks, without the backbone' },
  pilot_network_members: {
    type: 'gauge',
    labels: ['network'],
    help: 'Members of the 100 largest networks',
  },
  pilot_network_policy_set: {
    type: 'gauge',
    labels: ['network'],
    help: '1 for those of them whose policy restricts anything',
  },
  pilot_census_age_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Since the counts above that need a walk over all nodes were taken',
  },
  pilot_registrations_total: { type: 'counter', labels: [], help: 'Registrations, repeated ones too' },
  pilot_deregistrations_total: { type: 'counter', labels: [], help: 'Nodes that took their leave' },
  pilot_trust_reports_total: { type: 'counter', labels: [], help: 'Reports of trust that were taken' },
  pilot_trust_revocations_total: { type: 'counter', labels: [], help: 'Revocations that were taken' },
  pilot_handshake_requests_total: { type: 'counter', labels: [], help: 'Requests for trust that were taken' },
  pilot_key_rotations_total: { type: 'counter', labels: [], help: 'Keys replaced' },
  pilot_invites_sent_total: { type: 'counter', labels: [], help: 'Invitations to networks' },
  pilot_invites_accepted_total: { type: 'counter', labels: [], help: 'Invitations followed' },
  pilot_invites_rejected_total: { type: 'counter', labels: [], help: 'Invitations declined' },
  pilot_policy_changes_total: { type: 'counter', labels: [], help: 'Policies of networks changed' },
  pilot_rbac_operations_total: {
    type: 'counter',
    labels: ['op'],
    help: 'Roles in networks changed: kick, promote, demote, transfer_ownership',
  },
  pilot_registry_connections: { type: 'gauge', labels: [], help: 'Connections of clients' },
  pilot_registry_connections_refused_total: {
    type: 'counter',
    labels: [],
    help: 'Connections refused: too many, or too many from one place',
  },
  pilot_registry_connections_proven: {
    type: 'gauge',
    labels: [],
    help: 'Of those, the ones that proved which node they are',
  },
  pilot_registry_slow_readers_total: {
    type: 'counter',
    labels: [],
    help: 'Clients cut because they did not take what they were sent',
  },
  pilot_registry_waiting: { type: 'gauge', labels: [], help: 'Clients whose request waits for its turn' },
  pilot_registry_unsent_bytes: { type: 'gauge', labels: [], help: 'Answers that clients have not taken' },
  pilot_registry_buffered_bytes: { type: 'gauge', labels: [], help: 'Unfinished requests held in memory' },
  pilot_beacon_nodes: {
    type: 'gauge',
    labels: ['proven'],
    help: 'Nodes at the beacon of this process, by whether they proved their key',
  },
  pilot_beacon_relayed_frames_total: {
    type: 'counter',
    labels: [],
    help: 'Frames the beacon of this process relayed',
  },
  pilot_beacon_relayed_bytes_total: {
    type: 'counter',
    labels: [],
    help: 'Bytes the beacon of this process relayed',
  },
  pilot_beacon_dropped_total: {
    type: 'counter',
    labels: ['reason'],
    help: 'Datagrams the beacon of this process dropped',
  },
  pilot_beacon_rtt_seconds: {
    type: 'gauge',
    labels: ['beacon'],
    help: 'Round trip from this process to the beacons it knows',
  },
  pilot_audit_events_total: { type: 'counter', labels: [], help: 'Entries of the audit log ever made' },
  pilot_webhooks: { type: 'gauge', labels: [], help: 'Webhooks there are' },
  pilot_webhook_waiting: { type: 'gauge', labels: [], help: 'Deliveries that are to be tried again' },
  pilot_webhook_dead_letters: { type: 'gauge', labels: [], help: 'Deliveries that were given up' },
  pilot_dashboard_streams: { type: 'gauge', labels: [], help: 'Dashboard pages that are kept up to date' },
  pilot_http_requests_total: {
    type: 'counter',
    labels: ['code'],
    help: 'Answers over HTTP, by status code',
  },
  pilot_http_request_duration_seconds: {
    type: 'histogram',
    labels: [],
    help: 'From a whole HTTP request to its answer; open streams do not count',
  },
} as const satisfies Readonly<Record<string, MetricSpec>>;

export type RegistryMetricName = keyof typeof REGISTRY_METRICS;

/** Upper bounds of the buckets of request times, in seconds. spec/13 §7 */
export const REQUEST_BUCKETS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
];
