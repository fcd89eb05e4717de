import type { NodeId } from '../../base/units.ts';
import type { Storage } from '../../runtime/ports.ts';
import type { MessageTags } from '../../wire/tagged.ts';
import { recentRecords } from './inbox-records.ts';

/** How far back the inbox is read. spec/23 §4 */
const HISTORY = 1000;
/** Records of one peer that count. spec/23 §4 */
const HISTORY_OF_PEER = 200;
/** Peers remembered; the one heard of longest ago gives way. Chosen. */
const PEER_LIMIT = 4096;

export interface Correspondent {
  /** It has written to us before. */
  readonly isKnown: boolean;
  /** Answers of it have named the message they answer. */
  readonly echoes: boolean;
}

/** Who has written to this node, and whether its answers name ids. Read from the inbox once, then kept up. */
export class Correspondents {
  readonly #storage: Storage;
  readonly #peers = new Map<NodeId, { echoes: boolean }>();
  #loading: Promise<void> | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  async of(node: NodeId): Promise<Correspondent> {
    this.#loading ??= this.#load();
    await this.#loading;
    const peer = this.#peers.get(node);
    return { isKnown: peer !== undefined, echoes: peer?.echoes === true };
  }

  wrote(node: NodeId, tags: MessageTags | undefined): void {
    const echoes = this.#peers.get(node)?.echoes === true || tags?.replyTo !== undefined;
    this.#peers.delete(node);
    this.#peers.set(node, { echoes });
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= PEER_LIMIT) break;
      this.#peers.delete(oldest);
    }
  }

  async #load(): Promise<void> {
    const counts = new Map<NodeId, number>();
    for (const { from, tags } of await recentRecords(this.#storage, { count: HISTORY })) {
      const count = (counts.get(from.node) ?? 0) + 1;
      counts.set(from.node, count);
      if (count <= HISTORY_OF_PEER) this.wrote(from.node, tags);
    }
  }
}
