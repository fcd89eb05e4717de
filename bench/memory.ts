/**
 * Memory of an idle daemon and of a rendezvous beside a bare Node process. Run: node dist/bench/memory.js
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { table } from './measure.ts';
import { Rig } from './rig.ts';

function residentMegabytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1000;
}

const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
const rig = new Rig();
try {
  await rig.start({ relayOnly: false });
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const yardstick = residentMegabytes(bare.pid!);
  const rows: [string, number][] = [
    ['bare Node process (yardstick)', yardstick],
    ['daemon, one trusted peer, idle 10 s', residentMegabytes(rig.pid(rig.a))],
  ];
  table([
    ['resident memory', 'MB', 'x yardstick'],
    ...rows.map(([name, mb]) => [name, mb.toFixed(1), (mb / yardstick).toFixed(2)]),
  ]);
} finally {
  bare.kill();
  await rig.stop();
}
process.exit(0);
