/**
 * Kills a registry with SIGKILL at random moments under a load of registrations, hostname changes and trust changes,
 * and checks after every restart that each acknowledged change is there and none is half done:
 * `node dist/test/e2e/registry-kill.js --rounds 200`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { firstLine, killChild, pause, scriptBeside, startChild } from './children.testkit.ts';
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

const CHILD = scriptBeside(import.meta.url, 'registry-child');

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
        const doomed = startChild(CHILD, [store]);
        await pause(Math.random() * 400);
        await killChild(doomed);
        killedStarting++;
      }
      const child = startChild(CHILD, [store]);
      const began = Date.now();
      const port = Number(await firstLine(child));
      slowestStart = Math.max(slowestStart, Date.now() - began);
      await Promise.all(workers.map((worker) => worker.begin(port)));
      const load = Promise.all(workers.map((worker) => worker.run(tally)));
      await pause(20 + Math.random() * 400);
      await killChild(child);
      await load;
    }
    const child = startChild(CHILD, [store]);
    const port = Number(await firstLine(child));
    await Promise.all(workers.map((worker) => worker.begin(port)));
    const counts = await Promise.all(registrars.map((worker) => worker.verifyAll(port)));
    await killChild(child);
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' } } });
  const report = await killRounds(Number(values.rounds));
  console.log(JSON.stringify(report, null, 2));
}
