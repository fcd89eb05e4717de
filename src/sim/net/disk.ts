import { PilotError } from '../../api/errors.ts';
import type { Random } from '../../base/random.ts';
import type { Millis } from '../../base/units.ts';
import type { PartialFile, Storage } from '../../runtime/ports.ts';
import type { Death, Process } from './process.ts';
import { between, chance } from './seeded-random.ts';

interface StoredFile {
  data: Uint8Array;
  /** How much of `data` a power cut leaves for certain. */
  synced: number;
  modified: number;
}

/** Slowest virtual disk operation unless the host says otherwise, ms. */
const SLOWEST = 4;
const ROOM = 64 * 1024 * 1024 * 1024;
const READ_CHUNK = 64 * 1024;

/** The disk of a host: survives its processes; a power cut leaves each unsynced change done or undone. */
export class Disk {
  readonly files = new Map<string, StoredFile>();
  /** Every write fails with `disk_full` while true. */
  full = false;
  /** Longest time one change takes. */
  slowest: Millis = SLOWEST;
  readonly random: Random;
  /** Changes under way, by process: what happens to them when it dies is chance. */
  readonly #underWay = new Map<Process, Set<() => void>>();

  constructor(random: Random) {
    this.random = random;
  }

  /** Applies `change` after some time; a process that dies before may leave it done or undone. */
  change(process: Process, apply: () => void): Promise<void> {
    const changes = this.#underWay.get(process) ?? new Set();
    this.#underWay.set(process, changes);
    changes.add(apply);
    return new Promise((resolve, reject) => {
      process.schedule(process.host.world.now + between(this.random, 0.1, this.slowest), () => {
        changes.delete(apply);
        if (this.full) {
          reject(new PilotError('disk_full', 'Cannot write: no space left on the virtual disk'));
          return;
        }
        try {
          apply();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  processDied(process: Process, death: Death): void {
    for (const apply of this.#underWay.get(process) ?? [])
      if (!this.full && chance(this.random, 0.5)) apply();
    this.#underWay.delete(process);
    if (death === 'killed') return;
    for (const file of this.files.values()) {
      if (file.data.length <= file.synced) continue;
      file.data = file.data.slice(0, file.synced + this.random.below(file.data.length - file.synced + 1));
    }
  }
}

/** The files below one directory of the host's disk. */
export function diskStorage(process: Process, directory: string): Storage {
  const { disk, world } = process.host;
  /** Changes of one process happen in the order they were asked for. */
  let tail: Promise<void> = Promise.resolve();
  const place = (path: string): string => `${directory}/${path}`;
  const wallNow = (): number => process.clock.wallNow();

  function inOrder(apply: () => void): Promise<void> {
    const mine = tail.then(() => disk.change(process, apply));
    tail = mine.catch(() => {});
    return mine;
  }
  function soon<T>(produce: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      process.schedule(world.now + between(disk.random, 0.05, disk.slowest / 4), () => {
        try {
          resolve(produce());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  return {
    read: (path) => soon(() => disk.files.get(place(path))?.data.slice()),
    replace(path, data) {
      const copy = data.slice();
      return inOrder(() => {
        disk.files.set(place(path), { data: copy, synced: copy.length, modified: wallNow() });
      });
    },
    remove: (path) =>
      inOrder(() => {
        disk.files.delete(place(path));
      }),
    list: (path) =>
      soon(() => {
        const prefix = path === '' ? `${directory}/` : `${place(path)}/`;
        const found = [];
        for (const [name, file] of disk.files) {
          if (!name.startsWith(prefix) || name.slice(prefix.length).includes('/')) continue;
          found.push({ name: name.slice(prefix.length), bytes: file.data.length, modified: file.modified });
        }
        return found;
      }),
    openPartial: (path) =>
      soon(() => {
        const known = disk.files.get(place(path));
        const file = known ?? { data: new Uint8Array(0), synced: 0, modified: wallNow() };
        disk.files.set(place(path), file);
        return partialFile(file);
      }),
    async moveExclusive(from, to) {
      let moved = false;
      await inOrder(() => {
        const file = disk.files.get(place(from));
        if (file === undefined) throw new PilotError('io_error', `Cannot move ${from}: it is not there`);
        if (disk.files.has(place(to))) return;
        disk.files.delete(place(from));
        disk.files.set(place(to), file);
        moved = true;
      });
      return moved;
    },
    freeBytes: () => soon(() => (disk.full ? 0 : ROOM)),
    describe: place,
  };

  function partialFile(file: StoredFile): PartialFile {
    return {
      get size() {
        return file.data.length;
      },
      append(data) {
        const copy = data.slice();
        return inOrder(() => {
          const grown = new Uint8Array(file.data.length + copy.length);
          grown.set(file.data);
          grown.set(copy, file.data.length);
          file.data = grown;
          file.modified = wallNow();
        });
      },
      async readAll(onChunk) {
        await soon(() => {
          for (let at = 0; at < file.data.length; at += READ_CHUNK)
            onChunk(file.data.slice(at, at + READ_CHUNK));
        });
      },
      sync: () =>
        inOrder(() => {
          file.synced = file.data.length;
        }),
      async close() {},
    };
  }
}
