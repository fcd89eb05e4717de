/**
 * One stream of so many bytes that its sequence numbers wrap several times; both ends hash what they write and read.
 * Run: node dist/bench/long-stream.js [--gigabytes 24] [--relayed]
 */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import type { Conn } from '../src/api/stream.ts';
import { flag, number } from './options.ts';
import { cpuSeconds, residentMegabytes } from './processes.ts';
import { connect, Rig } from './rig.ts';

const total = number('gigabytes', flag('short') ? 0.1 : 24) * 1e9;
const PORT = 5002;
const PIECE = 1_000_000;

async function receive(conn: Conn, hash: Hash): Promise<number> {
  let received = 0;
  for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read()) {
    hash.update(chunk);
    received += chunk.length;
  }
  return received;
}

const rig = new Rig();
try {
  await rig.start({ relayOnly: flag('relayed') });
  const [near, far] = [await connect(rig.socket(rig.a)), await connect(rig.socket(rig.b))];
  const listener = await far.listen(PORT);
  const conn = await near.dial('bench-b', PORT);
  const arriving = (await listener.accept())!;
  const pids = [rig.pid(rig.a), rig.pid(rig.b)];
  const hashes = [createHash('sha256'), createHash('sha256')] as const;
  const received = receive(arriving, hashes[1]);
  const cpu = cpuSeconds(pids);
  const start = performance.now();
  let most = 0;
  // Random once; each piece then differs from the others by its number.
  const piece = randomBytes(PIECE);
  for (let sent = 0; sent < total; sent += PIECE) {
    piece.writeDoubleBE(sent, 0);
    const part = Uint8Array.from(piece.subarray(0, Math.min(PIECE, total - sent)));
    hashes[0].update(part);
    await conn.write(part);
    if (sent % 1e9 === 0) most = Math.max(most, ...pids.map(residentMegabytes));
  }
  await conn.close();
  const count = await received;
  const seconds = (performance.now() - start) / 1000;
  const [sent, read] = hashes.map((hash) => hash.digest('hex'));
  const same = sent === read && count === total;
  console.log(
    `${(count / 1e9).toFixed(1)} GB in ${seconds.toFixed(0)} s, ${Math.floor(count / 2 ** 32)} wraps of the sequence: ${same ? 'the same SHA-256' : 'DIFFERENT BYTES'}; ${(count / 1e6 / seconds).toFixed(1)} MB/s, ${(((cpuSeconds(pids) - cpu) / count) * 1e9).toFixed(1)} CPU s/GB in both daemons, at most ${most.toFixed(0)} MB resident in either`,
  );
  if (!same) process.exitCode = 1;
} finally {
  await rig.stop();
}
process.exit();
