/** The beacon's sockets: a UDP shell around core/relay, with key lookups and peer discovery injected. */

import { asPilotError } from '../api/errors.ts';
import type { Crypto } from '../base/crypto.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, Millis, NodeId } from '../base/units.ts';
import { Relay } from '../core/relay/relay.ts';
import type { RelayConfig, RelayEntry, RelayEvent, RelayStats } from '../core/relay/types.ts';
import { drive } from '../runtime/drive.ts';
import type { Clock, Log, Net, Timer, UdpSocket } from '../runtime/ports.ts';
import { KeyLookups, type LookupKey } from './key-lookups.ts';
import { type DiscoverPeersOptions, discoverPeers } from './peer-discovery.ts';

/** Chosen: often enough to see an attack in the log, seldom enough not to fill it. */
const SUMMARY_INTERVAL: Millis = 600_000;

/** How often what was dropped is written to the log, when anything was. */
const REPORT_INTERVAL: Millis = 600_000;

export interface BeaconOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Where to listen; the usual UDP port is 9001. */
  readonly bind: Endpoint;
  /** A second port, from which nodes learn how their NAT maps and filters. @default none */
  readonly alternateBind?: Endpoint | undefined;
  /** Go on without the second port when it is taken. @default false */
  readonly alternateOptional?: boolean;
  /** Takes what is for a node on one of the streams told with `attach`. */
  readonly onStreamTransmit?: ((stream: Endpoint, data: Uint8Array) => void) | undefined;
  /** Without it no node can prove itself. */
  readonly lookupKey?: LookupKey | undefined;
  /** Peer beacons whose gossip counts. */
  readonly peers?: readonly Endpoint[] | undefined;
  /** Finds further peers through a registry; they replace `peers`. */
  readonly discovery?: Pick<DiscoverPeersOptions, 'registry' | 'beaconId' | 'advertise'> | undefined;
  readonly config?: Partial<RelayConfig> | undefined;
}

export interface Beacon {
  readonly endpoint: Endpoint;
  readonly alternateEndpoint: Endpoint | undefined;
  stats(): RelayStats;
  entries(): readonly RelayEntry[];
  /** Replaces the peer beacons. */
  setPeers(peers: readonly Endpoint[]): void;
  /**
   * A node holds a byte stream open, named `ws:<n>` with port 0: it can be reached there until `detach`. False when
   * the node is held by somebody else, or there is no room.
   */
  attach(node: NodeId, stream: Endpoint, proven: boolean): boolean;
  detach(stream: Endpoint): void;
  /** A datagram that came by a stream. */
  handleStream(stream: Endpoint, data: Uint8Array): void;
  close(): Promise<void>;
}

/** Binds the socket and serves until closed. Errors: `port_in_use`, `io_error`. */
export async function startBeacon(options: BeaconOptions): Promise<Beacon> {
  const { net, clock, random, crypto, log, lookupKey } = options;
  const socket = await net.udp(options.bind);
  const second = await bindSecond(options, socket);
  const relay = new Relay({
    crypto,
    random: random.fork('relay'),
    config: {
      beaconId: options.discovery?.beaconId ?? 0,
      ...options.config,
      alternatePort: second?.local.port ?? 0,
      challenges: (options.config?.challenges ?? true) && lookupKey !== undefined,
    },
  });
  const lookups = new KeyLookups(lookupKey, (node, answer, claimed) => {
    driver.run(() => relay.identityKey(node, answer, clock.now(), claimed));
  });
  const driver = drive(relay, clock, (output) => {
    switch (output.type) {
      case 'transmit':
        if (output.to.port === 0) options.onStreamTransmit?.(output.to, output.data);
        else if (output.alternate === true) second?.send(output.data, output.to);
        else socket.send(output.data, output.to);
        return;
      case 'needKey':
        lookups.request(output.node, output.claimed);
        return;
      case 'event':
        logEvent(log, output.event);
        return;
      default:
        output satisfies never;
    }
  });
  socket.onDatagram((data, from) => driver.run(() => relay.handleDatagram(from, data, clock.now())));
  second?.onDatagram((data, from) => driver.run(() => relay.handleDatagram(from, data, clock.now(), true)));
  const setPeers = (peers: readonly Endpoint[]): void => driver.run(() => relay.setPeers(peers));
  if (options.peers !== undefined && options.peers.length > 0) setPeers(options.peers);
  const discovery =
    options.discovery &&
    discoverPeers({ net, clock, log, ...options.discovery, local: socket.local, onPeers: setPeers });
  log.event('info', 'beacon.started', { port: socket.local.port });
  let reported = 0;
  const report = (): void => {
    const { nodes, provenNodes, drops } = relay.stats();
    const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0);
    if (dropped !== reported) log.event('info', 'beacon.dropped', { nodes, proven: provenNodes, ...drops });
    reported = dropped;
  };
  const repeat = (): void => {
    report();
    reporting = clock.at(clock.now() + REPORT_INTERVAL, repeat);
  };
  let reporting = clock.at(clock.now() + REPORT_INTERVAL, repeat);
  let summary: Timer | undefined;
  const summarize = (): void => {
    log.event('info', 'beacon.summary', { ...relay.stats() });
    summary = clock.at(clock.now() + SUMMARY_INTERVAL, summarize);
  };
  summary = clock.at(clock.now() + SUMMARY_INTERVAL, summarize);

  return {
    endpoint: socket.local,
    alternateEndpoint: second?.local,
    stats: () => relay.stats(),
    entries: () => relay.entries(),
    setPeers,
    attach(node, stream, proven) {
      let taken = false;
      driver.run(() => {
        taken = relay.attach(node, stream, proven, clock.now());
      });
      return taken;
    },
    detach: (stream) => driver.run(() => relay.detach(stream)),
    handleStream: (stream, data) => driver.run(() => relay.handleDatagram(stream, data, clock.now())),
    async close() {
      summary?.cancel();
      discovery?.stop();
      lookups.stop();
      driver.stop();
      reporting.cancel();
      await socket.close();
      await second?.close();
      report();
      log.event('info', 'beacon.stopped');
    },
  };
}

async function bindSecond(
  { net, log, alternateBind, alternateOptional = false }: BeaconOptions,
  first: UdpSocket,
): Promise<UdpSocket | undefined> {
  if (alternateBind === undefined) return undefined;
  try {
    return await net.udp(alternateBind);
  } catch (thrown) {
    const { code, message } = asPilotError(thrown);
    if (alternateOptional && code === 'port_in_use') {
      log.event('warn', 'beacon.no_second_port', { port: alternateBind.port, message });
      return undefined;
    }
    await first.close();
    throw thrown;
  }
}

function logEvent(log: Log, event: RelayEvent): void {
  switch (event.name) {
    case 'relay.moved':
      log.event('debug', 'beacon.node_moved', { node: event.node, proven: event.proven });
      return;
    case 'relay.held':
      log.event('debug', 'beacon.claim_refused', { node: event.node });
      return;
    case 'relay.peer_silent':
      log.event('warn', 'beacon.peer_silent', { peer: formatEndpoint(event.peer) });
      return;
    default:
      event satisfies never;
  }
}
