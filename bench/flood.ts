/**
 * Hostile datagrams at a daemon and at a beacon while two agents work: random bytes, valid magics with random
 * content, forged key exchanges, beacon messages for other nodes. Prints CPU share and memory of both processes,
 * and the service the agents got. Run: node dist/bench/flood.js [--seconds 60] [--rate 10000]
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { percentile, table } from './measure.ts';
import { connect, Rig } from './rig.ts';

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}
const seconds = option('seconds', 60);
const rate = option('rate', 10_000);

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
}

/** CPU seconds a process has used. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Sixteen kinds of hostile datagram, fresh random content every time. */
function hostile(i: number): Buffer {
  const random = randomBytes(60 + (i % 200));
  switch (i % 8) {
    case 0:
      return random;
    case 1:
      return Buffer.concat([Buffer.from('PILS'), random]);
    case 2:
      return Buffer.concat([Buffer.from('PILS\0\0\0\u0001'), random]);
    case 3:
      return Buffer.concat([Buffer.from('PILA'), randomBytes(132)]);
    case 4:
      return Buffer.concat([Buffer.from('PILA\0\0\0\u0001'), randomBytes(128)]);
    case 5:
      return Buffer.concat([Buffer.from([0x01]), randomBytes(4)]);
    case 6:
      return Buffer.concat([Buffer.from([0x03]), randomBytes(4), Buffer.from([0, 0, 0, 1])]);
    default:
      return Buffer.concat([Buffer.from([0x05]), randomBytes(4), Buffer.from([0, 0, 0, 1]), random]);
  }
}

const rig = new Rig();
try {
  await rig.start({ relayOnly: false });
  const client = await connect(rig.socket(rig.a));
  const info = (await client.info()) as unknown as { endpoint: string };
  const daemonPort = Number(info.endpoint.split(':').at(-1));
  const beaconPort = rig.beaconPort;
  const victims = [
    { name: 'daemon', pid: rig.pid(rig.a), cpu: 0, memory: 0 },
    { name: 'rendezvous (beacon)', pid: rig.rendezvousPid, cpu: 0, memory: 0 },
  ];
  const before = victims.map(({ pid }) => ({ cpu: cpuSeconds(pid), memory: residentMegabytes(pid) }));
  const socket = createSocket('udp4');
  socket.bind(0);
  let sent = 0;
  const start = performance.now();
  const flood = setInterval(() => {
    const due = ((performance.now() - start) / 1000) * rate;
    for (; sent < due; sent++) {
      const datagram = hostile(sent);
      socket.send(datagram, daemonPort, '127.0.0.1');
      socket.send(datagram, beaconPort, '127.0.0.1');
    }
  }, 5);
  const rtts: number[] = [];
  let failures = 0;
  while (performance.now() - start < seconds * 1000) {
    const began = performance.now();
    try {
      const conn = await client.dial('bench-b', 7, { timeout: 5_000 });
      await conn.write(new TextEncoder().encode('still there?'));
      await conn.read();
      rtts.push(performance.now() - began);
      await conn.close();
    } catch {
      failures++;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  clearInterval(flood);
  const elapsed = (performance.now() - start) / 1000;
  console.log(`${Math.round(sent / elapsed)} datagrams/s at each of the two for ${elapsed.toFixed(0)} s`);
  table([
    ['process', 'CPU %', 'MB before', 'MB after'],
    ...victims.map(({ name, pid }, i) => [
      name,
      (((cpuSeconds(pid) - before[i]!.cpu) / elapsed) * 100).toFixed(0),
      before[i]!.memory.toFixed(0),
      residentMegabytes(pid).toFixed(0),
    ]),
  ]);
  console.log(
    `dial and echo during the flood: ${rtts.length} done, ${failures} failed, p50 ${percentile(rtts, 0.5).toFixed(1)} ms, p99 ${percentile(rtts, 0.99).toFixed(1)} ms`,
  );
  socket.close();
  await client.close();
  if (failures > 0 || rtts.length === 0) process.exitCode = 1;
} finally {
  await rig.stop();
}
process.exit();
