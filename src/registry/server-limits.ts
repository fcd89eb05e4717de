import type { Bytes, Millis } from '../base/units.ts';

export interface ServerLimits {
  /** @default 1_100_000 (spec/10 §1.5) */
  readonly connections: number;
  /** Connections of one network address that have not proved which node they are. @default 20_000 */
  readonly connectionsPerHost: number;
  /** Connections of one network address in all: a fleet behind one NAT proves its keys. @default 200_000 */
  readonly provenPerHost: number;
  /** Silence after which a connection is cut. @default 5 min */
  readonly idle: Millis;
  /** Time for the rest of a frame that has begun, and for the first bytes. @default 30 s */
  readonly frame: Millis;
  /** Longest request. Far above any that is offered here: reading one holds up everybody. @default 256 KiB */
  readonly request: Bytes;
  /** Requests with `request_id` answered at once on one connection. @default 32 */
  readonly concurrent: number;
  /** Replies and pushes a client has not taken; beyond that it is cut off. @default 8 MiB */
  readonly unsent: Bytes;
  /** The same over all connections; beyond that the connection for which more comes is cut. @default 256 MiB */
  readonly unsentByAll: Bytes;
  /** How long a client may take nothing of what waits for it. @default 30 s */
  readonly stalled: Millis;
  /** Bytes of unfinished frames over all connections; beyond that the connection that adds more is cut. @default 256 MiB */
  readonly buffered: Bytes;
  /** Average requests per second since connecting, after the first 5 s: delayed, then cut. @default 100, 500 */
  readonly slowRate: number;
  readonly cutRate: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  connections: 1_100_000,
  connectionsPerHost: 20_000,
  provenPerHost: 200_000,
  idle: 5 * 60_000,
  frame: 30_000,
  request: 256 * 1024,
  concurrent: 32,
  unsent: 8 * 1024 * 1024,
  unsentByAll: 256 * 1024 * 1024,
  stalled: 30_000,
  buffered: 256 * 1024 * 1024,
  slowRate: 100,
  cutRate: 500,
};

/** Rates count only once a connection is this old, ms. spec/10 §1.5 */
export const RATE_GRACE: Millis = 5000;
/** Delay before each request of a connection above the slow rate, ms. spec/10 §1.5 */
export const SLOW_DELAY: Millis = 10;
