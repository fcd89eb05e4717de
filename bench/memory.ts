/** Memory of an idle daemon beside a bare Node process. */
import { spawn } from 'node:child_process';
import type { RunOptions } from './options.ts';
import { residentMegabytes } from './processes.ts';
import { type Group, machine, Sheet } from './record.ts';
import { Rig } from './rig.ts';

const SUBJECTS = [
  { id: 'bare', name: 'bare Node process (yardstick)' },
  { id: 'daemon', name: 'daemon, one trusted peer, idle' },
  { id: 'rendezvous', name: 'registry and beacon, two nodes, idle' },
];

export async function memory({ short }: RunOptions): Promise<Group> {
  const seconds = short ? 1 : 10;
  const sheet = new Sheet();
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const rig = new Rig();
  try {
    await rig.start({ relayOnly: false });
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    sheet.add('bare', 'resident', residentMegabytes(bare.pid!));
    sheet.add('daemon', 'resident', residentMegabytes(rig.pid(rig.a)), residentMegabytes(rig.pid(rig.b)));
    sheet.add('rendezvous', 'resident', residentMegabytes(rig.rendezvousPid));
  } finally {
    bare.kill();
    await rig.stop();
  }
  return {
    ...{ id: 'memory', title: 'Memory', command: 'npm run bench -- memory' },
    about: `resident memory after ${seconds} s of idleness.`,
    machine: machine(),
    metrics: [{ id: 'resident', title: 'MB', better: 'lower', digits: 1, yardstick: 'bare' }],
    subjects: SUBJECTS,
    measured: sheet.measured(),
    goals: [],
    notes: [],
  };
}
