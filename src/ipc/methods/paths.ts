import type { Acceleration } from '../../api/acceleration.ts';
import type { Cause, Verdict } from '../../api/causes.ts';
import type { FindingCode, FindingLevel } from '../../api/findings.ts';
import type { PathName } from './diagnostics.ts';

/** How the translator in front of a node treats UDP, in the terms of RFC 4787. */
export interface NatRow {
  /** Customary: `full cone`, `port-restricted`, `symmetric, random ports`, `no NAT`, `UDP blocked`, `unknown`, … */
  readonly name: string;
  readonly translation: 'none' | 'nat' | 'blocked' | 'unknown';
  readonly mapping: string;
  readonly filtering: string;
  readonly allocation: string;
  /** Between two ports given one after the other; 0 unless `allocation` is `sequential`. */
  readonly step: number;
}

/** One way to a peer that was tried. Times in ms. */
export interface CandidateRow {
  readonly kind: PathName;
  readonly endpoint: string;
  /** How it became known: `registered`, `lan`, `beacon`, `heard`, `commanded`, `exchange`, … */
  readonly origin: string;
  readonly state: 'unproven' | 'proven' | 'failed';
  readonly selected: boolean;
  readonly probes: number;
  /** Since a probe on it was last answered; null while none was. */
  readonly proven_ago_ms: number | null;
  /** Since an authenticated frame of the peer last came by it; null when none did. */
  readonly heard_ago_ms: number | null;
  readonly rtt_ms: number | null;
  /** 0 to 1; null before there were enough probes. */
  readonly loss: number | null;
  /** UDP payload that its datagrams may have. */
  readonly datagram_size: number;
  /** `base`: it is not measured. `searching`: larger ones are tried as data moves. `settled`: none would pass. */
  readonly datagram_search: 'base' | 'searching' | 'settled';
}

export interface PunchRow {
  readonly strategy: 'simple' | 'prediction' | 'birthday';
  readonly outcome: 'running' | 'direct' | 'no_answer' | 'refused' | 'over_budget';
  readonly ago_ms: number;
  readonly packets: number;
  readonly budget: number;
}

export interface CauseRow {
  readonly cause: Cause;
  readonly meaning: string;
}

/** Why a peer is reached as it is: docs/connectivity.md. */
export interface WhyReport {
  readonly node_id: number;
  readonly address: string;
  /** As this node knows it; "" when it does not. */
  readonly hostname: string;
  readonly verdict: Verdict;
  readonly cause: Cause;
  /** For people. */
  readonly sentence: string;
  /** The one thing that would help; null when nothing is wrong. */
  readonly help: string | null;
  /** What else is true and worth knowing. */
  readonly remarks: readonly CauseRow[];
  /** The path in use; "" when there is none. */
  readonly path: PathName | '';
  readonly endpoint: string;
  readonly rtt_ms: number | null;
  readonly nat_here: NatRow;
  /** As the peer measured it; null when it did not say. */
  readonly nat_there: NatRow | null;
  readonly candidates: readonly CandidateRow[];
  readonly punch: PunchRow | null;
  /** Why the path in use was chosen; "" when there is none. */
  readonly reason: string;
  /** From the first frame to the first path that was proven, and to the first direct one; null while there was none. */
  readonly first_path_ms: number | null;
  readonly first_direct_ms: number | null;
  /** Since the path in use was chosen. */
  readonly changed_ago_ms: number | null;
}

export interface BeaconRow {
  /** As configured or announced; a name may stand for several addresses. */
  readonly beacon: string;
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly answers: boolean;
  readonly rtt_ms: number | null;
  /** This machine's endpoint as the beacon sees it; "" without an answer. */
  readonly observed: string;
  /** It has a second port, for surveys of NATs. */
  readonly surveys: boolean;
}

export interface RegistryRow {
  readonly registry: string;
  readonly state: 'answers' | 'unreachable' | 'fingerprint_mismatch' | 'proxy_auth_failed' | 'not_a_registry';
  readonly secure: boolean;
  /** To connect, with TLS where it is used. */
  readonly connect_ms: number | null;
  readonly rtt_ms: number | null;
  /** Our clock minus that of the registry; null when the registry does not tell the time. */
  readonly clock_ahead_ms: number | null;
  /** Why it does not answer; "" when it does. */
  readonly problem: string;
}

export interface FamilyRow {
  /** `untested`: there is an address, and no beacon answered that would show that it works. */
  readonly state: 'works' | 'broken' | 'untested' | 'none';
  readonly addresses: readonly string[];
}

export interface MappingRow {
  readonly mode: 'auto' | 'off';
  /** `pcp`, `nat-pmp`, `upnp`; "" when there is no mapping. */
  readonly method: string;
  readonly external: string;
  readonly gateway: string;
  readonly problem: string;
}

export interface CarrierRow {
  readonly transport: string;
  readonly in_use: 'udp' | 'compat' | 'none';
  /** Without credentials; "" when there is none. */
  readonly proxy: string;
  readonly problem: string;
  /** For people; "" without a problem. */
  readonly detail: string;
}

export interface FindingRow {
  readonly code: FindingCode;
  readonly level: FindingLevel;
  readonly meaning: string;
  /** What it is about: a beacon, an address; "" when that is clear. */
  readonly subject: string;
  /** Null when nothing is to be done. */
  readonly help: string | null;
}

/** How the network treats this node: docs/connectivity.md. */
export interface NetcheckReport {
  /** Measured by the daemon, on the tunnel's own socket where that matters; else by the command, while it is down. */
  readonly daemon: boolean;
  readonly took_ms: number;
  readonly udp: 'works' | 'blocked' | 'untested';
  readonly nat: NatRow;
  /** This node as beacons see it; "" when none answers. */
  readonly endpoint: string;
  readonly ipv4: FamilyRow;
  readonly ipv6: FamilyRow;
  readonly beacons: readonly BeaconRow[];
  readonly registry: RegistryRow | null;
  /** Null while the daemon is down. */
  readonly port_mapping: MappingRow | null;
  readonly carrier: CarrierRow | null;
  /** Who seals packets and how they are sent. */
  readonly acceleration: Acceleration;
  /** Bytes of datagrams a UDP socket keeps until they are read; null when not measured. */
  readonly receive_buffer: number | null;
  /**
   * Largest UDP payload that arrived at a beacon, and the least a tunnel needs; null when not measured. `whole`: what is
   * too large is not cut on the way, so that the tunnel measures its paths exactly.
   */
  readonly packet: { readonly largest: number | null; readonly needed: number; readonly whole: boolean };
  /** Worst first. */
  readonly findings: readonly FindingRow[];
}

export interface PathMethods {
  /** Looks for paths, waits at most `wait_ms` for a settled answer, and explains. Errors: `not_found`, `registry_unreachable`, `invalid_argument`. */
  why: [{ target: string; wait_ms?: number }, WhyReport];
  /** Measures how the network treats this node; takes some seconds. */
  netcheck: [Record<string, never>, NetcheckReport];
}
