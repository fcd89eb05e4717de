import type { Crypto } from '../../base/crypto.ts';
import { endpointKey } from '../../base/endpoint.ts';
import type { Machine } from '../../base/machine.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import {
  BEACON,
  type BeaconMessage,
  decodeBeaconMessage,
  encodeDiscoverReply,
  encodePunchCommand,
  encodeSync,
  SYNC_MAX_NODES,
} from '../../wire/beacon.ts';
import { BEACON_MARK_LENGTH, type DiscoverAnswer } from '../../wire/beacon-extension.ts';
import { parseIp } from '../../wire/ip.ts';
import { Challenges } from './challenges.ts';
import { familyOf } from './family.ts';
import { Gossip } from './gossip.ts';
import { type KeyAnswer, KeyDesk } from './key-desk.ts';
import { LateReplies, LONGEST_DELAY } from './late-replies.ts';
import {
  CONTROL_BURST,
  CONTROL_RATE,
  ENTRY_LIMIT,
  GOSSIP_INTERVAL,
  PUNCH_BURST,
  PUNCH_RATE,
  PUNCHED_BURST,
  PUNCHED_RATE,
  RELAY_RATE,
  SOURCE_LIMIT,
  SWEEP_INTERVAL,
  VERIFY_BURST,
  VERIFY_RATE,
} from './limits.ts';
import { type RegistrationOutcome, Registrations } from './registrations.ts';
import { TokenBuckets } from './token-buckets.ts';
import type { RelayConfig, RelayDrop, RelayEntry, RelayEvent, RelayOutput, RelayStats } from './types.ts';

export interface RelayOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly config?: Partial<RelayConfig> | undefined;
}

type Discover = Extract<BeaconMessage, { type: 'discover' }>;
type PunchRequest = Extract<BeaconMessage, { type: 'punchRequest' }>;
type RelayFrame = Extract<BeaconMessage, { type: 'relay' }>;

const NEVER = Number.POSITIVE_INFINITY;
const DEFAULTS: RelayConfig = {
  beaconId: 0,
  challenges: true,
  proofOnly: false,
  relayRate: RELAY_RATE,
  totalRate: NEVER,
  alternatePort: 0,
  maxNodes: ENTRY_LIMIT,
  maxNodesPerHost: 4096,
};

/**
 * The beacon: tells nodes how they look from outside, coordinates punches and relays what can't go direct.
 * It sees only ciphertext and is trusted with nothing else than carrying it. spec/04 §2
 */
export class Relay implements Machine<RelayOutput> {
  readonly #config: RelayConfig;
  readonly #registrations: Registrations;
  readonly #challenges: Challenges;
  readonly #keys: KeyDesk;
  readonly #mark: Uint8Array;
  readonly #gossip = new Gossip();
  readonly #streams = new Map<string, NodeId>();
  readonly #late = new LateReplies();
  readonly #control = new TokenBuckets(CONTROL_RATE, CONTROL_BURST, SOURCE_LIMIT);
  readonly #punches = new TokenBuckets(PUNCH_RATE, PUNCH_BURST, SOURCE_LIMIT);
  readonly #punched = new TokenBuckets(PUNCHED_RATE, PUNCHED_BURST, SOURCE_LIMIT);
  readonly #checks = new TokenBuckets(VERIFY_RATE, VERIFY_BURST, 1);
  /** What all together may relay. */
  readonly #total: TokenBuckets | undefined;
  readonly #drops = new Map<RelayDrop, number>();
  readonly #outputs: RelayOutput[] = [];
  #outputAt = 0;
  #sweepAt: Instant | undefined;
  #gossipAt: Instant | undefined;
  #registered = 0;
  #punchCount = 0;
  #relayedFrames = 0;
  #relayedBytes = 0;
  #forwardedFrames = 0;

  constructor(options: RelayOptions) {
    this.#config = { ...DEFAULTS, ...options.config };
    this.#registrations = new Registrations(
      this.#config.maxNodes,
      this.#config.maxNodesPerHost,
      this.#config.relayRate,
    );
    const { totalRate } = this.#config;
    this.#total = Number.isFinite(totalRate) ? new TokenBuckets(totalRate, totalRate, 1) : undefined;
    this.#challenges = new Challenges(options.crypto, options.random.bytes(32));
    this.#keys = new KeyDesk(options.crypto);
    this.#mark = options.random.bytes(BEACON_MARK_LENGTH);
  }

  /** Replaces the peer beacons, the only ones whose gossip counts and to which frames are forwarded. */
  setPeers(endpoints: readonly Endpoint[]): void {
    // A new peer hears of our nodes at once.
    if (this.#gossip.setPeers(endpoints)) this.#gossipAt = 0;
  }

  /** The node is served no longer, until it proves itself again. */
  forget(node: NodeId): void {
    this.#registrations.forget(node);
    this.#keys.forget(node);
  }

  entries(): readonly RelayEntry[] {
    return this.#registrations.entries();
  }

  stats(): RelayStats {
    return {
      nodes: this.#registrations.size,
      provenNodes: this.#registrations.provenSize,
      remoteNodes: this.#gossip.remoteNodes,
      peers: this.#gossip.peerCount,
      registrations: this.#registered,
      punches: this.#punchCount,
      relayedFrames: this.#relayedFrames,
      relayedBytes: this.#relayedBytes,
      forwardedFrames: this.#forwardedFrames,
      drops: Object.fromEntries(this.#drops),
    };
  }

  /**
   * A node holds a byte stream open: what is for it may go there until `detach`. `proven`: it showed that it holds its
   * registered key. False when the node is held by somebody else, or there is no room.
   */
  attach(node: NodeId, stream: Endpoint, proven: boolean, now: Instant): boolean {
    this.#sweepAt ??= now + SWEEP_INTERVAL;
    const outcome = proven
      ? this.#registrations.prove(node, stream, now)
      : this.#registrations.claim(node, stream, now);
    this.#registeredAs(node, outcome, proven);
    if (outcome === 'held' || outcome === 'full') return false;
    this.#streams.set(endpointKey(stream), node);
    return true;
  }

  /** The stream is closed. */
  detach(stream: Endpoint): void {
    const key = endpointKey(stream);
    const node = this.#streams.get(key);
    if (node === undefined) return;
    this.#streams.delete(key);
    this.#registrations.drop(node, stream);
  }

  /** `alternate`: it came to the second port, where only the observed endpoint is told. */
  handleDatagram(from: Endpoint, data: Uint8Array, now: Instant, alternate = false): void {
    this.#sweepAt ??= now + SWEEP_INTERVAL;
    const message = decodeBeaconMessage(data);
    if (typeof message === 'string') {
      this.#drop(message);
      return;
    }
    if (alternate) {
      if (message.type !== 'discover') this.#drop('alternate_port');
      else if (this.#mayControl(from, now)) this.#observe(from, message, true, now);
      return;
    }
    switch (message.type) {
      case 'relay':
        this.#onRelay(from, message, data, now);
        return;
      case 'discover':
        if (this.#mayControl(from, now)) this.#onDiscover(from, message, now);
        return;
      case 'punchRequest':
        if (this.#mayControl(from, now)) this.#onPunchRequest(from, message, now);
        return;
      case 'sync': {
        const outcome = this.#gossip.hear(from, message.nodes, now);
        if (outcome !== 'taken') this.#drop(outcome);
        return;
      }
      case 'discoverReply':
      case 'punchCommand':
      case 'relayDeliver':
        this.#drop('not_for_beacons');
        return;
      default:
        message satisfies never;
    }
  }

  /** The directory's answer to `needKey`, with its `claimed`; undefined when it does not know the node. */
  identityKey(node: NodeId, answer: KeyAnswer, now: Instant, claimed?: Uint8Array): void {
    const arrived = this.#keys.keyArrived(node, claimed, answer, now);
    if (arrived === undefined) return;
    if (arrived.valid)
      this.#registeredAs(node, this.#registrations.prove(node, arrived.offer.from, now), true);
    else this.#drop('bad_proof');
  }

  handleTimeout(now: Instant): void {
    for (const { to, question, alternate } of this.#late.take(now)) this.#tell(to, question, alternate);
    if (this.#sweepAt !== undefined && this.#sweepAt <= now) {
      this.#sweepAt = now + SWEEP_INTERVAL;
      this.#registrations.sweep(now);
      this.#keys.sweep(now);
      this.#control.sweep(now);
      this.#punches.sweep(now);
      this.#punched.sweep(now);
    }
    if (this.#gossipAt !== undefined && this.#gossipAt <= now) {
      this.#gossipAt = now + GOSSIP_INTERVAL;
      for (const peer of this.#gossip.sweep(now)) this.#event({ name: 'relay.peer_silent', peer });
      this.#sendGossip();
    }
  }

  nextTimeout(): Instant | undefined {
    const next = Math.min(this.#sweepAt ?? NEVER, this.#gossipAt ?? NEVER, this.#late.nextTimeout());
    return next === NEVER ? undefined : next;
  }

  poll(): RelayOutput | undefined {
    if (this.#outputAt < this.#outputs.length) return this.#outputs[this.#outputAt++];
    this.#outputs.length = 0;
    this.#outputAt = 0;
    return undefined;
  }

  #onDiscover(from: Endpoint, { node, proof, question }: Discover, now: Instant): void {
    const onlyAsks = node === 0 || question?.elsewhere === true || question?.delay !== undefined;
    if (onlyAsks || parseIp(from.host) === undefined) {
      this.#observe(from, { type: 'discover', node, ...(question && { question }) }, false, now);
      return;
    }
    const isSettled = this.#registrations.isProven(node) && this.#registrations.isAt(node, from);
    const mayProve = proof !== undefined && this.#config.challenges && !isSettled;
    if (mayProve && this.#challenges.isOurs(proof.challenge, node, from, now)) {
      const key = proof.key?.slice();
      const offer = {
        node,
        from,
        challenge: proof.challenge.slice(),
        signature: proof.signature.slice(),
        ...(key && { named: { key, mark: this.#mark } }),
      };
      const result = this.#checks.take('', 1, now) ? this.#keys.examine(offer, now) : 'waiting';
      if (result === 'refused') {
        this.#drop('bad_proof');
        return;
      }
      if (result === 'ask') this.#outputs.push({ type: 'needKey', node, ...(key && { claimed: key }) });
      if (result === 'proven') this.#registeredAs(node, this.#registrations.prove(node, from, now), true);
      else this.#claim(node, from, now);
    } else {
      this.#claim(node, from, now);
    }
    this.#answerDiscover(from, node, question, now);
  }

  /** A refused source still gets a challenge: that is how a node that moved, or finds the table full, proves itself. */
  #answerDiscover(from: Endpoint, node: NodeId, question: Discover['question'], now: Instant): void {
    const isHere = this.#registrations.isAt(node, from);
    if (question === undefined) {
      if (this.#config.challenges)
        this.#transmit(from, encodeDiscoverReply(from, this.#challenges.issue(node, from, now)));
      else if (this.#registrations.endpoint(node) !== undefined)
        this.#transmit(from, encodeDiscoverReply(from));
      return;
    }
    const settled = isHere && (!this.#config.challenges || this.#registrations.isProven(node));
    const answer = this.#answer(question, settled);
    if (settled || !this.#config.challenges)
      this.#transmit(from, encodeDiscoverReply(from, undefined, answer));
    else {
      const challenge = this.#challenges.issue(node, from, now);
      this.#transmit(from, encodeDiscoverReply(from, challenge, { ...answer, mark: this.#mark }));
    }
  }

  /** Tells a source how it looks from here, by the port it asks for, and registers nothing. */
  #observe(from: Endpoint, { question }: Discover, alternate: boolean, now: Instant): void {
    if (parseIp(from.host) === undefined) {
      this.#drop('bad_endpoint');
      return;
    }
    if (question === undefined) {
      this.#transmit(from, encodeDiscoverReply(from), alternate);
      return;
    }
    if (question.elsewhere && this.#config.alternatePort === 0) {
      this.#drop('alternate_port');
      return;
    }
    if (question.delay !== undefined && question.delay > 0) {
      const at = now + 1000 * Math.min(question.delay, LONGEST_DELAY);
      if (!this.#late.add({ to: from, question, alternate }, at)) this.#drop('too_many_late');
      return;
    }
    this.#tell(from, question, alternate);
  }

  #tell(to: Endpoint, question: NonNullable<Discover['question']>, alternate: boolean): void {
    const reply = encodeDiscoverReply(to, undefined, this.#answer(question, false));
    this.#transmit(to, reply, alternate !== question.elsewhere);
  }

  #answer({ token, elsewhere }: NonNullable<Discover['question']>, settled: boolean): DiscoverAnswer {
    return { token, elsewhere, settled, alternatePort: this.#config.alternatePort };
  }

  #claim(node: NodeId, from: Endpoint, now: Instant): void {
    if (this.#config.proofOnly && !this.#registrations.isProven(node)) return;
    this.#registeredAs(node, this.#registrations.claim(node, from, now), false);
  }

  #registeredAs(node: NodeId, outcome: RegistrationOutcome, proven: boolean): void {
    if (outcome === 'added') this.#registered++;
    else if (outcome === 'moved') this.#event({ name: 'relay.moved', node, proven });
    else if (outcome === 'held') {
      this.#drop('held_by_other_source');
      this.#event({ name: 'relay.held', node });
    } else if (outcome === 'full') this.#drop('table_full');
  }

  #onPunchRequest(from: Endpoint, { requester, target }: PunchRequest, now: Instant): void {
    if (!this.#registrations.isAt(requester, from)) {
      this.#drop('unregistered_sender');
      return;
    }
    if (this.#registrations.endpoint(target) === undefined || target === requester) {
      this.#drop('unknown_destination');
      return;
    }
    // Where a node is, is told only to nodes that showed who they are, once it has shown that itself.
    if (this.#registrations.isProven(target) && !this.#registrations.isProven(requester)) {
      this.#drop('unproven_requester');
      return;
    }
    const ends = this.#commonFamily(from, requester, target);
    if (ends === undefined) {
      this.#drop('no_common_family');
      return;
    }
    if (
      !this.#punches.take(endpointKey(from), 1, now) ||
      !this.#punched.take(endpointKey(ends.target), 1, now)
    ) {
      this.#drop('rate_limited');
      return;
    }
    this.#punchCount++;
    this.#transmit(ends.requester, encodePunchCommand(ends.target));
    // Old nodes prove nothing, and would not read who asks.
    const asker = this.#registrations.isProven(target) ? requester : undefined;
    this.#transmit(ends.target, encodePunchCommand(ends.requester, asker));
  }

  /** Endpoints of both between which datagrams can travel, by preference of the family the request came by. */
  #commonFamily(
    from: Endpoint,
    requester: NodeId,
    target: NodeId,
  ): { readonly requester: Endpoint; readonly target: Endpoint } | undefined {
    const asked = familyOf(from);
    if (asked === 'stream') return undefined;
    const direct = this.#registrations.endpointOf(target, asked);
    if (direct !== undefined) return { requester: from, target: direct };
    const other = asked === 'v4' ? 'v6' : 'v4';
    const own = this.#registrations.endpointOf(requester, other);
    const its = this.#registrations.endpointOf(target, other);
    return own === undefined || its === undefined ? undefined : { requester: own, target: its };
  }

  #onRelay(from: Endpoint, message: RelayFrame, data: Uint8Array, now: Instant): void {
    const { sender, destination, frame } = message;
    const isForwarded = this.#gossip.isPeer(from);
    if (!isForwarded && !this.#registrations.isAt(sender, from)) {
      this.#drop('unregistered_sender');
      return;
    }
    const local = this.#registrations.endpoint(destination);
    // A frame that came from a peer goes no further: stale gossip could send it round in circles.
    const remote = local === undefined && !isForwarded ? this.#gossip.beaconOf(destination) : undefined;
    if (local === undefined && remote === undefined) {
      const hasOwner = isForwarded && this.#gossip.beaconOf(destination) !== undefined;
      this.#drop(hasOwner ? 'already_forwarded' : 'unknown_destination');
      return;
    }
    if (!isForwarded && !this.#registrations.spend(sender, from, data.length, now)) {
      this.#drop('rate_limited');
      return;
    }
    if (this.#total !== undefined && !this.#total.take('', data.length, now)) {
      this.#drop('rate_limited');
      return;
    }
    if (local !== undefined) {
      this.#relayedFrames++;
      this.#relayedBytes += frame.length;
      this.#transmit(local, asDelivery(data));
    } else if (remote !== undefined) {
      this.#forwardedFrames++;
      this.#transmit(remote, data);
    }
  }

  /** One datagram per peer: old beacons let each list replace the one before, so a longer list can't be split. */
  #sendGossip(): void {
    const peers = this.#gossip.peers();
    if (peers.length === 0) return;
    const data = encodeSync(this.#config.beaconId, this.#registrations.latest(SYNC_MAX_NODES));
    for (const peer of peers) this.#transmit(peer, data);
  }

  #mayControl(from: Endpoint, now: Instant): boolean {
    if (this.#control.take(from.host, 1, now)) return true;
    this.#drop('rate_limited');
    return false;
  }

  #transmit(to: Endpoint, data: Uint8Array, alternate = false): void {
    if (alternate) this.#outputs.push({ type: 'transmit', to, data, alternate });
    else this.#outputs.push({ type: 'transmit', to, data });
  }

  #drop(reason: RelayDrop): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  }

  #event(event: RelayEvent): void {
    this.#outputs.push({ type: 'event', event });
  }
}

/** Turns a relay message into its delivery in place: the sender moves over the destination, the frame stays. */
function asDelivery(relay: Uint8Array): Uint8Array {
  relay.copyWithin(5, 1, 5);
  relay[4] = BEACON.relayDeliver;
  return relay.subarray(4);
}
