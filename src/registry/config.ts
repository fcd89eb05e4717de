import type { Endpoint, Millis } from '../base/units.ts';
import type { WebhookReach } from './webhooks/url.ts';

/** Limits and switches of a registry. Every bound exists so that no client can take what others need. */
export interface RegistryConfig {
  /** The operator's own token; empty: only tokens made later count. @default '' */
  readonly adminToken: string;
  /** Wrong guesses at the operator's own token from one network address. @default 10, 1/30 s */
  readonly adminGuessesPerHost: { readonly burst: number; readonly perSecond: number };
  /** Entries of the audit log that are kept; older ones are dropped. @default 10_000_000 */
  readonly auditKept: number;
  /** Webhooks there may be. @default 32 */
  readonly webhooks: number;
  /** Where they may go: hosts of the Internet by HTTPS, or also hosts inside. @default 'public' */
  readonly webhookReach: WebhookReach;
  /** Told to clients that ask for a challenge. @default [] */
  readonly beacons: readonly Endpoint[];
  /**
   * Where nodes without UDP reach the beacon by WebSocket, told at registration: a `wss://` URL, or `host:port` for
   * `/v1/compat` there under the certificate of this registry. @default []
   */
  readonly carriers: readonly string[];
  /** Records ever made; ids are never reused. @default 1_000_000 */
  readonly maxNodes: number;
  /** New node records one network address may make: burst, then a steady rate. @default 1000, 5/s */
  readonly newNodesPerHost: { readonly burst: number; readonly perSecond: number };
  /** Hostnames somebody else has that one network address may ask for: what is taken is not for listing. @default 20, 1/30 s */
  readonly takenNamesPerHost: { readonly burst: number; readonly perSecond: number };
  /** Handshake requests waiting for one node. @default 100 (spec/10 §9) */
  readonly inboxPerTarget: number;
  /** Of those, from one network address. @default 50 */
  readonly inboxPerSource: number;
  /** Answers and revocations waiting for one node; the oldest gives way. @default 100 */
  readonly responsesPerTarget: number;
  /** How long a request counts as the requester's half of a trust. @default 7 days */
  readonly requestLifetime: Millis;
  /** Without a heartbeat for this long, a node is offline. @default 5 min (spec/10 §4.6) */
  readonly staleAfter: Millis;
  /** After this long offline, anybody may take a node's hostname. @default 180 days */
  readonly hostnameHeld: Millis;
  /** Largest difference between a signature's time and ours. @default 5 min */
  readonly signatureWindow: Millis;
  /** Who may make networks: every node that proved its key, or only who has the operator's token. @default 'anyone' */
  readonly networkCreation: 'anyone' | 'operator';
  /** Networks one node may own. @default 16 */
  readonly networksPerNode: number;
  /** Networks one node may be a member of. @default 256 */
  readonly membershipsPerNode: number;
  /** Members of one network; what its admins set can only be less. @default 100_000 */
  readonly membersPerNetwork: number;
  /** Of the 65535 network ids, which are never given twice, these are for the operator alone. @default 4096 */
  readonly networkIdsKept: number;
  /** Networks one network address may make. @default 32, 1/5 min */
  readonly newNetworksPerHost: { readonly burst: number; readonly perSecond: number };
  /** Networks all together may make, the operator aside: who has many network addresses must not use up the ids. @default 1000, 1/min */
  readonly newNetworks: { readonly burst: number; readonly perSecond: number };
  /** Wrong join tokens from one node, and from one network address. @default 10, 1/30 s */
  readonly joinAttempts: { readonly burst: number; readonly perSecond: number };
  /** Invitations waiting for one node, of those from one network address, and of one network. @default 100, 50, 1000 */
  readonly invitesPerTarget: number;
  readonly invitesPerSource: number;
  readonly invitesPerNetwork: number;
  /** @default 30 days (spec/12 §3.1) */
  readonly inviteLifetime: Millis;
  /** Members or networks in one answer. @default 10_000 */
  readonly listLimit: number;
  /** Accept what old clients do: registrations without proof, and signatures that cover no content. @default true */
  readonly legacySignatures: boolean;
  /** Key rotations of one node: burst, then a steady rate. @default 64, 1/min */
  readonly rotationsPerNode: { readonly burst: number; readonly perSecond: number };
  /** SHA-256 of our TLS certificate; signed requests that name a server must name this one. @default '' */
  readonly fingerprint: string;
}

const DAY = 24 * 60 * 60 * 1000;

export const DEFAULT_CONFIG: RegistryConfig = {
  adminToken: '',
  adminGuessesPerHost: { burst: 10, perSecond: 1 / 30 },
  auditKept: 10_000_000,
  webhooks: 32,
  webhookReach: 'public',
  beacons: [],
  carriers: [],
  maxNodes: 1_000_000,
  newNodesPerHost: { burst: 1000, perSecond: 5 },
  takenNamesPerHost: { burst: 20, perSecond: 1 / 30 },
  inboxPerTarget: 100,
  inboxPerSource: 50,
  responsesPerTarget: 100,
  requestLifetime: 7 * DAY,
  staleAfter: 5 * 60 * 1000,
  hostnameHeld: 180 * DAY,
  signatureWindow: 5 * 60 * 1000,
  networkCreation: 'anyone',
  networksPerNode: 16,
  membershipsPerNode: 256,
  membersPerNetwork: 100_000,
  networkIdsKept: 4096,
  newNetworksPerHost: { burst: 32, perSecond: 1 / 300 },
  newNetworks: { burst: 1000, perSecond: 1 / 60 },
  joinAttempts: { burst: 10, perSecond: 1 / 30 },
  invitesPerTarget: 100,
  invitesPerSource: 50,
  invitesPerNetwork: 1000,
  inviteLifetime: 30 * DAY,
  listLimit: 10_000,
  legacySignatures: true,
  rotationsPerNode: { burst: 64, perSecond: 1 / 60 },
  fingerprint: '',
};
