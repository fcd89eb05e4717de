/** Files of the store that are touched without the database. */
import {
  closeSync,
  constants,
  copyFileSync,
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
    const directory = openSync(dirname(path), 'r');
    fsyncSync(directory);
    closeSync(directory);
  } catch (error) {
    const code = (error as { code?: string }).code === 'ENOSPC' ? 'disk_full' : 'io_error';
    const text = error instanceof Error ? error.message : String(error);
    throw new PilotError(code, `Cannot open the registry store ${path}: ${text}`, { cause: error });
  }
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
  for (const suffix of ['', '-wal', '-journal']) rmSync(`${aside}${suffix}`, { force: true });
}
