import type { Acceleration } from '../api/acceleration.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import { natName } from '../core/nat/describe.ts';
import type { PilotNode } from '../core/node.ts';
import type { ConnStatus } from '../core/stream/types.ts';
import type { PeerStatus } from '../core/tunnel/types.ts';
import type { OwnNetwork } from '../directory/network-types.ts';
import type { ConnectionRow, Health, Info, PeerRow } from '../ipc/methods.ts';
import type { Storage } from '../runtime/ports.ts';
import { formatAddress } from '../wire/address.ts';
import { encodeBase64 } from '../wire/base64.ts';
import type { Carriers } from './carriers/carriers.ts';
import type { DaemonConfig } from './config.ts';
import type { Identities } from './identities.ts';
import type { OwnState } from './own-state.ts';
import type { Registration } from './registration.ts';
import type { RegistryClient } from './registry-client.ts';
import { addressText } from './targets.ts';

/** Entries per list of Info: with both lists full the reply stays below the 1 MiB of one frame. */
const LIST_LIMIT = 1000;

/** Counters of the UDP socket. */
export interface Traffic {
  bytesSent: number;
  bytesReceived: number;
  packetsSent: number;
  packetsReceived: number;
}

export interface InfoSource {
  readonly node: PilotNode;
  readonly own: OwnState;
  readonly identities: Identities;
  readonly networks: readonly OwnNetwork[];
  readonly config: DaemonConfig;
  readonly storage: Storage;
  readonly registration: Registration;
  readonly registry: RegistryClient;
  readonly uptime: number;
  readonly ports: number;
  readonly traffic: Traffic;
  readonly beacons: readonly Endpoint[];
  readonly listenEndpoint: Endpoint;
  readonly carriers: Carriers;
  readonly acceleration: Acceleration;
}

const LIVE_STATES: readonly string[] = ['ESTABLISHED', 'SYN_SENT', 'SYN_RECV'];

export function infoOf(source: InfoSource): Info {
  const { node, traffic, identities, own, config, storage } = source;
  const peers = node.peers();
  const connections = node.connections();
  const established = peers.filter((peer) => peer.established).length;
  const observed = node.observed();
  const drops = node.drops();
  const carried = source.carriers.status();
  return {
    node_id: own.nodeId,
    address: addressText(own.nodeId),
    hostname: own.hostname,
    uptime_secs: Math.floor(source.uptime / 1000),
    connections: connections.filter((conn) => LIVE_STATES.includes(conn.state)).length,
    ports: source.ports,
    peers: peers.length,
    encrypted_peers: established,
    authenticated_peers: established,
    encrypt: true,
    identity: true,
    public_key: encodeBase64(identities.identity.publicKey),
    email: config.owner ?? '',
    bytes_sent: traffic.bytesSent,
    bytes_recv: traffic.bytesReceived,
    pkts_sent: traffic.packetsSent,
    pkts_recv: traffic.packetsReceived,
    tunnel_encryption_success: traffic.packetsSent,
    tunnel_encryption_failure: Object.values(drops).reduce((sum, count) => sum + count, 0),
    handshake_pending_count: node.pending().length,
    version: config.version,
    networks:
      source.networks.length === 0
        ? null
        : source.networks.map(({ network, name, role }) => ({
            network_id: network,
            address: formatAddress({ network, node: own.nodeId }),
            name,
            role,
          })),
    peer_list: peers.slice(0, LIST_LIMIT).map((peer) => ({
      node_id: peer.node,
      endpoint: peer.selected === undefined ? '' : formatEndpoint(peer.selected.endpoint),
      encrypted: peer.established,
      authenticated: peer.established,
      relay: peer.selected?.kind === 'relay',
    })),
    conn_list: connections.slice(0, LIST_LIMIT).map(connectionRow),
    ...(peers.length > LIST_LIMIT && { peer_list_truncated: peers.length - LIST_LIMIT }),
    ...(connections.length > LIST_LIMIT && { conn_list_truncated: connections.length - LIST_LIMIT }),
    ...(own.hostnameError !== undefined && { hostname_error: own.hostnameError }),
    fingerprint: identities.fingerprint,
    verified_name: identities.ownName(addressText(own.nodeId)),
    key_epoch: own.current.keyEpoch,
    key_rotation_open: identities.rotation.isOpen,
    record_seq: identities.record.current?.seq ?? null,
    services: own.current.services,
    tags: own.current.tags,
    warnings: identities.warnings.list().map(({ code, message, at, count, node: about }) => ({
      code,
      message,
      at: Math.floor(at / 1000),
      count,
      ...(about !== undefined && { node_id: about }),
    })),
    public: own.current.public,
    registered: source.registration.isRegistered,
    registry: config.registries.map(formatEndpoint).join(','),
    registry_connected: source.registry.state === 'connected',
    beacons: source.beacons.map(formatEndpoint),
    endpoint: observed === undefined ? '' : formatEndpoint(observed),
    listen_endpoint: formatEndpoint(source.listenEndpoint),
    nat: natName(node.nat()),
    transport: carried.transport,
    transport_in_use: carried.inUse,
    carrier: carried.url ?? '',
    proxy: carried.proxy ?? '',
    acceleration: source.acceleration,
    relay_peer_count: peers.filter((peer) => peer.selected?.kind === 'relay').length,
    trusted_count: node.trusted().length,
    inbox_dir: storage.describe('inbox'),
    received_dir: storage.describe('received'),
    drops,
    features: ['call', 'credit', 'unbind', 'dial_cancel', 'dgram_confirm'],
  };
}

export function healthOf(info: Info): Health {
  return {
    status: 'ok',
    uptime_seconds: info.uptime_secs,
    connections: info.connections,
    peers: info.peers,
    bytes_sent: info.bytes_sent,
    bytes_recv: info.bytes_recv,
  };
}

export function connectionRow(conn: ConnStatus): ConnectionRow {
  return {
    id: conn.id,
    local_port: conn.localPort,
    remote_addr: formatAddress(conn.remote),
    remote_port: conn.remotePort,
    state: conn.state,
    cong_win: Math.round(conn.congestionWindow),
    ssthresh: Number.isFinite(conn.slowStartThreshold) ? Math.round(conn.slowStartThreshold) : 0xffff_ffff,
    in_flight: conn.inFlight,
    srtt_ms: Math.round(conn.smoothedRtt),
    rttvar_ms: Math.round(conn.rttVariance),
    unacked: conn.unacknowledged,
    ooo_buf: conn.outOfOrder,
    peer_recv_win: conn.peerWindow,
    recv_win: conn.receiveWindow,
    in_recovery: conn.inRecovery,
    bytes_sent: conn.bytesSent,
    bytes_recv: conn.bytesReceived,
    segs_sent: conn.segmentsSent,
    segs_recv: conn.segmentsReceived,
    retransmits: conn.retransmits,
    fast_retx: conn.fastRetransmits,
    sack_recv: conn.sackReceived,
    sack_sent: conn.sackSent,
    dup_acks: conn.duplicateAcks,
  };
}

export function peerRow(
  peer: PeerStatus,
  {
    hostname,
    trusted,
    ...identity
  }: Pick<PeerRow, 'hostname' | 'trusted' | 'fingerprint' | 'identity_changed'>,
): PeerRow {
  return {
    node_id: peer.node,
    address: addressText(peer.node),
    hostname,
    established: peer.established,
    trusted,
    ...identity,
    path: peer.selected?.kind ?? '',
    endpoint: peer.selected === undefined ? '' : formatEndpoint(peer.selected.endpoint),
    rtt_ms: peer.selected?.rtt ?? null,
    bytes_sent: peer.bytesSent,
    bytes_recv: peer.bytesReceived,
    datagram_size: peer.selected?.size ?? null,
    paths: peer.paths.map((path) => ({
      kind: path.kind,
      endpoint: formatEndpoint(path.endpoint),
      rtt_ms: path.rtt ?? null,
      selected: path.selected,
      datagram_size: path.size,
    })),
  };
}
