/**
 * Stream goodput and round trip on loopback, application to application through two daemons (four processes on
 * this machine's cores), direct and relayed, beside Node TLS over TCP in the same run.
 * Run: node dist/bench/loopback.js [--megabytes 50] [--runs 5]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { PROJECT } from '../lab/stage.ts';
import { median, percentile, table } from './measure.ts';
import { connect, Rig } from './rig.ts';

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}
const bytes = option('megabytes', 50) * 1_000_000;
const runs = option('runs', 5);
const pings = option('pings', 500);

interface Channel {
  write(data: Uint8Array): Promise<void>;
  /** Resolves when `count` more bytes have arrived. */
  read(count: number): Promise<void>;
  close(): Promise<void>;
}

async function spawnSink(args: string[]): Promise<{ child: ChildProcess; word: string | undefined }> {
  const child = spawn(process.execPath, [join(PROJECT, 'dist', 'bench', 'sink.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, word: line.toString().trim().split(' ')[1] };
}

async function tlsChannel(port: number): Promise<Channel> {
  const socket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  let wanted = 0;
  let arrived: (() => void) | undefined;
  socket.on('data', (chunk: Buffer) => {
    wanted -= chunk.length;
    if (wanted <= 0) arrived?.();
  });
  return {
    async write(data) {
      if (!socket.write(data)) await once(socket, 'drain');
    },
    read(count) {
      wanted += count;
      return wanted <= 0 ? Promise.resolve() : new Promise((resolve) => (arrived = resolve));
    },
    async close() {
      socket.destroy();
    },
  };
}

async function pilotChannel(socketPath: string, port: number): Promise<Channel> {
  const client = await connect(socketPath);
  const conn = await client.dial('bench-b', port);
  return {
    write: (data) => conn.write(data),
    async read(count) {
      for (let left = count; left > 0; ) {
        const chunk = await conn.read();
        if (chunk === undefined) throw new Error('the stream ended');
        left -= chunk.length;
      }
    },
    async close() {
      conn.abort();
      await client.close();
    },
  };
}

/** MB/s (10^6) one way: `bytes` written in 64 KiB pieces until the far application has read them all. */
async function goodput(channel: Channel): Promise<number> {
  const piece = new Uint8Array(65_536);
  const start = performance.now();
  for (let left = bytes; left > 0; left -= piece.length) {
    await channel.write(left < piece.length ? piece.subarray(0, left) : piece);
  }
  await channel.read(1);
  return bytes / 1e3 / (performance.now() - start);
}

/** Round trips of 64 bytes on an open stream, ms. */
async function roundTrips(channel: Channel): Promise<number[]> {
  const message = new Uint8Array(64);
  const times: number[] = [];
  for (let i = 0; i < pings; i++) {
    const start = performance.now();
    await channel.write(message);
    await channel.read(64);
    times.push(performance.now() - start);
  }
  return times.slice(Math.floor(pings / 10));
}

interface Contender {
  readonly name: string;
  readonly bulk: Channel;
  readonly echo: Channel;
}

const children: ChildProcess[] = [];
const rigs: Rig[] = [];
const contenders: Contender[] = [];
try {
  const tlsBulk = await spawnSink(['tls', '-', '-', 'count', String(bytes)]);
  const tlsEcho = await spawnSink(['tls', '-', '-', 'echo', '0']);
  children.push(tlsBulk.child, tlsEcho.child);
  contenders.push({
    name: 'Node TLS over TCP (yardstick)',
    bulk: await tlsChannel(Number(tlsBulk.word)),
    echo: await tlsChannel(Number(tlsEcho.word)),
  });
  for (const relayOnly of [false, true]) {
    const rig = new Rig();
    rigs.push(rig);
    await rig.start({ relayOnly });
    const bulk = await spawnSink(['pilot', rig.socket(rig.b), '5001', 'count', String(bytes)]);
    const echo = await spawnSink(['pilot', rig.socket(rig.b), '5002', 'echo', '0']);
    children.push(bulk.child, echo.child);
    contenders.push({
      name: relayOnly ? 'Pilot, relayed' : 'Pilot, direct',
      bulk: await pilotChannel(rig.socket(rig.a), 5001),
      echo: await pilotChannel(rig.socket(rig.a), 5002),
    });
  }
  const speeds = contenders.map(() => [] as number[]);
  const rtts = contenders.map(() => [] as number[]);
  for (let run = 0; run < runs; run++) {
    for (const [index, contender] of contenders.entries()) {
      speeds[index]!.push(await goodput(contender.bulk));
      rtts[index]!.push(...(await roundTrips(contender.echo)));
    }
  }
  const base = median(speeds[0]!);
  table([
    [
      `application to application, ${runs} runs of ${bytes / 1e6} MB`,
      'MB/s',
      'min-max',
      'x TLS',
      'RTT p50 ms',
      'p99 ms',
    ],
    ...contenders.map((contender, index) => [
      contender.name,
      median(speeds[index]!).toFixed(1),
      `${Math.min(...speeds[index]!).toFixed(1)}-${Math.max(...speeds[index]!).toFixed(1)}`,
      (median(speeds[index]!) / base).toFixed(3),
      median(rtts[index]!).toFixed(2),
      percentile(rtts[index]!, 0.99).toFixed(2),
    ]),
  ]);
} finally {
  for (const contender of contenders) await contender.bulk.close().catch(() => {});
  for (const child of children) child.kill();
  for (const rig of rigs) await rig.stop();
}
process.exit(0);
