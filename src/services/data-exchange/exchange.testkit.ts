import { PilotError } from '../../api/errors.ts';
import type { Conn, Listener, StreamHost } from '../../api/stream.ts';
import type { Instant } from '../../base/units.ts';
import { connOf } from '../../daemon/stream-host.ts';
import { FakeNetwork } from '../../ipc/fake-backend.testkit.ts';
import { nodeCrypto } from '../../platform/crypto.ts';
import type { Clock, Log, PartialFile, Storage } from '../../runtime/ports.ts';
import type { SendContext } from './client.ts';
import type { MessagePrograms } from './programs.ts';
import { DataExchange, type DataExchangeOptions } from './server.ts';

/** Time that moves only when told, or when `run` finds nothing else to do. */
export class ManualClock implements Clock {
  #now: Instant = 1000;
  #timers: { at: Instant; order: number; callback: () => void; cancelled: boolean }[] = [];
  #order = 0;
  wallOffset = 1_795_329_000_000;

  now(): Instant {
    return this.#now;
  }
  wallNow(): number {
    return this.wallOffset + this.#now;
  }
  at(when: Instant, callback: () => void) {
    const timer = { at: when, order: this.#order++, callback, cancelled: false };
    this.#timers.push(timer);
    return {
      cancel: () => {
        timer.cancelled = true;
      },
    };
  }
  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => this.at(this.#now + delay, resolve));
  }

  /** Passes time, with everything that becomes due. */
  async advance(by: number): Promise<void> {
    const end = this.#now + by;
    for (;;) {
      await settle();
      this.#timers = this.#timers.filter((timer) => !timer.cancelled);
      const next = this.#timers
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      next.cancelled = true;
      next.callback();
    }
    this.#now = end;
    await settle();
  }
}

export async function settle(turns = 30): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A disk in memory. What `names` shows at any moment is what another program would see. */
export class MemoryStorage implements Storage {
  readonly files = new Map<string, { data: Uint8Array; modified: number }>();
  free = 2 ** 40;
  /** Appends fail once the disk holds that many bytes. */
  capacity = Number.POSITIVE_INFINITY;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get used(): number {
    let total = 0;
    for (const file of this.files.values()) total += file.data.length;
    return total;
  }
  names(folder: string): string[] {
    return [...this.files.keys()].filter(
      (path) => path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes('/'),
    );
  }
  async read(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path)?.data;
  }
  async replace(path: string, data: Uint8Array): Promise<void> {
    this.#check(data.length);
    this.files.set(path, { data: data.slice(), modified: this.#clock.wallNow() });
  }
  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }
  async list(folder: string) {
    return this.names(folder).map((path) => {
      const file = this.files.get(path)!;
      return { name: path.slice(folder.length + 1), bytes: file.data.length, modified: file.modified };
    });
  }
  async openPartial(path: string): Promise<PartialFile> {
    const file = this.files.get(path) ?? { data: new Uint8Array(0), modified: this.#clock.wallNow() };
    this.files.set(path, file);
    let closed = false;
    return {
      get size() {
        return file.data.length;
      },
      append: async (data) => {
        if (closed) throw new PilotError('io_error', 'closed');
        this.#check(data.length);
        const grown = new Uint8Array(file.data.length + data.length);
        grown.set(file.data);
        grown.set(data, file.data.length);
        file.data = grown;
        file.modified = this.#clock.wallNow();
      },
      readAll: async (onChunk) => {
        for (let at = 0; at < file.data.length; at += 50_000) onChunk(file.data.subarray(at, at + 50_000));
      },
      sync: async () => {},
      close: async () => {
        closed = true;
      },
    };
  }
  async moveExclusive(from: string, to: string): Promise<boolean> {
    const file = this.files.get(from);
    if (file === undefined) throw new PilotError('io_error', `no ${from}`);
    if (this.files.has(to)) return false;
    this.files.delete(from);
    this.files.set(to, file);
    return true;
  }
  async freeBytes(): Promise<number> {
    return this.free;
  }
  describe(path: string): string {
    return `/home/${path}`;
  }
  #check(bytes: number): void {
    if (this.used + bytes > this.capacity) throw new PilotError('disk_full', 'Cannot write: no space left');
  }
}

export interface Exchange {
  readonly clock: ManualClock;
  readonly storage: MemoryStorage;
  readonly events: { name: string; fields: Record<string, unknown> }[];
  server: DataExchange;
  /** Opens a stream from node `from` (2 unless told) to the server on node 1. */
  dial(from?: number): Promise<Conn>;
  context(overrides?: Partial<SendContext>): SendContext;
  restart(): Promise<void>;
}

/** A data exchange server on node 1 of a network in memory. */
export function exchange(
  limits?: DataExchangeOptions['limits'],
  options: {
    window?: number;
    storage?: MemoryStorage;
    clock?: ManualClock;
    programs?: MessagePrograms;
  } = {},
): Exchange {
  const network = new FakeNetwork(options.window);
  const clock = options.clock ?? new ManualClock();
  const storage = options.storage ?? new MemoryStorage(clock);
  const backend = network.node(1);
  const events: { name: string; fields: Record<string, unknown> }[] = [];
  const log: Log = { event: (_level, name, fields = {}) => events.push({ name, fields }) };
  const crypto = nodeCrypto();
  const host: StreamHost = {
    listen: (port) => {
      const ready: Conn[] = [];
      let wake: (() => void) | undefined;
      let closed = false;
      const binding = backend.listen(port, (stream) => {
        ready.push(connOf(stream));
        wake?.();
      });
      const listener: Listener = {
        port,
        async accept() {
          while (ready.length === 0 && !closed) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          return ready.shift();
        },
        close() {
          closed = true;
          binding.close();
          wake?.();
        },
      };
      return listener;
    },
    dial: async (to, port) => connOf(await backend.dial(to, port, {})),
  };
  const start = (): DataExchange =>
    DataExchange.start({
      host,
      clock,
      crypto,
      log,
      storage,
      ...(limits !== undefined && { limits }),
      ...(options.programs !== undefined && { programs: options.programs }),
    });
  const made: Exchange = {
    clock,
    storage,
    events,
    server: start(),
    dial: async (from = 2) => {
      const node = network.nodes.get(from) ?? network.node(from);
      return connOf(await node.dial({ network: 0, node: 1 }, 1001, {}));
    },
    context: (overrides = {}) => ({ clock, crypto, dial: () => made.dial(), ...overrides }),
    restart: async () => {
      await made.server.stop();
      made.server = start();
    },
  };
  return made;
}

/** Runs to the end although only the manual clock passes. */
export async function finish<Value>(
  clock: ManualClock,
  promise: Promise<Value>,
  limit = 600_000,
): Promise<Value> {
  let done = false;
  const watched = promise.finally(() => {
    done = true;
  });
  watched.catch(() => {});
  for (let passed = 0; !done && passed < limit; passed += 250) {
    for (let i = 0; i < 50 && !done; i++) await settle(10);
    if (!done) await clock.advance(250);
  }
  return watched;
}

/** A stream that breaks, as by a kill, once that many bytes were written to it. */
export function breakingAfter(conn: Conn, bytes: number): Conn {
  let left = bytes;
  return {
    local: conn.local,
    remote: conn.remote,
    read: () => conn.read(),
    async write(data) {
      const part = data.subarray(0, Math.max(0, left));
      left -= data.length;
      if (part.length > 0) await conn.write(part);
      if (left <= 0) {
        conn.abort();
        throw new PilotError('connection_failed', 'The stream broke');
      }
    },
    endWriting: () => conn.endWriting(),
    close: () => conn.close(),
    abort: () => conn.abort(),
  };
}
