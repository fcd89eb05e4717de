/**
 * Kills a registry with SIGKILL at random moments under a load of registrations, hostname changes, trust changes and
 * heartbeats, and checks after every restart that each acknowledged change is there and none is half done, and at the
 * end that heartbeats, which may be lost for some moments, were not lost for good:
 * `node dist/test/e2e/registry-kill.js --rounds 200`.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeClock } from '../../src/platform/index.ts';
import { openEmbeddedStore } from '../../src/registry/index.ts';
import { auditAgrees } from './audit-agrees.testkit.ts';
import { firstLine, killChild, pause, scriptBeside, startChild } from './children.testkit.ts';
import { bond } from './registry-documents.testkit.ts';
import { couple, heart, namer, registrar, type Tally } from './registry-workers.testkit.ts';

export interface KillReport extends Tally {
  readonly rounds: number;
  /** Kills while the registry was still starting. */
  readonly killedStarting: number;
  readonly nodesVerified: number;
  /** From starting the process to its port being open, ms. */
  readonly slowestStart: number;
  readonly seconds: number;
  /** Entries of the audit log, each of a change that is there; every change has one. */
  readonly audited: number;
  /** How far what the disk says of heartbeats is behind the last that was answered, at most, ms. */
  readonly staleness: number;
}

const CHILD = scriptBeside(import.meta.url, 'registry-child');

/** Nodes that only send heartbeats. */
const HEARTS = 24;
/** What heartbeats may lose at a kill, generously: a busy machine takes its time. */
const STALE = 15_000;
const PATIENCE = 10_000;

async function oldestSeen(
  path: string,
  hearts: readonly { node(): number; lastAnswered(): number }[],
): Promise<number> {
  const store = await openEmbeddedStore({ path, clock: nodeClock(), log: { event() {} } });
  let staleness = 0;
  for (const { node, lastAnswered } of hearts) {
    const { lastSeen } = (await store.node(node()))!;
    staleness = Math.max(staleness, lastAnswered() - lastSeen);
    assert.ok(
      lastSeen <= Date.now() && lastAnswered() - lastSeen < STALE,
      `node ${node()}: seen ${lastSeen}`,
    );
  }
  await store.close();
  return staleness;
}

async function auditOf(path: string): Promise<number> {
  const store = await openEmbeddedStore({ path, clock: nodeClock(), log: { event() {} } });
  try {
    return await auditAgrees(store);
  } finally {
    await store.close();
  }
}

/** Rejects with what was lost. */
export async function killRounds(rounds: number): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), 'pilot-kill-'));
  const store = join(directory, 'registry.db');
  const startedAt = Date.now();
  const tally: Tally = { registrations: 0, hostnames: 0, trust: 0, heartbeats: 0, unknown: 0 };
  const registrars = [1, 2, 3].map((n) => registrar(`made${n}`));
  const hearts = Array.from({ length: HEARTS }, (_, n) => heart(`heart${n}`));
  const changers = [
    ...registrars,
    ...[1, 2, 3, 4, 5, 6].map((n) => namer(`name${n}`)),
    ...[1, 2, 3, 4, 5, 6].map((n) => couple(`pair${n}`)),
    ...[1, 2, 3].map((n) => bond(`bond${n}`)),
  ];
  const workers = [...changers, ...hearts];
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
      const before = { ...tally };
      const load = Promise.all(workers.map((worker) => worker.run(tally)));
      await pause(20 + Math.random() * 400);
      // On a busy machine most rounds end before anything was acknowledged: some wait until something was.
      const kinds = ['registrations', 'hostnames', 'trust', 'heartbeats'] as const;
      const until = Date.now() + (round % 3 === 0 ? PATIENCE : 0);
      while (Date.now() < until && kinds.some((kind) => tally[kind] === before[kind])) await pause(5);
      await killChild(child);
      await load;
    }
    const child = startChild(CHILD, [store]);
    const port = Number(await firstLine(child));
    // Not the hearts: registering says that they are there.
    await Promise.all(changers.map((worker) => worker.begin(port)));
    const counts = await Promise.all(registrars.map((worker) => worker.verifyAll(port)));
    await killChild(child);
    const staleness = await oldestSeen(store, hearts);
    const audited = await auditOf(store);
    return {
      ...tally,
      rounds,
      killedStarting,
      nodesVerified: counts.reduce((sum, count) => sum + count, 0),
      slowestStart,
      audited,
      staleness,
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
