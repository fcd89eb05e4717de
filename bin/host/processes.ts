import { execFile, fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PilotError } from '../../src/api/errors.ts';
import type { Launched, Processes, Program, StartReport } from '../../src/cli/host.ts';

/** Compiled or not, the programs lie beside each other. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

export function nodeProcesses(): Processes {
  return {
    pid: process.pid,
    user: process.getuid?.() ?? 0,
    stamp,
    signal(pid, signal) {
      try {
        return process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
        throw new PilotError(
          'permission_denied',
          `Cannot signal process ${pid}: it belongs to another user`,
          { cause: error },
        );
      }
    },
    launch,
    async runHere(program, settings, onReport) {
      if (program === 'daemon') await (await import('../daemon-main.ts')).runDaemon(settings, onReport);
      else await (await import('../rendezvous-main.ts')).runRendezvous(settings, onReport);
    },
  };
}

/** Start time as the kernel counts it; on other systems as `ps` prints it. A zombie has ended. */
async function stamp(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') {
    try {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]);
      return stdout.trim() === '' ? undefined : stdout.trim();
    } catch {
      return undefined;
    }
  }
  try {
    const fields = (await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ').at(-1)?.split(' ') ?? [];
    // Fields of proc(5) from the third on: state is the first of them, start time the twentieth.
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
    return `${boot}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Settings and reports travel over the channel of `fork`: nothing shows in the list of processes. */
function launch(program: Program, settings: unknown, logFile: string): Promise<Launched> {
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = openSync(logFile, 'a', 0o600);
  const child = fork(
    fileURLToPath(new URL(`../pilot-${program}${EXTENSION}`, import.meta.url)),
    ['--launched'],
    {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    },
  );
  closeSync(log);
  const reports: StartReport[] = [];
  let ending: string | undefined;
  let closed = false;
  let wake: (() => void) | undefined;
  child.on('message', (message) => {
    reports.push(message as StartReport);
    wake?.();
  });
  const end = (how: string): void => {
    ending ??= how;
    closed = true;
    wake?.();
  };
  child.on('exit', (code, signal) => end(signal === null ? `exit status ${code}` : `killed by ${signal}`));
  child.on('error', (error) => end(error.message));
  child.send({ settings });
  return Promise.resolve({
    pid: child.pid ?? 0,
    async next() {
      while (reports.length === 0 && !closed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return reports.shift();
    },
    ending: () => ending,
    release() {
      if (child.connected) child.disconnect();
      child.unref();
    },
  });
}
