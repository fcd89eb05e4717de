import { chmod, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PilotError } from '../api/errors.ts';
import { systemCode, systemError } from './system-error.ts';

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
/** Bits that let anybody but the owner in. */
const OTHERS = 0o077;
/** Files that hold a private key. */
const SECRET = /^identity(\..+)?\.json$|^restore\.json$/;
/** What `Storage.replace` writes before it renames: the process that made it is in the name. */
const TEMPORARY = /^\..+\.(\d+)\.tmp$/;

export interface HomeReport {
  /** What was changed, for people. */
  readonly fixed: readonly string[];
}

/**
 * Makes the home and the keys in it readable for their owner alone, and removes what killed processes left behind.
 * Errors: `identity_invalid` when an identity belongs to another user, `io_error`.
 */
export async function guardHome(root: string): Promise<HomeReport> {
  const fixed: string[] = [];
  const narrow = async (path: string, wanted: number): Promise<void> => {
    const { mode } = await stat(path);
    if ((mode & OTHERS) === 0) return;
    const was = `${path} was open to other users (mode ${(mode & 0o777).toString(8)})`;
    try {
      await chmod(path, wanted);
      fixed.push(`${was}: now ${wanted.toString(8)}`);
    } catch (error) {
      if (systemCode(error) !== 'EPERM') throw error;
      fixed.push(`${was}, and is not ours to change`);
    }
  };
  try {
    // A home that another user owns cannot be narrowed; its keys say whose it is.
    for (const name of await readdir(root)) {
      if (SECRET.test(name)) await demandOwn(join(root, name));
    }
    await narrow(root, DIRECTORY_MODE);
    for (const name of await readdir(root)) {
      if (SECRET.test(name)) await narrow(join(root, name), FILE_MODE);
      const maker = TEMPORARY.exec(name)?.[1];
      if (maker !== undefined && !isAlive(Number(maker))) await unlink(join(root, name));
    }
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw systemError(error, `look after ${root}`);
  }
  return { fixed };
}

async function demandOwn(path: string): Promise<void> {
  const user = process.getuid?.();
  const { uid } = await stat(path);
  if (user === undefined || uid === user) return;
  throw new PilotError(
    'identity_invalid',
    `Cannot use ${path}: it belongs to user ${uid}, and this is user ${user}`,
    { hint: 'run the daemon as the owner of the file, or choose another PILOT_HOME' },
  );
}

/** Another process of ours may be writing; our own number is one of before: this process has written nothing yet. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
