import type { NodeId } from '../base/units.ts';
import type { NetworkRequests } from '../directory/network-requests.ts';
import type { RecordRequests } from '../directory/record-requests.ts';
import type {
  DirectoryState,
  HandshakeTarget,
  HeartbeatReply,
  NamedNode,
  NodeInfo,
  PeerEndpoints,
  PolledHandshakes,
  Registered,
  RegisterOptions,
  RegistryPush,
} from '../directory/types.ts';

/** Signed records, key rotations, certificates, and finding nodes: `Directory.records`. */
export type RegistryRecords = Pick<
  RecordRequests,
  'publishRecord' | 'rotateKey' | 'useIdentity' | 'findNodes' | 'certificateWith'
>;

/** Requests about networks: `Directory.networks`. */
export type RegistryNetworks = Pick<NetworkRequests, keyof NetworkRequests>;

/** What the daemon uses of `Directory`. Failures are PilotErrors; `registry_unreachable` when it is away. */
export interface RegistryClient {
  readonly state: DirectoryState;
  /** The registry tells at once what concerns us. */
  readonly pushes?: boolean;
  /** What it said to the registration on the connection of now. */
  readonly registered?: Registered | undefined;
  start(): void;
  close(): void;
  /** The host may be on another network. */
  networkChanged(): void;
  /** The connection may have died unnoticed. */
  check(): void;
  /** A user waits for what the registry says. */
  hurry(): void;
  onPush(receiver: (push: RegistryPush) => void): void;
  onState(receiver: (state: DirectoryState) => void): void;
  register(options: RegisterOptions): Promise<Registered>;
  heartbeat(): Promise<HeartbeatReply>;
  lookup(node: NodeId, claimed?: Uint8Array): Promise<NodeInfo>;
  /** `claimed` is the key under which the node presented itself. */
  identityKey(node: NodeId, claimed?: Uint8Array): Promise<Uint8Array | undefined>;
  resolve(node: NodeId): Promise<PeerEndpoints>;
  resolveHostname(name: string): Promise<NamedNode>;
  setHostname(name: string): Promise<unknown>;
  setVisibility(isPublic: boolean): Promise<unknown>;
  setTags(tags: readonly string[]): Promise<unknown>;
  deregister(): Promise<unknown>;
  requestHandshake(request: {
    target: HandshakeTarget;
    justification: string;
    message: string;
  }): Promise<unknown>;
  respondHandshake(response: { peer: NodeId; accept: boolean; message: string }): Promise<unknown>;
  pollHandshakes(): Promise<PolledHandshakes>;
  reportTrust(peer: NodeId, certificate?: string): Promise<unknown>;
  revokeTrust(peer: NodeId, message?: string, revocation?: string): Promise<unknown>;
  readonly records: RegistryRecords;
  readonly networks: RegistryNetworks;
  call(type: string, fields: object, options?: { signed?: boolean }): Promise<object>;
}
