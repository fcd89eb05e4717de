/** One daemon with 1,000 peers that all have a stream to it: what a peer costs, and how long echoes take meanwhile. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PROJECT } from '../lab/stage.ts';
import { Contender } from './contender.ts';
import { type CrowdAnswer, type CrowdTask, ECHO_INTERVAL } from './crowd.ts';
import { percentile } from './measure.ts';
import { number, type RunOptions } from './options.ts';
import { cpuSeconds, residentMegabytes } from './processes.ts';
import { type Group, machine, Sheet } from './record.ts';
import { connect, Rig } from './rig.ts';

export async function peers({ short }: RunOptions): Promise<Group> {
  const count = number('peers', short ? 20 : 1_000);
  const seconds = short ? 2 : 20;
  const sheet = new Sheet();
  const rig = new Rig();
  let crowd: ChildProcess | undefined;
  let hub: Contender | undefined;
  try {
    await rig.start({ relayOnly: false, settings: { public: 'true' } });
    const words = ['pilot', rig.socket(rig.a)];
    hub = await Contender.start({ id: 'hub', name: 'hub', server: words, client: words });
    const client = await connect(rig.socket(rig.a));
    const { address } = await client.info();
    await client.close();
    const pid = rig.pid(rig.a);
    crowd = fork(join(PROJECT, 'dist', 'bench', 'crowd.js'), [
      ...[rig.stage.directory, rig.registry, String(count), address],
    ]);
    await ask(crowd, { do: 'start' });
    const before = residentMegabytes(pid);
    const dials = await ask(crowd, { do: 'dial' });
    sheet.add('hub', 'peer', ((residentMegabytes(pid) - before) * 1000) / count);
    sheet.add('hub', 'dial', percentile(dials, 0.5));
    const cpu = cpuSeconds([pid]);
    const times = await ask(crowd, { do: 'echo', seconds });
    sheet.add('hub', 'cpu', ((cpuSeconds([pid]) - cpu) / seconds) * 100);
    sheet.add('hub', 'p50', percentile(times, 0.5));
    sheet.add('hub', 'p99', percentile(times, 0.99));
    sheet.add('hub', 'resident', residentMegabytes(pid));
    return {
      ...{ id: 'peers', title: 'Many peers', command: 'npm run bench -- peers' },
      about: `${count} peers, all nodes of one other process, dial one daemon and echo once; then each echoes 64 bytes every ${ECHO_INTERVAL} ms for ${seconds} s (${times.length} echoes).`,
      machine: machine(),
      metrics: [
        { id: 'peer', title: 'kB a peer and stream', better: 'lower', digits: 0 },
        { id: 'resident', title: 'MB resident', better: 'lower', digits: 0 },
        { id: 'dial', title: 'first dial and echo p50, ms', better: 'lower', digits: 0 },
        { id: 'p50', title: 'echo p50, ms', better: 'lower', digits: 1 },
        { id: 'p99', title: 'echo p99, ms', better: 'lower', digits: 1 },
        { id: 'cpu', title: '% of a core', better: 'lower', digits: 0 },
      ],
      subjects: [{ id: 'hub', name: `daemon with ${count} peers` }],
      measured: sheet.measured(),
      goals: [{ text: 'echo p99, ms', value: sheet.median('hub', 'p99'), bound: 50, better: 'lower' }],
      notes: [],
    };
  } finally {
    crowd?.kill('SIGKILL');
    hub?.stop();
    await rig.stop();
  }
}

async function ask(crowd: ChildProcess, task: CrowdTask): Promise<readonly number[]> {
  crowd.send(task);
  const [answer] = (await once(crowd, 'message')) as [CrowdAnswer];
  if (answer.error !== undefined) throw new Error(`${task.do}: ${answer.error}`);
  return answer.times ?? [];
}
