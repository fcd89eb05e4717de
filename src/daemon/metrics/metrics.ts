import { METRICS, type MetricName } from '../../api/metrics.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { NodeId } from '../../base/units.ts';
import type { PilotNode } from '../../core/node.ts';
import type { PortMappingStatus } from '../../core/port-mapping/types.ts';
import type { PathStatus } from '../../core/tunnel/types.ts';
import type { Info, MetricRow, SampleRow } from '../../ipc/methods.ts';
import type { Clock, Log } from '../../runtime/ports.ts';
import { EventCounts } from './event-counts.ts';
import { TimeHistogram } from './histogram.ts';

/** Counts what can't be asked for later, and puts all metrics together when asked. */
export class Metrics {
  /** To be used in place of the log. */
  readonly log: EventCounts;
  readonly #firstPath = new TimeHistogram();
  readonly #firstDirect = new TimeHistogram();
  readonly #punches = new Map<string, { labels: Record<string, string>; count: number }>();
  readonly #punchPackets = new Map<string, number>();
  readonly #clock: Clock;
  #node: PilotNode | undefined;

  constructor(log: Log, clock: Clock) {
    this.#clock = clock;
    this.log = new EventCounts(log, (name, fields) => this.#count(name, fields));
  }

  watch(node: PilotNode): void {
    this.#node = node;
  }

  #count(name: string, fields: Readonly<Record<string, unknown>>): void {
    if (name === 'tunnel.path_changed') this.#measure(fields.peer as NodeId);
    else if (name === 'tunnel.punch_ended') {
      const { strategy, outcome, packets } = fields as { strategy: string; outcome: string; packets: number };
      const key = `${strategy} ${outcome}`;
      const known = this.#punches.get(key) ?? { labels: { strategy, outcome }, count: 0 };
      known.count++;
      this.#punches.set(key, known);
      this.#punchPackets.set(strategy, (this.#punchPackets.get(strategy) ?? 0) + packets);
    }
  }

  /** A change to the first path, or to the first direct one, is told when it happens. */
  #measure(peer: NodeId): void {
    const facts = this.#node?.pathFacts(peer, this.#clock.now());
    if (facts?.startedAt === undefined || facts.changedAt === undefined) return;
    const { startedAt, changedAt } = facts;
    if (facts.firstProvenAt === changedAt) this.#firstPath.observe(changedAt - startedAt);
    if (facts.firstDirectAt === changedAt) this.#firstDirect.observe(changedAt - startedAt);
  }

  /** Every metric of the catalogue, in its order. */
  collect(node: PilotNode, info: Info, portMapping: string): MetricRow[] {
    const nat = node.nat();
    const beacons = node.beacons();
    const values: Record<MetricName, SampleRow[]> = {
      pilot_info: [{ labels: { version: info.version }, value: 1 }],
      pilot_uptime_seconds: one(info.uptime_secs),
      pilot_registered: one(info.registered ? 1 : 0),
      pilot_registry_connected: one(info.registry_connected ? 1 : 0),
      pilot_trusted_peers: one(info.trusted_count),
      pilot_peers: peersByPath(node),
      pilot_connections: one(info.connections),
      pilot_sent_bytes_total: one(info.bytes_sent),
      pilot_received_bytes_total: one(info.bytes_recv),
      pilot_sent_packets_total: one(info.pkts_sent),
      pilot_received_packets_total: one(info.pkts_recv),
      pilot_dropped_total: Object.entries(info.drops).map(([reason, value]) => ({
        labels: { reason },
        value,
      })),
      pilot_nat_info: [
        {
          labels: {
            ...{ translation: nat.translation, mapping: nat.mapping },
            ...{ filtering: nat.filtering, allocation: nat.allocation },
          },
          value: 1,
        },
      ],
      pilot_beacon_usable: beacons.map(({ endpoint, usable }) => ({
        labels: { beacon: nameOf(endpoint) },
        value: usable ? 1 : 0,
      })),
      pilot_beacon_rtt_seconds: beacons.flatMap(({ endpoint, rtt }) =>
        rtt === undefined ? [] : [{ labels: { beacon: nameOf(endpoint) }, value: seconds(rtt) }],
      ),
      pilot_port_mapped: [{ labels: { method: portMapping }, value: portMapping === '' ? 0 : 1 }],
      pilot_path_rtt_seconds: byPath(node, ({ rtt }) => (rtt === undefined ? undefined : seconds(rtt))),
      pilot_path_datagram_bytes: byPath(node, ({ size }) => size),
      pilot_first_path_seconds: this.#firstPath.samples(),
      pilot_first_direct_seconds: this.#firstDirect.samples(),
      pilot_punches_total: [...this.#punches.values()].map(({ labels, count }) => ({ labels, value: count })),
      pilot_punch_packets_total: [...this.#punchPackets].map(([strategy, value]) => ({
        labels: { strategy },
        value,
      })),
      pilot_events_total: this.log.all().map(([event, value]) => ({ labels: { event }, value })),
    };
    return (Object.keys(METRICS) as MetricName[]).map((name) => ({
      ...{ name, type: METRICS[name].type, help: METRICS[name].help },
      samples: values[name],
    }));
  }
}

/** The method of the mapping there is; "" without one. */
export function mappedBy(mapper: { status(): PortMappingStatus }): string {
  const { method, external } = mapper.status();
  return external === undefined ? '' : (method ?? '');
}

function one(value: number): SampleRow[] {
  return [{ labels: {}, value }];
}

function nameOf(endpoint: Parameters<typeof formatEndpoint>[0]): string {
  return endpoint.host.startsWith('ws') ? endpoint.host : formatEndpoint(endpoint);
}

const PATHS = ['lan', 'direct', 'relay', 'none'] as const;

function peersByPath(node: PilotNode): SampleRow[] {
  const peers = node.peers();
  return PATHS.map((path) => ({
    labels: { path },
    value: peers.filter((peer) => (peer.established ? (peer.selected?.kind ?? 'none') : 'none') === path)
      .length,
  }));
}

const QUANTILES = [0.5, 0.9, 1];

/** What is known of the paths in use, over all peers. */
function byPath(node: PilotNode, measure: (path: PathStatus) => number | undefined): SampleRow[] {
  const used = node.peers().flatMap(({ selected }) => selected ?? []);
  return PATHS.flatMap((path) => {
    const values = used
      .flatMap((one) => (one.kind === path ? (measure(one) ?? []) : []))
      .sort((a, b) => a - b);
    if (values.length === 0) return [];
    return QUANTILES.map((quantile) => ({
      labels: { path, quantile: String(quantile) },
      value: values[Math.ceil(quantile * values.length) - 1]!,
    }));
  });
}

/** To the microsecond. */
function seconds(millis: number): number {
  return Math.round(millis * 1000) / 1_000_000;
}
