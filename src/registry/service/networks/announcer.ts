import type { Millis, NetworkId, NodeId } from '../../../base/units.ts';
import type { Clock } from '../../../runtime/ports.ts';
import type { Store } from '../../store/store.ts';
import type { Subscribers } from '../subscribers.ts';

/** Members read in one go, and the pause before the next: telling a big network must not hold up requests. */
const SLICE = 256;
const PAUSE: Millis = 20;
/** Where a request waits for the end of the walk. */
const SHORT_PAUSE: Millis = 1;
/** Members named one by one; when more changed, the others are told that "several" did. */
const MAX_NAMED = 32;

interface News {
  /** The network itself changed. */
  whole: boolean;
  /** Members that came, went, or stand differently. */
  readonly about: Set<NodeId>;
  several: boolean;
}

/**
 * Tells the members of networks that are subscribed what changed. What happens to a network while its members are
 * being told is told in one go afterwards, so a busy network costs one walk over its members at a time.
 */
export class NetworkAnnouncer {
  readonly #store: Store;
  readonly #subscribers: Subscribers;
  readonly #clock: Clock;
  readonly #news = new Map<NetworkId, News>();
  readonly #telling = new Set<NetworkId>();
  /** Big networks take turns. */
  #turn: Promise<void> = Promise.resolve();

  constructor(store: Store, subscribers: Subscribers, clock: Clock) {
    this.#store = store;
    this.#subscribers = subscribers;
    this.#clock = clock;
  }

  /** Its name, policies or tokens are others: all members are told. */
  changed(network: NetworkId): void {
    this.#store.bus?.publish({ kind: 'network', network });
    this.changedHere(network);
  }
  /** As `changed`, only the connections of this process. */
  changedHere(network: NetworkId): void {
    this.#add(network, (news) => {
      news.whole = true;
    });
  }
  /** What holds for `node` in the network is something else: only itself is told. */
  changedFor(node: NodeId, network: NetworkId): void {
    this.#subscribers.tell(node, 'network_changed', node, network);
  }
  came(network: NetworkId, node: NodeId): void {
    this.stands(network, node);
  }
  went(network: NetworkId, node: NodeId): void {
    this.stands(network, node);
  }
  /** It came, went, or its role or tags changed: it and all members are told. */
  stands(network: NetworkId, node: NodeId): void {
    this.changedFor(node, network);
    this.#store.bus?.publish({ kind: 'network', network, about: node });
    this.standsHere(network, node);
  }
  /** As `stands`, only the other members and the connections of this process. */
  standsHere(network: NetworkId, node: NodeId): void {
    this.#add(network, (news) => {
      if (news.about.size < MAX_NAMED) news.about.add(node);
      else news.several = true;
    });
  }
  invited(network: NetworkId, inviter: NodeId, target: NodeId): void {
    this.#subscribers.tell(target, 'invite', inviter, network);
  }
  /** Members that would be told, and those that may be at other processes. */
  async membersToTell(network: NetworkId): Promise<NodeId[]> {
    const members: NodeId[] = [];
    if (this.#subscribers.isIdle) return members;
    const everybody = this.#store.bus !== undefined;
    await this.#walk(network, (member) => members.push(member), SHORT_PAUSE, everybody);
    return members;
  }
  /** The network is deleted; these were its members. */
  gone(network: NetworkId, members: readonly NodeId[]): void {
    this.goneHere(network, members);
    for (let at = 0; at < members.length; at += SLICE) {
      this.#store.bus?.publish({ kind: 'gone', network, members: members.slice(at, at + SLICE) });
    }
  }
  /** As `gone`, only the connections of this process. */
  goneHere(network: NetworkId, members: readonly NodeId[]): void {
    for (const member of members) this.#subscribers.tellHere(member, 'network_changed', member, network);
  }

  #add(network: NetworkId, change: (news: News) => void): void {
    if (this.#subscribers.size === 0) return;
    const news = this.#news.get(network) ?? { whole: false, about: new Set(), several: false };
    change(news);
    this.#news.set(network, news);
    if (this.#telling.has(network)) return;
    this.#telling.add(network);
    void this.#tellAll(network);
  }

  async #tellAll(network: NetworkId): Promise<void> {
    try {
      for (;;) {
        const news = this.#news.get(network);
        if (news === undefined) break;
        const { members } = (await this.#store.network(network)) ?? { members: 0 };
        const tell = async (): Promise<void> => {
          this.#news.delete(network);
          await this.#walk(network, (member) => this.#tell(member, network, news));
        };
        if (members <= SLICE) await tell();
        else {
          this.#turn = this.#turn.then(tell);
          await this.#turn;
        }
      }
    } catch {
      // The store is failing or closed, and says so to whoever asks; members find out by asking.
      this.#news.delete(network);
      this.#turn = Promise.resolve();
    } finally {
      this.#telling.delete(network);
    }
  }

  #tell(member: NodeId, network: NetworkId, { whole, about, several }: News): void {
    if (whole) this.#subscribers.tellHere(member, 'network_changed', member, network);
    for (const node of about) {
      if (node !== member) this.#subscribers.tellHere(member, 'member_changed', node, network);
    }
    if (several) this.#subscribers.tellHere(member, 'member_changed', 0, network);
  }

  /** Visits the subscribed members, or all, with pauses. */
  async #walk(
    network: NetworkId,
    visit: (member: NodeId) => void,
    pause = PAUSE,
    everybody = false,
  ): Promise<void> {
    let after = 0;
    for (;;) {
      const members = await this.#store.members(network, SLICE, after);
      for (const { node } of members) if (everybody || this.#subscribers.has(node)) visit(node);
      if (members.length < SLICE) return;
      after = members.at(-1)!.node;
      await this.#clock.sleep(pause);
    }
  }
}
