import type { NodeId } from '../../base/units.ts';
import type { InboxEntry, InboxKind } from './store.ts';

interface Stored extends InboxEntry {
  readonly target: NodeId;
  readonly source: string;
}

/** Inboxes of all nodes, in order of arrival. */
export class MemoryInbox {
  #entries: Stored[] = [];
  #next = 1;

  add(entry: Omit<Stored, 'sequence'>): void {
    this.#entries.push({ ...entry, sequence: this.#next++ });
  }
  has(target: NodeId, kind: InboxKind, from: NodeId): boolean {
    return this.#entries.some((entry) => matches(entry, target, kind) && entry.from === from);
  }
  remove(target: NodeId, kind: InboxKind, from: NodeId): void {
    this.#entries = this.#entries.filter((entry) => !(matches(entry, target, kind) && entry.from === from));
  }
  count(target: NodeId, kind: InboxKind): number {
    return this.#entries.filter((entry) => matches(entry, target, kind)).length;
  }
  countOf(target: NodeId, kind: InboxKind, source: string): number {
    return this.#entries.filter((entry) => matches(entry, target, kind) && entry.source === source).length;
  }
  /** Keeps the newest `limit` entries of a kind. */
  trim(target: NodeId, kind: InboxKind, limit: number): void {
    const surplus = this.count(target, kind) - limit;
    if (surplus <= 0) return;
    let dropped = 0;
    this.#entries = this.#entries.filter((entry) => !(matches(entry, target, kind) && dropped++ < surplus));
  }
  take(target: NodeId): InboxEntry[] {
    const taken = this.#entries.filter((entry) => entry.target === target && entry.kind !== 'revocation');
    this.#entries = this.#entries.filter((entry) => !taken.includes(entry));
    return taken.map(visible);
  }
  poll(target: NodeId, ack: number, limit: number): InboxEntry[] {
    this.#entries = this.#entries.filter((entry) => entry.target !== target || entry.sequence > ack);
    return this.#entries
      .filter((entry) => entry.target === target)
      .slice(0, limit)
      .map(visible);
  }
}

function matches(entry: Stored, target: NodeId, kind: InboxKind): boolean {
  return entry.target === target && entry.kind === kind;
}

function visible({ target: _target, source: _source, ...entry }: Stored): InboxEntry {
  return entry;
}
