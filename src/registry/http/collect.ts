import type { UnixMillis } from '../../base/units.ts';
import type { ServerStats } from '../server.ts';
import type { CensusResult } from './census.ts';
import type { Meters } from './meters.ts';

/** What the beacon of this process says of itself. */
export interface BeaconStats {
  readonly nodes: number;
  readonly provenNodes: number;
  readonly relayedFrames: number;
  readonly relayedBytes: number;
  readonly drops: Readonly<Record<string, number>>;
}

export interface Collected {
  readonly version: string;
  /** Seconds. */
  readonly uptime: number;
  readonly ready: boolean;
  readonly records: number;
  readonly online: number;
  readonly census: CensusResult | undefined;
  readonly now: UnixMillis;
  readonly server: ServerStats;
  readonly beacon: BeaconStats;
  /** Milliseconds by beacon. */
  readonly rtts: ReadonlyMap<string, number>;
  readonly streams: number;
  /** Entries of the audit log ever made. */
  readonly audit: number;
  readonly webhooks: { readonly count: number; readonly waiting: number; readonly dead: number };
}

/** Sets what is not counted as it happens. */
export function collect(meters: Meters, found: Collected): void {
  const { census, server, beacon } = found;
  meters.gauge('pilot_registry_info').set({ version: found.version }, 1);
  meters.gauge('pilot_uptime_seconds').set(found.uptime);
  meters.gauge('pilot_store_ready').set(found.ready ? 1 : 0);
  meters.gauge('pilot_nodes_total').set(found.records);
  meters.gauge('pilot_nodes_online').set(found.online);
  meters.gauge('pilot_dashboard_streams').set(found.streams);
  meters.gauge('pilot_registry_connections').set(server.connections);
  meters.counted('pilot_registry_connections_refused_total', server.refused);
  meters.gauge('pilot_registry_connections_proven').set(server.proven);
  meters.counted('pilot_registry_slow_readers_total', server.dropped);
  meters.gauge('pilot_registry_waiting').set(server.waiting);
  meters.gauge('pilot_registry_buffered_bytes').set(server.bufferedBytes);
  meters.gauge('pilot_registry_unsent_bytes').set(server.unsentBytes);
  meters.counted('pilot_audit_events_total', found.audit);
  meters.gauge('pilot_webhooks').set(found.webhooks.count);
  meters.gauge('pilot_webhook_waiting').set(found.webhooks.waiting);
  meters.gauge('pilot_webhook_dead_letters').set(found.webhooks.dead);
  meters.gauge('pilot_beacon_nodes').set({ proven: 'true' }, beacon.provenNodes);
  meters.gauge('pilot_beacon_nodes').set({ proven: 'false' }, beacon.nodes - beacon.provenNodes);
  meters.counted('pilot_beacon_relayed_frames_total', beacon.relayedFrames);
  meters.counted('pilot_beacon_relayed_bytes_total', beacon.relayedBytes);
  for (const [reason, count] of Object.entries(beacon.drops))
    meters.counted('pilot_beacon_dropped_total', count, { reason });
  const rtt = meters.gauge('pilot_beacon_rtt_seconds');
  rtt.reset();
  for (const [beaconAt, milliseconds] of found.rtts) rtt.set({ beacon: beaconAt }, milliseconds / 1000);
  if (census === undefined) return;
  meters.gauge('pilot_nodes_registered').set(census.registered);
  meters.gauge('pilot_nodes_public').set(census.public);
  meters.gauge('pilot_task_executors').set(census.executors);
  meters.gauge('pilot_trust_links').set(census.links);
  meters.gauge('pilot_networks_total').set(census.networks);
  meters.gauge('pilot_census_age_seconds').set(Math.max(0, (found.now - census.at) / 1000));
  const [members, policy] = [meters.gauge('pilot_network_members'), meters.gauge('pilot_network_policy_set')];
  members.reset();
  policy.reset();
  for (const network of census.largest) {
    members.set({ network: network.name }, network.members);
    const restricts = network.exprPolicy !== '' || network.ports.length > 0 || network.maxMembers > 0;
    policy.set({ network: network.name }, restricts ? 1 : 0);
  }
}
