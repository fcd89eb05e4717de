import type { Crypto } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, NodeId, UnixMillis } from '../../base/units.ts';
import type { Clock, Log } from '../../runtime/ports.ts';
import type { RegistryConfig } from '../config.ts';
import type { ConnectionState } from '../connection.ts';
import type { NodeRecord, Store } from '../store/store.ts';
import type { Admission } from './admission.ts';
import type { Sealer } from './audit/sealer.ts';
import type { BeaconList } from './beacon-list.ts';
import type { Budget } from './budget.ts';
import type { Contacts } from './contacts.ts';
import type { Fields } from './fields.ts';
import type { NetworkState } from './networks/state.ts';
import type { Operator } from './operators/operator.ts';
import { noSuchNode } from './refusal.ts';
import type { ReplayGuard } from './replay-guard.ts';
import type { Subscribers } from './subscribers.ts';

export interface CallContext {
  readonly remote: Endpoint;
  readonly connection: ConnectionState;
  /** Known without a token: whoever may use the registry's own files. */
  readonly operator?: Operator;
}

/** What the requests share. */
export interface Shared {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly config: RegistryConfig;
  readonly startedAt: { readonly wall: UnixMillis; readonly monotonic: Instant };
  readonly replays: ReplayGuard;
  /** A key nobody signs with: stands in for the keys of missing nodes, so that refusing them takes as long. */
  readonly nobody: Uint8Array;
  readonly subscribers: Subscribers;
  readonly admission: Admission;
  /** New records, by network source. */
  readonly newNodes: Budget;
  /** Asking for hostnames that somebody has, by network source. */
  readonly takenNames: Budget;
  /** Key rotations, by node. */
  readonly rotations: Budget;
  readonly contacts: Contacts;
  readonly beacons: BeaconList;
  readonly networks: NetworkState;
  readonly sealer: Sealer;
}

/** One request being answered. */
export interface Call extends Omit<CallContext, 'operator'> {
  readonly shared: Shared;
  readonly request: Fields;
  /** By the token of the request. */
  readonly operator: Operator | undefined;
  readonly at: UnixMillis;
}

export type Reply = Record<string, unknown>;

/** Answers one type of request. Refuses by throwing a PilotError. */
export type Handler = (call: Call) => Promise<Reply>;

/** The record of a registered node. Throws `not_found`. */
export async function liveNode(call: Call, id: NodeId): Promise<NodeRecord> {
  const node = await call.shared.store.node(id);
  if (node === undefined || !node.registered) throw noSuchNode(id);
  return node;
}
