import type { NodeId, UnixMillis } from '../base/units.ts';
import type { Log } from '../runtime/ports.ts';

/** Warnings kept; the oldest go first. */
const LIMIT = 64;

/** Something the user should know of and can do something about. */
export interface Warning {
  /** Stable, dotted: also the name of the event in the log. */
  readonly code: string;
  readonly message: string;
  /** When it was last seen. */
  readonly at: UnixMillis;
  /** How often. */
  readonly count: number;
  readonly node?: NodeId;
}

/** What `info` and `daemon status` tell without being asked. */
export class Warnings {
  readonly #entries = new Map<string, Warning>();
  readonly #log: Log;
  readonly #wallNow: () => UnixMillis;

  constructor(log: Log, wallNow: () => UnixMillis) {
    this.#log = log;
    this.#wallNow = wallNow;
  }

  /** One entry per code and node; repetitions are counted, and logged once. */
  add(code: string, message: string, node?: NodeId): void {
    const name = `${code}:${node ?? ''}`;
    const before = this.#entries.get(name);
    this.#entries.delete(name);
    this.#entries.set(name, {
      code,
      message,
      at: this.#wallNow(),
      count: (before?.count ?? 0) + 1,
      ...(node !== undefined && { node }),
    });
    if (before?.message !== message) {
      this.#log.event('warn', code, { message, ...(node !== undefined && { peer: node }) });
    }
    if (this.#entries.size <= LIMIT) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  /** It is over. */
  clear(code: string, node?: NodeId): void {
    this.#entries.delete(`${code}:${node ?? ''}`);
  }

  /** Everything about a node is over. */
  clearNode(node: NodeId): void {
    for (const [name, warning] of this.#entries) if (warning.node === node) this.#entries.delete(name);
  }

  /** Newest first. */
  list(): readonly Warning[] {
    return [...this.#entries.values()].reverse();
  }
}
