import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, link, lstat, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { PilotError } from '../../src/api/errors.ts';
import type { Files, ReadableFile } from '../../src/cli/host.ts';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Files by absolute or working-directory path, for the command line. */
export function nodeFiles(): Files {
  return {
    info: (path) =>
      absentIsUndefined(`look at ${path}`, async () => {
        const found = await stat(path);
        return {
          kind: found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other',
          bytes: found.size,
          modified: found.mtimeMs,
          owner: found.uid,
          mode: found.mode & 0o7777,
        };
      }),
    read: (path, limit) =>
      absentIsUndefined(`read ${path}`, async () => {
        const handle = await open(path, 'r');
        try {
          const { size } = await handle.stat();
          if (size > limit)
            throw new PilotError('too_large', `Cannot read ${path}: longer than ${limit} bytes`);
          return await handle.readFile();
        } finally {
          await handle.close();
        }
      }),
    async replace(path, data) {
      await doing(`write ${path}`, async () => {
        await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
        const temporary = await writeTemporary(path, data);
        await rename(temporary, path);
      });
    },
    create: (path, data, readable) =>
      doing(`create ${path}`, async () => {
        await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
        // Linking a complete file in place: nobody ever sees it half written, and one of several wins.
        const temporary = await writeTemporary(path, data);
        try {
          if (readable === 'everyone') await chmod(temporary, 0o644);
          await link(temporary, path);
          return true;
        } catch (error) {
          if (codeOf(error) === 'EEXIST') return false;
          throw error;
        } finally {
          await unlink(temporary);
        }
      }),
    async rename(from, to) {
      return (await absentIsUndefined(`rename ${from}`, () => rename(from, to).then(() => true))) ?? false;
    },
    async remove(path) {
      await absentIsUndefined(`remove ${path}`, () => unlink(path));
    },
    async list(directory) {
      const names = await absentIsUndefined(`list ${directory}`, () => readdir(directory));
      return (names ?? []).sort();
    },
    async shareDirectory(path) {
      await doing(`create ${path}`, async () => {
        await mkdir(path, { recursive: true });
        const found = await lstat(path);
        if (!found.isDirectory()) throw new Error('not a directory');
        if (found.uid === process.getuid?.() && (found.mode & 0o7777) !== 0o1777) await chmod(path, 0o1777);
      });
    },
    open: (path) => doing(`open ${path}`, () => openFile(path)),
  };
}

async function writeTemporary(path: string, data: string): Promise<string> {
  const temporary = `${dirname(path)}/.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`;
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  const handle = await open(temporary, flags, FILE_MODE);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return temporary;
}

async function openFile(path: string): Promise<ReadableFile> {
  const handle = await open(path, 'r');
  const { size } = await handle.stat();
  return {
    name: basename(path),
    size,
    async read(at, length) {
      const buffer = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, at + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
    close: () => handle.close(),
  };
}

async function absentIsUndefined<T>(action: string, run: () => Promise<T>): Promise<T | undefined> {
  return doing(action, async () => {
    try {
      return await run();
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  });
}

async function doing<T>(action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof PilotError) throw error;
    const code = codeOf(error);
    if (code === 'EACCES' || code === 'EPERM') {
      throw new PilotError('permission_denied', `Cannot ${action}: permission denied`, {
        hint: 'check the owner and the permissions of the path',
        cause: error,
      });
    }
    const why = code ?? (error instanceof Error ? error.message : String(error));
    throw new PilotError(
      code === 'ENOSPC' || code === 'EDQUOT' ? 'disk_full' : 'io_error',
      `Cannot ${action}: ${why}`,
      {
        cause: error,
      },
    );
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException)?.code;
}
