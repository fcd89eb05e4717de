import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { PilotError } from '../api/errors.ts';
import { systemError } from './system-error.ts';

/** A file opened for reading anywhere in it. Its size is that at the time of opening. */
export interface FileReading {
  readonly name: string;
  readonly size: number;
  /** `length` bytes from `offset`; fewer only when the file has shrunk. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Errors: `io_error`, `permission_denied`; `invalid_argument` for what is not a file. */
export async function nodeFileReading(path: string): Promise<FileReading> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw systemError(error, `open ${path}`);
  }
  const facts = await handle.stat();
  if (!facts.isFile()) {
    await handle.close();
    throw new PilotError('invalid_argument', `Cannot read ${path}: not a file`);
  }
  return {
    name: basename(path),
    size: facts.size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled === length ? bytes : bytes.subarray(0, filled);
    },
    close: () => handle.close(),
  };
}
