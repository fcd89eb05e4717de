/**
 * A beacon with 100,000 registered nodes: how fast they register with proof, the highest rate at which it relays without
 * loss, and what that costs in processor time and memory, beside a bare UDP forwarder of the same run. Relay and
 * forwarder are processes of their own; the load is a C program with as little cost as possible, so that they are what
 * is measured. Needs cc.
 * Run: node dist/bench/beacon.js [--nodes 100000] [--proven 20000] [--seconds 5] [--runs 5]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROJECT } from '../lab/stage.ts';
import { startBeacon } from '../src/beacon/index.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom } from '../src/platform/index.ts';
import { decodeBeaconMessage, encodeDiscover } from '../src/wire/beacon.ts';
import { discoverSignedBytes } from '../src/wire/beacon-extension.ts';
import { median, table } from './measure.ts';

const HOST = '127.0.0.1';
/** Nodes that relay; the rest is registered and silent. */
const TALKERS = 64;
const SIZES = [100, 1_200];
/** Datagrams under way: enough to keep a process busy, few enough for its socket. */
const WINDOW = 128;
/** One host may register 4,096 nodes, 2,000 at once: the nodes come from many. */
const HOSTS = 64;

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

function seedOf(node: number): Uint8Array {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, node);
  return seed;
}

/** The relay, and a directory that knows every node's key. */
async function beacon(): Promise<void> {
  const crypto = nodeCrypto();
  const serving = await startBeacon({
    net: nodeNet(),
    clock: nodeClock(),
    random: nodeRandom(),
    crypto,
    log: { event: () => {} },
    bind: { host: '0.0.0.0', port: 0 },
    lookupKey: async (_node, claimed) => claimed,
  });
  process.send?.({ port: serving.endpoint.port });
  process.on('message', () => process.send?.({ stats: serving.stats() }));
}

/** The least a process can do with a datagram: hand it on to whoever said hello last. */
function forwarder(): void {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  let port = 0;
  let host = '';
  socket.on('message', (data, from) => {
    if (data.length === 2) {
      port = from.port;
      host = from.address;
    } else socket.send(data, port, host);
  });
  socket.bind(0, HOST, () => {
    socket.setRecvBufferSize(4 << 20);
    socket.setSendBufferSize(4 << 20);
    process.send?.({ port: socket.address().port });
  });
}

interface Served {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(role: string): Promise<Served> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), role], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, port };
}

/** Processor seconds spent so far, and resident megabytes. */
function costOf({ child }: Served): { readonly cpu: number; readonly megabytes: number } {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return { cpu: ticks / 100, megabytes: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024 };
}

async function statsOf({ child }: Served): Promise<Record<string, number>> {
  child.send('stats');
  const [{ stats }] = (await once(child, 'message')) as [{ stats: Record<string, number> }];
  return stats;
}

/**
 * Registers nodes `first` to `last`: with `proven` as our daemons do (ask, sign the challenge, ask again), else as old ones
 * do. Returns seconds.
 */
async function register(port: number, first: number, last: number, proven: boolean): Promise<number> {
  const crypto = nodeCrypto();
  const began = performance.now();
  let next = first;
  let settled = 0;
  const finished = new Promise<void>((resolve) => {
    for (let index = 0; index < HOSTS; index++) {
      const socket = createSocket({ type: 'udp4', lookup: (host, _o, done) => done(null, host, 4) });
      let node = 0;
      let repeat: NodeJS.Timeout | undefined;
      const ask = (message: Uint8Array): void => {
        clearTimeout(repeat);
        repeat = setTimeout(
          () => ask(encodeDiscover(node, undefined, { token: node, elsewhere: false })),
          500,
        );
        socket.send(message, port, HOST);
      };
      const take = (): void => {
        clearTimeout(repeat);
        node = next++;
        if (node > last) socket.close();
        else ask(encodeDiscover(node, undefined, { token: node, elsewhere: false }));
      };
      socket.on('message', (data) => {
        const message = decodeBeaconMessage(data);
        if (typeof message === 'string' || message.type !== 'discoverReply') return;
        const { challenge, answer } = message;
        if (answer?.token !== node) return;
        if (answer.settled || !proven) {
          if (++settled === last - first + 1) resolve();
          take();
        } else if (challenge !== undefined) {
          const identity = crypto.signingKey(seedOf(node));
          const signature = identity.sign(discoverSignedBytes(node, challenge, answer.mark));
          const proof = { key: identity.publicKey, challenge, signature };
          ask(encodeDiscover(node, proof, { token: node, elsewhere: false }));
        }
      });
      socket.bind(0, `127.0.1.${index + 1}`, take);
    }
  });
  await finished;
  return (performance.now() - began) / 1000;
}

interface Run {
  readonly rate: number;
  readonly lost: number;
  /** Processor microseconds for one packet. */
  readonly cpu: number;
}

async function load(program: string, mode: string, to: Served, first: number, bytes: number): Promise<Run> {
  const before = costOf(to);
  const args = [mode, HOST, to.port, first, TALKERS, bytes, WINDOW, option('seconds', 5)].map(String);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [out] = (await once(child.stdout, 'data')) as [Buffer];
  const [sent, received, seconds] = out.toString().trim().split(' ').map(Number) as [number, number, number];
  const spent = costOf(to).cpu - before.cpu;
  return { rate: received / seconds, lost: (sent - received - WINDOW) / sent, cpu: (1e6 * spent) / received };
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'pilot-bench-'));
  const children: Served[] = [];
  try {
    const program = join(directory, 'relay-load');
    execFileSync('cc', ['-O2', '-Wall', '-o', program, join(PROJECT, 'bench', 'relay-load.c')], {
      stdio: 'inherit',
    });
    const nodes = option('nodes', 100_000);
    const relay = await start('beacon');
    const plain = await start('forwarder');
    children.push(relay, plain);
    const empty = costOf(relay);
    // Each load comes from new ports: a node without proof that was heard elsewhere just now would be held.
    const runs = option('runs', 5);
    const silent = nodes - runs * SIZES.length * TALKERS;
    let next = silent + 1;
    const proven = Math.min(silent, option('proven', 20_000));
    const seconds = await register(relay.port, 1, proven, true);
    const half = costOf(relay);
    if (silent > proven) await register(relay.port, proven + 1, silent, false);
    const full = costOf(relay);
    const results = new Map<string, Run[]>();
    for (let run = 0; run < runs; run++) {
      for (const bytes of SIZES) {
        for (const [mode, to] of [
          ['plain', plain],
          ['relay', relay],
        ] as const) {
          const name = `${mode} ${bytes}`;
          const one = await load(program, mode, to, next, bytes);
          if (mode === 'relay') next += TALKERS;
          results.set(name, [...(results.get(name) ?? []), one]);
        }
      }
    }
    const stats = await statsOf(relay);
    const last = costOf(relay);
    console.log(
      `${stats.nodes} nodes registered, ${stats.provenNodes} with proof at ${Math.round(proven / seconds)}/s ` +
        `(${((1e6 * (half.cpu - empty.cpu)) / proven).toFixed(0)} us of processor time each)`,
    );
    console.log(
      `memory of the beacon: ${empty.megabytes.toFixed(0)} MB empty, ${full.megabytes.toFixed(0)} MB with the nodes, ` +
        `${last.megabytes.toFixed(0)} MB after relaying; of the forwarder: ${costOf(plain).megabytes.toFixed(0)} MB`,
    );
    const rows = [
      ['', 'packets/s', 'min to max', 'lost', 'us of processor', 'rate x forwarder', 'cost x forwarder'],
    ];
    for (const bytes of SIZES) {
      const yard = results.get(`plain ${bytes}`)!;
      for (const mode of ['plain', 'relay']) {
        const runs = results.get(`${mode} ${bytes}`)!;
        const rates = runs.map(({ rate }) => rate);
        const rate = median(rates);
        const cpu = median(runs.map((one) => one.cpu));
        rows.push([
          `${mode === 'plain' ? 'bare forwarder' : 'beacon'}, ${bytes} bytes`,
          rate.toFixed(0),
          `${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}`,
          `${(100 * Math.max(0, median(runs.map(({ lost }) => lost)))).toFixed(2)} %`,
          cpu.toFixed(1),
          (rate / median(yard.map((one) => one.rate))).toFixed(2),
          (cpu / median(yard.map((one) => one.cpu))).toFixed(2),
        ]);
      }
    }
    table(rows);
  } finally {
    for (const { child } of children) child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[2] === 'beacon') await beacon();
else if (process.argv[2] === 'forwarder') forwarder();
else await main();
