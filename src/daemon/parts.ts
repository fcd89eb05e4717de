import type { Crypto, SigningKey } from '../base/crypto.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Random } from '../base/random.ts';
import type { TrustSnapshot } from '../core/trust/types.ts';
import { IpcServer } from '../ipc/server.ts';
import type { Clock, Log, Net, Storage, UdpSocket } from '../runtime/ports.ts';
import type { DaemonConfig } from './config.ts';
import { loadIdentity } from './identity.ts';
import { loadNodeState, loadPeers, loadTrust, type NodeState, type PeerNote } from './state-file.ts';
import { bindTunnel } from './tunnel-socket.ts';

/** What exists before the daemon does. */
export interface Parts {
  readonly identity: SigningKey;
  readonly socket: UdpSocket;
  readonly ipc: IpcServer;
  readonly trust: TrustSnapshot | undefined;
  readonly state: NodeState;
  readonly peers: readonly PeerNote[];
}

/**
 * Takes the local socket, reads everything that was saved and binds the tunnel. Errors: `socket_in_use`,
 * `identity_invalid`, `state_corrupt`, `port_in_use`, `io_error`; nothing stays open then.
 */
export async function openParts(options: {
  readonly net: Net;
  readonly clock: Clock;
  readonly storage: Storage;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly log: Log;
  readonly config: DaemonConfig;
}): Promise<Parts> {
  const { storage, crypto, random, net, clock, config, log } = options;
  // First of all: two daemons must not share a home.
  const ipc = await IpcServer.claim({ net, clock, log, socketPath: config.socketPath });
  try {
    const identity = await loadIdentity(storage, crypto, random.fork('identity'));
    const trust = await loadTrust(storage);
    const state = await loadNodeState(storage);
    const peers = await loadPeers(storage);
    const socket = await bindTunnel(net, config.listen ?? { host: '0.0.0.0', port: 0 }, state.udpPort);
    return { identity, socket, ipc, trust, state: stateAtStart(state, config, socket.local.port), peers };
  } catch (error) {
    await ipc.close();
    throw error;
  }
}

/** What was saved, changed by what the configuration says now. */
function stateAtStart(saved: NodeState, config: DaemonConfig, udpPort: number): NodeState {
  const registries = config.registries.map(formatEndpoint);
  // Another registry knows somebody else by our id.
  const isKnown = registries.some((registry) => saved.registries.includes(registry));
  return {
    ...saved,
    node: isKnown ? saved.node : undefined,
    hostname: config.hostname ?? saved.hostname,
    public: config.public ?? saved.public,
    registries,
    udpPort,
  };
}
