import type { NodeId } from '../../base/units.ts';
import { given, type Steps } from './steps.ts';
import type { InboxEntry, InboxKind } from './store.ts';
import type { InboxRows, NewEntry } from './trust-ledger.ts';

type Stored = InboxEntry & NewEntry;

/** Inboxes of all nodes, in order of arrival. */
export class MemoryInbox implements InboxRows {
  #entries: Stored[] = [];
  #next = 1;

  add(entry: NewEntry): Steps<void> {
    this.#entries.push({ ...entry, sequence: this.#next++ });
    return given(undefined);
  }
  has(target: NodeId, kind: InboxKind, from: NodeId): Steps<boolean> {
    return given(this.#entries.some((entry) => matches(entry, target, kind) && entry.from === from));
  }
  remove(target: NodeId, kind: InboxKind, from: NodeId): Steps<void> {
    this.#entries = this.#entries.filter((entry) => !(matches(entry, target, kind) && entry.from === from));
    return given(undefined);
  }
  count(target: NodeId, kind: InboxKind): Steps<number> {
    return given(this.#count(target, kind));
  }
  countOf(target: NodeId, kind: InboxKind, source: string): Steps<number> {
    return given(
      this.#entries.filter((entry) => matches(entry, target, kind) && entry.source === source).length,
    );
  }
  /** Keeps the newest `limit` entries of a kind. */
  trim(target: NodeId, kind: InboxKind, limit: number): Steps<void> {
    const surplus = this.#count(target, kind) - limit;
    let dropped = 0;
    this.#entries = this.#entries.filter((entry) => !(matches(entry, target, kind) && dropped++ < surplus));
    return given(undefined);
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

  #count(target: NodeId, kind: InboxKind): number {
    return this.#entries.filter((entry) => matches(entry, target, kind)).length;
  }
}

function matches(entry: Stored, target: NodeId, kind: InboxKind): boolean {
  return entry.target === target && entry.kind === kind;
}

function visible({ target: _target, source: _source, ...entry }: Stored): InboxEntry {
  return entry;
}
