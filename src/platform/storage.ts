import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';
import { dirname, join, resolve as resolvePath } from 'node:path';
import { PilotError } from '../api/errors.ts';
import type { PartialFile, Storage } from '../runtime/ports.ts';
import { systemCode, systemError } from './system-error.ts';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const READ_CHUNK = 256 * 1024;
/** Half-written replacements: hidden from `list`. */
const TEMPORARY = /^\..*\.tmp$/;

/** The files below `rootDir`, which is made when first written to. */
export function nodeStorage(rootDir: string): Storage {
  const root = resolvePath(rootDir);
  /** Replacements of one path run one after another, so the last call wins. */
  const replacing = new Map<string, Promise<void>>();

  function locate(path: string): string {
    const parts = path.split('/');
    if (path === '' || path.startsWith('/') || path.includes('\0') || parts.includes('..')) {
      throw new TypeError(`not a path inside the tree: ${JSON.stringify(path)}`);
    }
    return join(root, ...parts);
  }

  async function replaceNow(file: string, data: Uint8Array): Promise<void> {
    const directory = dirname(file);
    const temporary = join(directory, `.${file.slice(directory.length + 1)}.${process.pid}.tmp`);
    try {
      await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
      const handle = await open(temporary, 'w', FILE_MODE);
      try {
        await handle.writeFile(data);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
      await syncDirectory(directory);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw systemError(error, `write ${file}`);
    }
  }

  return {
    async read(path) {
      const file = locate(path);
      try {
        return await readFile(file);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw systemError(error, `read ${file}`);
      }
    },
    replace(path, data) {
      const file = locate(path);
      const before = replacing.get(file) ?? Promise.resolve();
      const mine = before.catch(() => {}).then(() => replaceNow(file, data));
      replacing.set(file, mine);
      const forget = (): void => {
        if (replacing.get(file) === mine) replacing.delete(file);
      };
      mine.then(forget, forget);
      return mine;
    },
    async remove(path) {
      const file = locate(path);
      try {
        await unlink(file);
        await syncDirectory(dirname(file));
      } catch (error) {
        if (!isAbsent(error)) throw systemError(error, `remove ${file}`);
      }
    },
    async list(directory) {
      const place = directory === '' ? root : locate(directory);
      try {
        const found = [];
        for (const entry of await readdir(place, { withFileTypes: true })) {
          if (!entry.isFile() || TEMPORARY.test(entry.name)) continue;
          const facts = await stat(join(place, entry.name)).catch(() => undefined);
          if (facts !== undefined)
            found.push({ name: entry.name, bytes: facts.size, modified: Math.floor(facts.mtimeMs) });
        }
        return found;
      } catch (error) {
        if (isAbsent(error)) return [];
        throw systemError(error, `list ${place}`);
      }
    },
    async openPartial(path) {
      const file = locate(path);
      try {
        await mkdir(dirname(file), { recursive: true, mode: DIRECTORY_MODE });
        const handle = await open(
          file,
          constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
          FILE_MODE,
        );
        await syncDirectory(dirname(file));
        return partialFile(handle, file, (await handle.stat()).size);
      } catch (error) {
        throw systemError(error, `open ${file}`);
      }
    },
    async moveExclusive(from, to) {
      const [source, target] = [locate(from), locate(to)];
      try {
        await mkdir(dirname(target), { recursive: true, mode: DIRECTORY_MODE });
        if (!(await moveByLink(source, target))) return false;
        await syncDirectory(dirname(target));
        if (dirname(source) !== dirname(target)) await syncDirectory(dirname(source));
        return true;
      } catch (error) {
        throw systemError(error, `move ${source} to ${target}`);
      }
    },
    async freeBytes() {
      try {
        const facts = await statfs(await nearestExisting(root));
        return facts.bavail * facts.bsize;
      } catch (error) {
        throw systemError(error, `measure the free space of ${root}`);
      }
    },
    describe: locate,
  };
}

function partialFile(handle: FileHandle, file: string, initialSize: number): PartialFile {
  let size = initialSize;
  return {
    get size() {
      return size;
    },
    async append(data) {
      try {
        for (let done = 0; done < data.length; ) {
          const { bytesWritten } = await handle.write(data, done, data.length - done, size + done);
          done += bytesWritten;
        }
        size += data.length;
      } catch (error) {
        await handle.truncate(size).catch(() => {});
        throw systemError(error, `write ${file}`);
      }
    },
    async readAll(onChunk) {
      try {
        for (let at = 0; at < size; ) {
          const wanted = Math.min(READ_CHUNK, size - at);
          const { bytesRead, buffer } = await handle.read(new Uint8Array(wanted), 0, wanted, at);
          if (bytesRead === 0) throw new PilotError('io_error', `Cannot read ${file}: it became shorter`);
          onChunk(buffer.subarray(0, bytesRead));
          at += bytesRead;
        }
      } catch (error) {
        throw systemError(error, `read ${file}`);
      }
    },
    async sync() {
      try {
        await handle.sync();
      } catch (error) {
        throw systemError(error, `sync ${file}`);
      }
    },
    close: () => handle.close(),
  };
}

/** Links, then unlinks: unlike rename(2) this never replaces what is at the target. */
async function moveByLink(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    await unlink(source);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EMLINK') throw error;
  }
  // Without hard links the empty file made here reserves the name, and rename replaces only that.
  try {
    await (await open(target, 'wx', FILE_MODE)).close();
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
  await rename(source, target);
  return true;
}

/** Makes a rename, link or unlink in the directory survive a power cut. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot sync a directory and need not.
    if (systemCode(error) !== 'EINVAL' && systemCode(error) !== 'EPERM') throw error;
  } finally {
    await handle.close();
  }
}

async function nearestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const present = await stat(at).then(
      () => true,
      () => false,
    );
    if (present || dirname(at) === at) return at;
  }
}

function isAbsent(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
