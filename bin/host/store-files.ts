import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PilotError } from '../../src/api/errors.ts';
import type { StoreFiles } from '../../src/cli/host.ts';
import { nodeClock } from '../../src/platform/clock.ts';

const DATABASE = 'registry.db';
const LOG = 'registry.db-wal';
const TLS_KEY = 'tls.json';

/** Stores as files. */
export function storeFiles(): StoreFiles {
  return {
    async copy(from, to) {
      if (!(await isThere(join(from, DATABASE))))
        throw new PilotError('not_found', `There is no store of a registry in ${from}`);
      return doing(`copy ${from} to ${to}`, async () => {
        await mkdir(dirname(to), { recursive: true, mode: 0o700 });
        await mkdir(to, { mode: 0o700 });
        let bytes = 0;
        // The log last: it has what changed while the file was copied.
        for (const name of [TLS_KEY, DATABASE, LOG]) bytes += await copyOne(join(from, name), join(to, name));
        await syncDirectory(to);
        return bytes;
      });
    },
    async check(directory) {
      // Opening a database is for those who need one.
      const { openEmbeddedStore } = await import('../../src/registry/store/embedded.ts');
      const path = join(directory, DATABASE);
      const store = await openEmbeddedStore({ path, clock: nodeClock(), log: { event() {} } });
      try {
        return await store.counts();
      } finally {
        await store.close();
      }
    },
    move: (from, to) =>
      doing(`rename ${from} to ${to}`, async () => {
        if (await isThere(to)) {
          if ((await readdir(to)).length > 0) return false;
        }
        await mkdir(dirname(to), { recursive: true, mode: 0o700 });
        await rename(from, to);
        await syncDirectory(dirname(to));
        return true;
      }),
    async exportTo(place, file) {
      const { dropExport, exportStore, finishExport } = await import('./store-transfer.ts');
      try {
        const facts = await exportStore(place, file);
        finishExport(file);
        return facts;
      } finally {
        dropExport(file);
      }
    },
    async importFrom(place, file) {
      return (await import('./store-transfer.ts')).importStore(place, file);
    },
    remove: (directory) =>
      doing(`remove ${directory}`, () => rm(directory, { recursive: true, force: true })),
  };
}

/** Bytes copied; 0 when nothing was there. */
async function copyOne(from: string, to: string): Promise<number> {
  if (!(await isThere(from))) return 0;
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const handle = await open(to, 'r+');
  try {
    await handle.chmod(0o600);
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function doing<T>(action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof PilotError) throw error;
    const system = (error as { code?: string }).code;
    const code = system === 'EEXIST' ? 'already_exists' : system === 'ENOSPC' ? 'disk_full' : 'io_error';
    const text = error instanceof Error ? error.message : String(error);
    throw new PilotError(code, `Cannot ${action}: ${text}`, { cause: error });
  }
}
