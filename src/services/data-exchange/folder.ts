import type { Bytes, UnixMillis } from '../../base/units.ts';
import type { Storage } from '../../runtime/ports.ts';

interface Entry {
  readonly bytes: Bytes;
  readonly modified: UnixMillis;
}

/**
 * What a folder holds, counted without reading it again for each new file. Other programs may delete files: the
 * count is taken anew before anything is refused or evicted because of it.
 */
export class Folder {
  readonly path: string;
  readonly #storage: Storage;
  #entries = new Map<string, Entry>();
  #bytes: Bytes = 0;
  #loaded = false;

  constructor(storage: Storage, path: string) {
    this.#storage = storage;
    this.path = path;
  }

  get bytes(): Bytes {
    return this.#bytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  async load(): Promise<void> {
    if (!this.#loaded) await this.refresh();
  }

  async refresh(): Promise<void> {
    const found = await this.#storage.list(this.path);
    this.#entries = new Map(found.map(({ name, bytes, modified }) => [name, { bytes, modified }]));
    this.#bytes = found.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#loaded = true;
  }

  added(name: string, bytes: Bytes, modified: UnixMillis): void {
    this.forgotten(name);
    this.#entries.set(name, { bytes, modified });
    this.#bytes += bytes;
  }

  forgotten(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#bytes -= entry.bytes;
  }

  /** Deletes oldest files first until `enough` says so. `isKept` files stay. Returns how many went. */
  async evict(enough: () => boolean, isKept: (name: string) => boolean = () => false): Promise<number> {
    const oldestFirst = [...this.#entries].sort(
      ([a, x], [b, y]) => x.modified - y.modified || (a < b ? -1 : 1),
    );
    let evicted = 0;
    for (const [name] of oldestFirst) {
      if (enough()) break;
      if (isKept(name)) continue;
      await this.#storage.remove(`${this.path}/${name}`);
      this.forgotten(name);
      evicted++;
    }
    return evicted;
  }
}

/** Runs tasks one after another. */
export class Turnstile {
  #last: Promise<unknown> = Promise.resolve();

  run<Value>(task: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
