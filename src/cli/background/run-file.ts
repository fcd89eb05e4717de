import type { Home, RunPaths } from '../home.ts';
import type { Files, Host, Processes } from '../host.ts';

/** Who runs, with what, since when. The stamp tells the process from a later one with the same pid. */
export interface RunRecord {
  readonly pid: number;
  readonly stamp: string;
  /** Unix milliseconds. */
  readonly started_at: number;
  readonly facts: Readonly<Record<string, unknown>>;
}

type Machine = { readonly files: Files; readonly processes: Processes };

/** A record that only one living process at a time holds. */
export interface Claim {
  /** Replaces the facts others can read. */
  update(facts: Readonly<Record<string, unknown>>): Promise<void>;
  release(): Promise<void>;
}

/** The living process that holds `path`; undefined when nobody does. Records of the dead are left alone. */
export async function holderOf(machine: Machine, path: string): Promise<RunRecord | undefined> {
  const record = await readRecord(machine.files, path);
  return record !== undefined && (await isAlive(machine.processes, record)) ? record : undefined;
}

/** Takes `path` for this process, or tells who has it. Stale records are cleared. Errors: `io_error`. */
export async function claim(
  machine: Machine & { readonly clock: Host['clock'] },
  path: string,
  facts: Readonly<Record<string, unknown>>,
): Promise<Claim | RunRecord> {
  const { files, processes } = machine;
  const own: RunRecord = {
    pid: processes.pid,
    stamp: (await processes.stamp(processes.pid)) ?? '',
    started_at: machine.clock.wallNow(),
    facts,
  };
  for (;;) {
    if (await files.create(path, JSON.stringify(own))) break;
    const holder = await readRecord(files, path);
    if (holder !== undefined && (await isAlive(processes, holder))) return holder;
    await clearStale(machine, path, holder);
  }
  return {
    update: (newFacts) => files.replace(path, JSON.stringify({ ...own, facts: newFacts })),
    async release() {
      const current = await readRecord(files, path);
      if (current?.pid === own.pid && current.stamp === own.stamp) await files.remove(path);
    },
  };
}

export function isClaim(result: Claim | RunRecord): result is Claim {
  return 'release' in result;
}

/**
 * Renaming first makes sure that of several processes only one clears a given record; when it turns out that
 * another had already replaced the stale record, the new one is put back.
 */
async function clearStale(machine: Machine, path: string, stale: RunRecord | undefined): Promise<void> {
  const aside = `${path}.${machine.processes.pid}`;
  if (!(await machine.files.rename(path, aside))) return;
  const moved = await readRecord(machine.files, aside);
  if (moved !== undefined && moved.stamp !== stale?.stamp && (await isAlive(machine.processes, moved))) {
    await machine.files.create(path, JSON.stringify(moved));
  }
  await machine.files.remove(aside);
}

async function isAlive(processes: Processes, record: RunRecord): Promise<boolean> {
  return (await processes.stamp(record.pid)) === record.stamp;
}

async function readRecord(files: Files, path: string): Promise<RunRecord | undefined> {
  const bytes = await files.read(path, 65536);
  if (bytes === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const record = parsed as RunRecord;
    return typeof record?.pid === 'number' && typeof record.stamp === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}

/** The daemon that runs for this home. */
export function runningDaemon(host: Machine, home: Home): Promise<RunRecord | undefined> {
  return holderOf(host, home.daemon.run);
}

/** Claims the run file of a background program and writes the pid file other programs read. */
export async function claimRun(
  machine: Machine & { readonly clock: Host['clock'] },
  paths: RunPaths,
  facts: Readonly<Record<string, unknown>>,
): Promise<Claim | RunRecord> {
  const result = await claim(machine, paths.run, facts);
  if (!isClaim(result)) return result;
  await machine.files.replace(paths.pid, String(machine.processes.pid));
  return {
    update: result.update,
    async release() {
      await machine.files.remove(paths.pid);
      await result.release();
    },
  };
}
