import type { Crypto, SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Bytes, Endpoint, Instant, NodeId } from '../../base/units.ts';
import type { Packet } from '../../wire/packet.ts';
import type { Lifetime } from '../nat/lifetime.ts';
import type { Links } from '../path/link-size.ts';
import type { Path } from '../path/path.ts';
import type { PunchBudget } from '../punch/budget.ts';
import type { KeySlot } from '../session/key-slot.ts';
import type { TunnelConfig } from './config.ts';
import type { OwnPlace } from './own-place.ts';
import type { PathKind, TunnelEvent } from './types.ts';

/** Why something was dropped, for the counters. */
export type DropReason =
  | 'not_beacon'
  | 'relay_sender'
  | 'bad_beacon_message'
  | 'bad_frame'
  | 'plaintext_refused'
  | 'anonymous_refused'
  | 'unknown_magic'
  | 'own_node'
  | 'no_node'
  | 'relay_only'
  | 'exchange_limit'
  | 'exchange_key_mismatch'
  | 'exchange_bad_signature'
  | 'exchange_unknown_node'
  | 'exchange_retired_key'
  | 'exchange_weak_key'
  | 'no_session'
  | 'unauthentic'
  | 'replayed'
  | 'prefix_limit'
  | 'counter_range'
  | 'trial_limit'
  | 'bad_packet'
  | 'inner_source'
  | 'inner_destination'
  | 'pending_full'
  | 'pending_expired'
  | 'too_large'
  | 'key_exhausted'
  | 'punch_limit'
  | 'ping_limit'
  | 'peer_evicted'
  | 'lookup_limit'
  | 'not_admitted';

/** What one peer needs of the tunnel it belongs to. */
export interface PeerHost {
  readonly crypto: Crypto;
  readonly random: Random;
  identity: SigningKey;
  readonly config: TunnelConfig;
  readonly node: NodeId;
  readonly place: OwnPlace;
  observed(): Endpoint | undefined;
  /** As every beacon sees us, each endpoint once. */
  observedAll(): readonly Endpoint[];
  /** True when the peer's identity key is pinned or was looked up. */
  knowsKey(peer: NodeId): boolean;
  /** Beacons to relay through, best first. */
  relays(): readonly Endpoint[];
  /** Where frames for this peer can be relayed, best first. `visit`: at beacons of the peer, too, where we then go. */
  relaysFor(peer: NodeId, now: Instant, visit?: boolean): readonly Endpoint[];
  /** The peer says that it is registered at these beacons. */
  toldRelays(peer: NodeId, beacons: readonly Endpoint[], now: Instant): void;
  /** The peer relays for us at this endpoint, or nowhere. */
  offersRelay(peer: NodeId, endpoint: Endpoint | undefined, now: Instant): void;
  /** Relaying does not seem to work. */
  refreshBeacons(now: Instant): void;
  /** `via`: the local socket. @default 0 */
  transmit(to: Endpoint, data: Uint8Array, via?: number): void;
  /** Seals the packet in the train that leaves at the end of the turn; false at the end of the key's counters. */
  depart(slot: KeySlot, path: Path, packet: Packet, peer: NodeId): boolean;
  /** A further local socket, opened for this peer; undefined when there are too many. */
  openSocket(peer: NodeId): number | undefined;
  closeSocket(via: number): void;
  /** Our links, and what is sent over them. */
  links(): Links;
  /** A packet to the peer may carry that many bytes of payload from now on. */
  payloadLimit(peer: NodeId, bytes: Bytes): void;
  /** How long our NAT remembers a silent flow. */
  readonly lifetime: Lifetime;
  /** Asks a beacon how this socket is seen; `measured` of the peer follows. False when there is none to ask. */
  measure(via: number, now: Instant): boolean;
  /** What punching may cost, for all peers together. */
  readonly punchBudget: PunchBudget;
  /** The peer is known to be one of ours, from before or by its signed documents. */
  isOurs(peer: NodeId): boolean;
  /** The peer took part in the exchange of candidates, or proved to be an old one. */
  remember(peer: NodeId, ours: boolean): void;
  deliver(peer: NodeId, packet: Packet, path: PathKind): void;
  /** The packets of a train. */
  deliverAll(peer: NodeId, packets: readonly Packet[], path: PathKind): void;
  event(event: TunnelEvent): void;
  needEndpoints(peer: NodeId): void;
  answersPings(peer: NodeId, now: Instant): boolean;
  drop(reason: DropReason): void;
  /** The peer may have an earlier timer than before. */
  rearm(peer: NodeId, when: Instant): void;
}
