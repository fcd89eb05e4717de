import { equal } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Random } from '../base/random.ts';
import type { TrustSnapshot } from '../core/trust/types.ts';
import { IpcServer } from '../ipc/server.ts';
import type { Clock, Log, Net, Storage, UdpSocket } from '../runtime/ports.ts';
import type { TrustRevocation } from '../wire/trust-revocation.ts';
import type { DaemonConfig } from './config.ts';
import { loadIdentity, loadStaged, STAGED_FILE, type StagedIdentity } from './identity.ts';
import { afterRotation } from './identity-rotation.ts';
import { type KnownNetworks, loadNetworks } from './networks-file.ts';
import type { Pin } from './pins.ts';
import { loadRevocations } from './revocations.ts';
import {
  loadNodeState,
  loadPeers,
  loadPins,
  loadTrust,
  type NodeState,
  type PeerNote,
  saveNodeState,
} from './state-file.ts';
import { bindTunnel } from './tunnel-socket.ts';

/** What exists before the daemon does. */
export interface Parts {
  readonly identity: SigningKey;
  /** A key rotation of the last run, not known to have ended. */
  readonly staged: StagedIdentity | undefined;
  readonly socket: UdpSocket;
  readonly ipc: IpcServer;
  readonly trust: TrustSnapshot | undefined;
  readonly state: NodeState;
  readonly peers: readonly PeerNote[];
  readonly pins: readonly Pin[];
  readonly networks: KnownNetworks | undefined;
  readonly revocations: readonly TrustRevocation[];
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
    const { state, staged } = await afterLastRotation(
      storage,
      crypto,
      identity,
      await loadNodeState(storage),
    );
    const peers = await loadPeers(storage);
    const pins = await loadPins(storage);
    const networks = await loadNetworks(storage, log);
    const revocations = await loadRevocations(storage, trust);
    const socket = await bindTunnel(net, config.listen ?? { host: '::', port: 0 }, state.udpPort);
    const atStart = stateAtStart(state, config, socket.local.port);
    return { identity, staged, socket, ipc, trust, state: atStart, peers, pins, networks, revocations };
  } catch (error) {
    await ipc.close();
    throw error;
  }
}

/** A rotation that had switched the identity before the last run ended needs only its traces removed. */
async function afterLastRotation(
  storage: Storage,
  crypto: Crypto,
  identity: SigningKey,
  saved: NodeState,
): Promise<{ state: NodeState; staged: StagedIdentity | undefined }> {
  const staged = await loadStaged(storage, crypto);
  if (staged === undefined || !equal(staged.key.publicKey, identity.publicKey))
    return { state: saved, staged };
  const state = { ...saved, ...afterRotation(staged, saved.rotations) };
  await saveNodeState(storage, state);
  await storage.remove(STAGED_FILE);
  return { state, staged: undefined };
}

/** What was saved, changed by what the configuration says now. */
function stateAtStart(saved: NodeState, config: DaemonConfig, udpPort: number): NodeState {
  const registries = config.registries.map(formatEndpoint);
  // Another registry knows somebody else by our id.
  const isKnown = registries.some((registry) => saved.registries.includes(registry));
  return {
    ...saved,
    ...(!isKnown && { node: undefined, keyEpoch: 0, rotations: [] }),
    hostname: config.hostname ?? saved.hostname,
    public: config.public ?? saved.public,
    registries,
    udpPort,
  };
}
