/**
 * Where the processor time goes while bytes cross two daemons: CPU profiles of both and of both applications, summed by
 * function. A bulk transfer, or with --echoes so many round trips of 64 bytes, all processes on one core. Run:
 * node dist/bench/profile.js [--megabytes 400 | --echoes 5000] [--relayed] [--plain] [--mtu 1400] [--rows 25] [--keep DIRECTORY]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Actor, PROJECT } from '../lab/stage.ts';
import { Contender, profiled } from './contender.ts';
import { median, table } from './measure.ts';
import { cpuSeconds, pin } from './processes.ts';
import { connect, Rig } from './rig.ts';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}
const bytes = option('megabytes', 400) * 1_000_000;
const echoes = option('echoes', 0);
const mtu = option('mtu', 0);
const rows = option('rows', 25);
/** In the order in which the bytes cross them. */
const NAMES = ['writing application', 'sending daemon', 'receiving daemon', 'reading application'];
const keep = process.argv.indexOf('--keep');
const output = keep < 0 ? mkdtempSync(join(tmpdir(), 'pilot-profile-')) : String(process.argv[keep + 1]);
mkdirSync(output, { recursive: true });

/** Microseconds of each function itself between two times, without what it calls; the idle time is left out. */
function selfTimes(profile: Profile, from: number, to: number): Map<string, number> {
  const names = new Map<number, string>();
  for (const { id, callFrame } of profile.nodes) {
    const file = callFrame.url.split('/').slice(-2).join('/');
    names.set(
      id,
      `${callFrame.functionName || '(anonymous)'} ${file}${file === '' ? '' : `:${callFrame.lineNumber + 1}`}`,
    );
  }
  const times = new Map<string, number>();
  let at = profile.startTime;
  for (const [index, sample] of profile.samples.entries()) {
    at += profile.timeDeltas[index]!;
    const name = names.get(sample)!;
    if (at < from || at > to || name.startsWith('(idle)')) continue;
    times.set(name, (times.get(name) ?? 0) + profile.timeDeltas[index]!);
  }
  return times;
}

/** On the clock of the profiles. */
function microseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

const rig = new Rig();
const daemons: ChildProcess[] = [];
const contenders: Contender[] = [];
try {
  await rig.start({
    relayOnly: process.argv.includes('--relayed'),
    settings: {
      ...(process.argv.includes('--plain') && { accelerator: 'off' }),
      ...(mtu > 0 && { path_mtu: String(mtu) }),
    },
  });
  // The rig's own daemons hold the trust; the same homes are now run by processes that record.
  for (const [index, actor] of [rig.a, rig.b].entries()) {
    rig.stage.pilotctl(actor, ['daemon', 'stop'], { quiet: true });
    daemons.push(await recorded(actor, NAMES[index + 1]!));
  }
  const between = daemons.map((daemon) => daemon.pid!);
  const contender = await Contender.start({
    ...{ id: 'app', name: 'two applications', between },
    ...{ server: ['pilot', rig.socket(rig.b)], client: ['pilot', rig.socket(rig.a)] },
    profiles: { directory: output, server: NAMES[3]!, client: NAMES[0]! },
  });
  contenders.push(contender);
  // From the application that writes to the one that reads.
  const [reader, writer] = contender.pids;
  const pids = [writer!, ...between, reader!];
  // The path is measured by what is sent on it: the first bytes go in small packets.
  await contender.bulk(64_000_000);
  if (echoes > 0) pin(pids, '0');
  const before = pids.map((pid) => cpuSeconds([pid]));
  const began = microseconds();
  if (echoes > 0) {
    const times = await contender.echo(echoes);
    console.log(`${echoes} round trips: ${(median(times) * 1000).toFixed(0)} µs at p50`);
  } else {
    const { megabytesPerSecond } = await contender.bulk(bytes);
    console.log(`${bytes / 1e6} MB: ${megabytesPerSecond.toFixed(1)} MB/s`);
  }
  const ended = microseconds();
  const cpu = pids.map((pid, index) => cpuSeconds([pid]) - before[index]!);
  await contender.finish();
  for (const daemon of daemons) {
    daemon.kill('SIGTERM');
    await once(daemon, 'exit');
  }
  const cost = (seconds: number): string =>
    echoes > 0
      ? `${((seconds * 1e6) / echoes).toFixed(0)} CPU µs a round trip`
      : `${((seconds * 1e9) / bytes).toFixed(2)} CPU s per GB`;
  for (const [index, name] of NAMES.entries()) {
    const file = readdirSync(output).find((each) => each.startsWith(name));
    const times = selfTimes(JSON.parse(readFileSync(join(output, file!), 'utf8')) as Profile, began, ended);
    const total = [...times.values()].reduce((sum, time) => sum + time, 0);
    console.log(`\n${name}: ${cost(cpu[index]!)}`);
    const most = [...times].sort((a, b) => b[1] - a[1]).slice(0, rows);
    table([['itself', '%'], ...most.map(([what, time]) => [what, ((time / total) * 100).toFixed(1)])]);
  }
  console.log(`\nall four: ${cost(cpu.reduce((sum, each) => sum + each, 0))}`);
} finally {
  for (const contender of contenders) contender.stop();
  for (const daemon of daemons) daemon.kill();
  await rig.stop();
  if (keep < 0) rmSync(output, { recursive: true, force: true });
}
process.exit(0);

/** A daemon in the foreground that writes its profile when it ends. */
async function recorded(actor: Actor, name: string): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [...profiled(output, name), join(PROJECT, 'dist', 'bin', 'pilot-daemon.js')],
    { env: rig.stage.environment(actor), stdio: ['ignore', 'ignore', 'ignore'] },
  );
  for (let tries = 0; tries < 100; tries++) {
    const client = await connect(rig.socket(actor)).catch(() => undefined);
    if (client !== undefined) {
      await client.close();
      return child;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the daemon of ${actor.name} does not answer`);
}
