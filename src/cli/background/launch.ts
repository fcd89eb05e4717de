import type { Endpoint } from '../../base/units.ts';
import type { FlagTexts, Settings } from '../config/settings.ts';

/** What `daemon start` hands to the background process. Plain JSON. */
export interface DaemonLaunch {
  readonly home: string;
  readonly settings: Settings;
  /** Undefined keeps the choice of the last run. */
  readonly public: boolean | undefined;
  /** The key the configured registry must show; undefined: no TLS. */
  readonly fingerprint: string | undefined;
  /** Flags of this start, used again by `daemon restart`. */
  readonly flags: FlagTexts;
  readonly foreground: boolean;
}

/** How the daemon comes by its registry. */
export type NetworkRole = 'configured' | 'hosting' | 'joined';

/** What the daemon tells when it is ready, and keeps in its run file. */
export interface DaemonFacts {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly socket: string;
  /** "" when it logs to standard error. */
  readonly log_file: string;
  readonly registry: string;
  readonly registered: boolean;
  /** `hosting`: for this machine, by this daemon; `joined`: the one another daemon of this machine hosts. */
  readonly network: NetworkRole;
  readonly flags: FlagTexts;
}

/** What `rendezvous start` hands to the background process. */
export interface RendezvousLaunch {
  readonly home: string;
  readonly store: string;
  /** URL of the database that holds the facts instead; has its password. */
  readonly database: string | undefined;
  readonly registry: Endpoint;
  readonly beacon: Endpoint;
  /** Undefined: the port after the next, when it is free. */
  readonly beaconAlternate: Endpoint | undefined;
  /** Where WebSockets without TLS are taken, and how nodes come there. */
  readonly webSocket: Endpoint | undefined;
  readonly webSocketUrl: string | undefined;
  /** Where health, metrics and the dashboard are served. */
  readonly http: Endpoint | undefined;
  /** Host to announce beacons under; undefined: the host each client reached us at. */
  readonly publicHost: string | undefined;
  readonly adminTokenFile: string | undefined;
  /** Files of a certificate of one's own; undefined: one that is made and kept beside the store. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  readonly networkCreation: 'anyone' | 'operator';
  /** Where webhooks may go, and entries of the audit log that are kept. */
  readonly webhooks: 'public' | 'anywhere';
  readonly auditKeep: number;
  /** Refuse what only old daemons send. */
  readonly requireProof: boolean;
  readonly logLevel: Settings['log_level'];
  readonly logMaxSize: number;
  readonly logMaxBackups: number;
  readonly foreground: boolean;
}

export interface RendezvousFacts {
  readonly registry: string;
  readonly beacon: string;
  readonly fingerprint: string;
  /** Where the dashboard is, `host:port`; "" without one. */
  readonly http: string;
  readonly store: string;
  readonly log_file: string;
  /** Hosts under which other machines may reach it, best first. */
  readonly hosts: readonly string[];
}
