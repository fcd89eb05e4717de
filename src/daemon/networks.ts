import { asPilotError, PilotError } from '../api/errors.ts';
import type { Instant, Millis, NetworkId, NodeId } from '../base/units.ts';
import type { OwnNetwork as CoreNetwork, Memberships, Relation } from '../core/network/memberships.ts';
import type { OwnNetwork } from '../directory/network-types.ts';
import type { RegistryPush } from '../directory/types.ts';
import type { Clock, Log, Storage, Timer } from '../runtime/ports.ts';
import { canonicalJson } from '../wire/json.ts';
import { Audiences } from './broadcast.ts';
import { type KnownNetworks, NETWORKS_FILE, type SeenRelation, saveNetworks } from './networks-file.ts';
import { PersistGate } from './persist-gate.ts';
import type { RegistryClient } from './registry-client.ts';
import type { Warnings } from './warnings.ts';

/** Pushes tell of changes at once; this finds what a push did not tell (spec/12 §4). */
const SYNC_INTERVAL: Millis = 300_000;
/** Several pushes of one change are one look. */
const SYNC_DELAY: Millis = 20;
const RETRY_DELAY: Millis = 5_000;
/**
 * How long what the registry said of networks counts while it is away. Chosen: outlives an upgrade of the registry;
 * whoever was put out of a network meanwhile keeps it no longer than that.
 */
export const STALE_LIMIT: Millis = 3_600_000;
/** Questions about peers under way at once; strangers cause them too. */
const IN_FLIGHT_LIMIT = 64;
/** Times one question is asked again because something changed meanwhile. */
const OVERTAKEN_LIMIT = 5;
/** Peers remembered for a time without the registry. */
const PEER_LIMIT = 1024;
/** Code of the warning about a membership our user knows nothing of. */
const INVENTED = 'registry.membership_invented';
const SAVE_DELAY: Millis = 2_000;

/** What the networks need of the node, which was made with the same `memberships`. */
export interface NetworkNode {
  /** Lets through what waited for it, and ends what it no longer allows. */
  answerRelation(peer: NodeId, relation: Relation | undefined, now: Instant): void;
  /** Ends what is not allowed any more. */
  recheck(now: Instant): void;
}

/** Keeps the node told of the networks it is in, and of what it shares with whom. */
export class Networks {
  readonly audiences: Audiences;
  readonly #registry: RegistryClient;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #memberships: Memberships;
  readonly #node: NetworkNode;
  readonly #run: (mutation: () => void) => void;
  readonly #self: () => NodeId;
  readonly #gate: PersistGate<KnownNetworks>;
  readonly #warnings: Warnings;
  readonly #acceptsAll: boolean;
  #own: readonly OwnNetwork[] = [];
  /** Those our user wanted to be in; undefined until the registry was asked for the first time. */
  #agreed: Set<NetworkId> | undefined;
  /** Wall clock; 0 when never. */
  #syncedAt = 0;
  /** What the node was told, so that it is told only of changes. */
  #told = '';
  readonly #peers = new Map<NodeId, SeenRelation>();
  readonly #inFlight = new Set<NodeId>();
  readonly #questions = new Set<{ readonly peer: NodeId; overtaken: boolean }>();
  #syncing: Promise<void> | undefined;
  #again = false;
  #timer: Timer | undefined;
  #saveTimer: Timer | undefined;
  #stopped = false;

  constructor(options: {
    registry: RegistryClient;
    clock: Clock;
    log: Log;
    storage: Storage;
    memberships: Memberships;
    node: NetworkNode;
    run: (mutation: () => void) => void;
    self: () => NodeId;
    known: KnownNetworks | undefined;
    warnings: Warnings;
    /** Also be in networks that the registry put us into. */
    acceptsAll: boolean;
  }) {
    const { registry, clock, log, storage, memberships, node, run, self, known } = options;
    this.#warnings = options.warnings;
    this.#acceptsAll = options.acceptsAll;
    this.audiences = new Audiences(registry, () => clock.now());
    this.#registry = registry;
    this.#clock = clock;
    this.#log = log;
    this.#memberships = memberships;
    this.#node = node;
    this.#run = run;
    this.#self = self;
    this.#gate = new PersistGate({
      save: (value) => saveNetworks(storage, value),
      clock,
      log,
      name: NETWORKS_FILE,
    });
    if (known === undefined || known.node !== self()) return;
    this.#own = known.own;
    this.#agreed = new Set(known.agreed);
    this.#syncedAt = known.syncedAt;
    for (const [peer, seen] of known.peers) this.#peers.set(peer, seen);
  }

  /** Networks we are in, as far as that is known and still counts. */
  get own(): readonly OwnNetwork[] {
    return this.#isFresh(this.#syncedAt) ? this.#own : [];
  }

  /** Of a network we are in; "" when it is not known. */
  nameOf(network: NetworkId): string {
    return this.own.find((own) => own.network === network)?.name ?? '';
  }

  /** Begins with what was known; `sync` follows once the registry knows us. */
  start(): void {
    this.#tell();
    this.#arm(SYNC_INTERVAL);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#saveTimer?.cancel();
    if (this.#syncedAt !== 0) this.#save();
    await this.#gate.close();
  }

  /** The registry told that something has changed. True when that was about networks. */
  pushed(push: RegistryPush): boolean {
    if (push.event !== 'invite') this.audiences.pushed(push);
    switch (push.event) {
      case 'network_changed':
        this.#arm(SYNC_DELAY);
        return true;
      case 'member_changed':
        this.#forget(push.from === 0 ? undefined : push.from);
        return true;
      case 'invite':
        this.#log.event('info', 'network.invited', { network: push.network ?? 0, by: push.from ?? 0 });
        return true;
      default:
        return false;
    }
  }

  /** Asks the registry for all we are in. Rejects with what it said; the node then goes on with what was known. */
  sync(): Promise<void> {
    if (this.#syncing !== undefined) {
      this.#again = true;
      return this.#syncing;
    }
    this.#syncing = this.#syncAll().finally(() => {
      this.#syncing = undefined;
      if (!this.#stopped && this.#timer === undefined) this.#arm(SYNC_INTERVAL);
    });
    return this.#syncing;
  }

  /**
   * Our user made, joined or accepted the network: from now on the registry's word for it counts, also after a crash.
   * Errors: those of the registry and of the storage.
   */
  async agree(network: NetworkId): Promise<void> {
    this.#agreed ??= new Set();
    this.#agreed.add(network);
    await this.#saved();
    await this.sync();
  }

  /** Our user left the network. Errors: as `agree`. */
  async disagree(network: NetworkId): Promise<void> {
    this.#agreed?.delete(network);
    await this.#saved();
    await this.sync();
  }

  #saved(): Promise<void> {
    this.#save();
    return this.#gate.settled();
  }

  /** Pushes may have been lost while the registry was away. */
  reconnected(): void {
    if (this.#self() !== 0) this.refresh();
  }

  /** As `sync`, for whoever can do nothing about a failure. */
  refresh(): void {
    this.sync().catch(() => {});
  }

  /** Answers the node. */
  ask(peer: NodeId): void {
    if (this.#inFlight.has(peer)) return;
    if (this.#inFlight.size >= IN_FLIGHT_LIMIT) {
      this.#log.event('warn', 'networks.questions_dropped', { peer });
      queueMicrotask(() => this.#answer(peer, undefined));
      return;
    }
    this.#inFlight.add(peer);
    void this.relation(peer)
      .catch(() => undefined)
      .then((relation) => {
        this.#inFlight.delete(peer);
        this.#answer(peer, relation);
      });
  }

  /** What we share with a peer; without the registry, what it last said. Errors: those of the registry. */
  async relation(peer: NodeId): Promise<Relation> {
    try {
      if (this.#registry.state === 'disconnected') {
        throw new PilotError('registry_unreachable', 'Cannot reach the registry');
      }
      return await this.#askRegistry(peer);
    } catch (thrown) {
      const error = asPilotError(thrown);
      const seen = this.#peers.get(peer);
      const isAway = error.code === 'registry_unreachable' || error.code === 'timeout';
      if (isAway && seen !== undefined && this.#isFresh(seen.at)) return { shared: seen.shared };
      this.#log.event('debug', 'networks.no_relation', { peer, code: error.code, message: error.message });
      throw error;
    }
  }

  /** An answer that was overtaken by a push may be older than what the push told of. */
  async #askRegistry(peer: NodeId): Promise<Relation> {
    for (let tries = 0; tries < OVERTAKEN_LIMIT; tries++) {
      const question = { peer, overtaken: false };
      this.#questions.add(question);
      try {
        const relation = await this.#registry.networks.relation(peer);
        if (question.overtaken) continue;
        this.#remember(peer, relation);
        return relation;
      } finally {
        this.#questions.delete(question);
      }
    }
    throw new PilotError('unavailable', `What is shared with node ${peer} keeps changing`);
  }

  /** Errors: `permission_denied` when the peer is not in the network with us, and those of the registry. */
  async expectMember(network: NetworkId, peer: NodeId): Promise<void> {
    if (peer === this.#self()) return;
    const { shared } = await this.relation(peer);
    if (shared.some((entry) => entry.network === network)) return;
    throw new PilotError('permission_denied', `Node ${peer} is not a member of network ${network} with us`, {
      hint: `see: pilotctl network members ${network}`,
    });
  }

  #answer(peer: NodeId, relation: Relation | undefined): void {
    if (this.#stopped) return;
    this.#run(() => this.#node.answerRelation(peer, relation, this.#clock.now()));
  }

  #forget(peer: NodeId | undefined): void {
    if (peer === undefined) this.#peers.clear();
    else this.#peers.delete(peer);
    this.#saveSoon();
    for (const question of this.#questions) {
      if (peer === undefined || question.peer === peer) question.overtaken = true;
    }
    this.#askAgain(peer);
  }

  /** What the node was answered no longer counts; what passed because of it is checked again. */
  #askAgain(peer: NodeId | undefined): void {
    this.#memberships.forget(peer);
    this.#run(() => this.#node.recheck(this.#clock.now()));
  }

  async #syncAll(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    do {
      this.#again = false;
      try {
        const own = await this.#registry.networks.mine();
        if (this.#stopped) return;
        this.#synced(own);
      } catch (thrown) {
        const error = asPilotError(thrown);
        this.#log.event('debug', 'networks.sync_failed', { code: error.code, message: error.message });
        // The registry has forgotten us, and our memberships with us.
        if (error.code === 'not_found' && !this.#stopped) this.#synced([]);
        this.#tell();
        if (!this.#stopped) this.#arm(RETRY_DELAY);
        throw error;
      }
    } while (this.#again);
  }

  #synced(listed: readonly OwnNetwork[]): void {
    const own = this.#agreedOf(listed);
    const before = new Map(this.#own.map((network) => [network.network, network]));
    for (const { network, name, role } of own) {
      if (!before.delete(network)) this.#log.event('info', 'network.joined', { network, name, role });
    }
    for (const { network, name } of before.values())
      this.#log.event('info', 'network.left', { network, name });
    this.#own = own;
    this.#syncedAt = this.#clock.wallNow();
    this.#tell();
    // Pushes may have been lost with a connection: every sync looks at everybody anew.
    this.#askAgain(undefined);
    this.#saveSoon();
  }

  /**
   * A registry can't put us into a network, and so beside strangers, that our user never wanted. What it says the
   * first time counts: it may have known us before.
   */
  #agreedOf(listed: readonly OwnNetwork[]): readonly OwnNetwork[] {
    if (this.#acceptsAll) return listed;
    this.#agreed ??= new Set(listed.map(({ network }) => network));
    const agreed = this.#agreed;
    const invented = listed.filter(({ network }) => !agreed.has(network));
    if (invented.length === 0) this.#warnings.clear(INVENTED);
    else {
      const named = invented.slice(0, 5).map(({ network, name }) => `${network} ("${name}")`);
      this.#warnings.add(
        INVENTED,
        `The registry says that this node is in networks it never joined, so nobody there is let in: ${named.join(', ')}. If that is right: pilotctl network join ${invented[0]?.network}`,
      );
    }
    return listed.filter(({ network }) => agreed.has(network));
  }

  /** Tells the node what counts now. */
  #tell(): void {
    const own = this.own.map(coreNetwork);
    const told = canonicalJson(own);
    if (told === this.#told) return;
    if (own.length === 0 && this.#own.length > 0) {
      this.#log.event('warn', 'networks.stale', { networks: this.#own.length });
    }
    this.#told = told;
    this.#memberships.setOwn(own);
    this.#run(() => this.#node.recheck(this.#clock.now()));
  }

  /** Times ahead of the clock count as long ago: it may have been set back. */
  #isFresh(at: number): boolean {
    const age = this.#clock.wallNow() - at;
    return at !== 0 && age < STALE_LIMIT && age > -STALE_LIMIT;
  }

  #arm(delay: Millis): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.at(this.#clock.now() + delay, () => {
      this.#timer = undefined;
      this.#tell();
      if (this.#self() === 0) this.#arm(SYNC_INTERVAL);
      else this.refresh();
    });
  }

  #remember(peer: NodeId, { shared }: Relation): void {
    this.#peers.delete(peer);
    if (shared.length === 0) return;
    this.#peers.set(peer, { shared: shared as SeenRelation['shared'], at: this.#clock.wallNow() });
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= PEER_LIMIT) break;
      this.#peers.delete(oldest);
    }
    this.#saveSoon();
  }

  #saveSoon(): void {
    if (this.#stopped) return;
    this.#saveTimer ??= this.#clock.at(this.#clock.now() + SAVE_DELAY, () => {
      this.#saveTimer = undefined;
      this.#save();
    });
  }

  #save(): void {
    this.#gate.put({
      node: this.#self(),
      own: this.#own,
      agreed: [...(this.#agreed ?? [])],
      syncedAt: this.#syncedAt,
      peers: new Map(this.#peers),
    });
  }
}

function coreNetwork({ network, name, role, tags, ports, policy }: OwnNetwork): CoreNetwork {
  return { network, name, role, tags, ports, ...(policy !== undefined && { policy: canonicalJson(policy) }) };
}
