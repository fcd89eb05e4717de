import type { AutoApproveRule } from '../api/auto-approve.ts';
import type { CongestionKind } from '../api/congestion.ts';
import type { Bytes, Endpoint, Millis } from '../base/units.ts';
import type { CarrierAddress } from '../directory/types.ts';
import type { TlsClientOptions } from '../runtime/ports.ts';
import type { Transport } from './carriers/carriers.ts';

/** Everything a daemon is told at start. Plain values: the caller has read flags, environment and files. */
export interface DaemonConfig {
  /** Absolute path of the local socket. */
  readonly socketPath: string;
  /** UDP address of the tunnel. Port 0 takes the port of the last run, else any. @default [::]:0 */
  readonly listen?: Endpoint;
  /** Registries, best first; a host may be a name. */
  readonly registries: readonly Endpoint[];
  /** Speak TLS to the registry, and pin its key when the fingerprint (SHA-256, lower-case hex) is given. */
  readonly tls?: TlsClientOptions;
  /** Beacons, best first; a host may be a name. Empty: those the registry names. @default [] */
  readonly beacons?: readonly Endpoint[];
  /**
   * How beacons are reached. `udp`: so alone. `compat`: by WebSocket alone, and peers through beacons alone. `auto`: over
   * UDP, and by WebSocket while no beacon answers there. @default udp
   */
  readonly transport?: Transport;
  /** WebSockets of beacons, best first. Empty: those the registry names. @default [] */
  readonly carriers?: readonly CarrierAddress[];
  /** Undefined keeps the one of the last run; "" clears it. */
  readonly hostname?: string;
  /** Accept streams and datagrams from anyone. Undefined keeps the setting of the last run. @default false */
  readonly public?: boolean;
  /** Which requests for trust are approved without asking; the first rule that fits counts. @default none */
  readonly autoApprove?: readonly AutoApproveRule[];
  /** Be in every network the registry puts this node into, not only in those its user joined. @default false */
  readonly acceptMemberships?: boolean;
  /** Never use a direct path: peers see only the beacon. @default false */
  readonly relayOnly?: boolean;
  /** Relays for trusted peers, so many bytes a second in all. @default no */
  readonly relayForPeers?: { readonly rate: Bytes };
  /** Ask the router for a port that leads to the tunnel: by PCP, NAT-PMP or UPnP. @default auto */
  readonly portMapping?: 'auto' | 'off';
  /**
   * Larger packets on paths that carry them; off: those that every path carries; a number: IP packets of at most so many
   * bytes. @default auto
   */
  readonly pathMtu?: 'auto' | 'off' | Bytes;
  /** Who decides how much of a stream is on the way. @default tolerant */
  readonly congestion?: CongestionKind;
  /** Contact given to the registry; optional. */
  readonly owner?: string;
  readonly version: string;
  /** What was found before the start, for the user: `info` tells it. */
  readonly warnings?: readonly string[];
  readonly services?: {
    /** Port 7. @default true */
    readonly echo?: boolean;
    /** Port 1001. @default true */
    readonly dataExchange?: boolean;
  };
  /** How long start waits for the first registration before it goes on without. @default 3000 */
  readonly startWait?: Millis;
  /** @default 60000 */
  readonly heartbeatInterval?: Millis;
}
