/**
 * Kills a registry with SIGKILL at random moments under a load of registrations, hostname changes and trust changes,
 * and checks after every restart that each acknowledged change is there and none is half done:
 * `node dist/test/e2e/registry-kill.js --rounds 200`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bond } from './registry-documents.testkit.ts';
import { couple, namer, registrar, type Tally } from './registry-workers.testkit.ts';

export interface KillReport extends Tally {
  readonly rounds: number;
  /** Kills while the registry was still starting. */
  readonly killedStarting: number;
  readonly nodesVerified: number;
  /** From starting the process to its port being open, ms. */
  readonly slowestStart: number;
  readonly seconds: number;
}

const CHILD = fileURLToPath(
  new URL(`./registry-child.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);

/** Rejects with what was lost. */
export async function killRounds(rounds: number): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), 'pilot-kill-'));
  const store = join(directory, 'registry.db');
  const startedAt = Date.now();
  const tally: Tally = { registrations: 0, hostnames: 0, trust: 0, unknown: 0 };
  const registrars = [1, 2, 3].map((n) => registrar(`made${n}`));
  const workers = [
    ...registrars,
    ...[1, 2, 3, 4, 5, 6].map((n) => namer(`name${n}`)),
    ...[1, 2, 3, 4, 5, 6].map((n) => couple(`pair${n}`)),
    ...[1, 2, 3].map((n) => bond(`bond${n}`)),
  ];
  let killedStarting = 0;
  let slowestStart = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      if (round % 10 === 9) {
        const doomed = start(store);
        await pause(Math.random() * 400);
        await kill(doomed);
        killedStarting++;
      }
      const child = start(store);
      const began = Date.now();
      const port = await portOf(child);
      slowestStart = Math.max(slowestStart, Date.now() - began);
      await Promise.all(workers.map((worker) => worker.begin(port)));
      const load = Promise.all(workers.map((worker) => worker.run(tally)));
      await pause(20 + Math.random() * 400);
      await kill(child);
      await load;
    }
    const child = start(store);
    const port = await portOf(child);
    await Promise.all(workers.map((worker) => worker.begin(port)));
    const counts = await Promise.all(registrars.map((worker) => worker.verifyAll(port)));
    await kill(child);
    return {
      ...tally,
      rounds,
      killedStarting,
      nodesVerified: counts.reduce((sum, count) => sum + count, 0),
      slowestStart,
      seconds: Math.round((Date.now() - startedAt) / 1000),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function start(store: string): ChildProcess {
  return spawn(
    process.execPath,
    [...process.execArgv.filter((flag) => !flag.startsWith('--test')), CHILD, store],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (chunk) => {
      text += String(chunk);
      if (text.endsWith('\n')) resolve(Number(text));
    });
    child.once('exit', (code) => reject(new Error(`the registry ended by itself with status ${code}`)));
  });
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' } } });
  const report = await killRounds(Number(values.rounds));
  console.log(JSON.stringify(report, null, 2));
}
