/** Files of the store that are touched without the database. */
import {
  closeSync,
  constants,
  copyFileSync,
  fdatasync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { PilotError } from '../../../api/errors.ts';
import type { Bytes } from '../../../base/units.ts';

/** SQLite would create the file readable for everybody. Errors: `disk_full`, `io_error`. */
export function prepareFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
    syncDirectory(dirname(path));
  } catch (error) {
    throw ioError(error, path);
  }
}

/**
 * Brings a file of a database to the disk without holding up the event loop. Closing it lets go of the locks that this
 * process has on the file.
 */
export class FileSync {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What was written to the file before is on the disk when it resolves. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#file === undefined) {
        this.#file = openSync(this.#path, 'r+');
        // It may be a new file.
        syncDirectory(dirname(this.#path));
      }
      fdatasync(this.#file, (error) => {
        if (error === null) resolve();
        else reject(ioError(error, this.#path));
      });
    });
  }
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  fsyncSync(directory);
  closeSync(directory);
}

function ioError(error: unknown, path: string): PilotError {
  const code = (error as { code?: string }).code === 'ENOSPC' ? 'disk_full' : 'io_error';
  const text = error instanceof Error ? error.message : String(error);
  return new PilotError(code, `Cannot use the registry store ${path}: ${text}`, { cause: error });
}

export function sizeOf(path: string): Bytes {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** True when whoever had the file last did not close it: what was written last is in the log. */
export function hasLog(path: string): boolean {
  return sizeOf(`${path}-wal`) > 0;
}

/** A copy of file and log, or undefined where there is no room for one. While the database is open, copying would lose its lock. */
export function copyAside(path: string): string | undefined {
  const aside = `${path}.check`;
  removeAside(aside);
  try {
    for (const suffix of ['', '-wal'])
      copyFileSync(`${path}${suffix}`, `${aside}${suffix}`, constants.COPYFILE_FICLONE);
    return aside;
  } catch {
    removeAside(aside);
    return undefined;
  }
}

export function removeAside(aside: string): void {
  for (const suffix of ['', '-wal', '-journal']) {
    try {
      rmSync(`${aside}${suffix}`, { force: true });
    } catch {
      // Still open, where that matters: the next start takes it away.
    }
  }
}
