/**
 * One stranger from one address who does one bad thing as hard as a process can: `attack.js PORT KIND SECONDS MOST`.
 * Tells over IPC what became of it.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { encodeBase64 } from '../../src/wire/base64.ts';
import { encodeJsonFrame, JsonFrameReader } from '../../src/wire/registry-frame.ts';
import type { Attack, Damage } from './attack-kinds.ts';
import { keyOf, Line } from './line.ts';

const FROM = '127.0.0.9';
/** Connections of the attacks that need many; the limit of one address is far above. */
const CONNECTIONS = 500;
const LORIS = 15_000;

const [port, seconds, most] = [Number(process.argv[2]), Number(process.argv[4]), Number(process.argv[5])];
const end = performance.now() + seconds * 1000;
const damage = { tried: 0, done: 0, cut: 0 };
const over = (): boolean => performance.now() >= end || damage.tried >= most;
const pause = (duration: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, duration));
/** So that no key is met twice. */
let fresh = Math.floor(Math.random() * 1e9) + 1e9;

switch (process.argv[3] as Attack) {
  case 'junk registrations':
    await crowd(CONNECTIONS, (socket) => flood(socket, junkRegistration));
    break;
  case 'pipelined flood':
    await crowd(CONNECTIONS, (socket) =>
      flood(socket, () => ({ type: 'lookup', node_id: 1 + (fresh++ % 1000) })),
    );
    break;
  case 'unread answers':
    await crowd(CONNECTIONS, unread);
    break;
  case '4 MiB frames':
    await crowd(64, large);
    break;
  case 'slow loris':
    await crowd(Math.min(LORIS, most), dribble);
    break;
  case 'key churn':
    await Promise.all(Array.from({ length: 64 }, churn));
    break;
}
process.send?.(damage satisfies Damage, () => process.exit(0));

function junkRegistration(): object {
  return { type: 'register', listen_addr: ':4000', public_key: encodeBase64(randomBytes(32)) };
}

/** Keeps so many connections at it, and makes a new one for each that is cut. */
async function crowd(count: number, attack: (socket: Socket) => Promise<void>): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      await pause((index / count) * 1000);
      while (!over()) {
        const socket = await open();
        if (socket === undefined) {
          await pause(100);
          continue;
        }
        await attack(socket);
        if (socket.destroyed) damage.cut++;
        socket.destroy();
      }
    }),
  );
}

function open(): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: FROM });
    socket.on('error', () => resolve(undefined));
    socket.once('connect', () => resolve(socket));
  });
}

/** Sends without waiting for answers, as far as the system takes it; answers are read. */
async function flood(socket: Socket, request: () => object): Promise<void> {
  const reader = new JsonFrameReader();
  socket.on('data', (data) => {
    reader.push(data);
    for (let reply = reader.next(); reply !== undefined; reply = reader.next())
      if (reply.type !== 'error') damage.done++;
  });
  while (!over() && !socket.destroyed) {
    const frames = Array.from({ length: 32 }, () => encodeJsonFrame(request()));
    damage.tried += frames.length;
    if (!socket.write(Buffer.concat(frames))) await drained(socket);
    else await pause(0);
  }
}

/** Asks and asks, and never reads. */
async function unread(socket: Socket): Promise<void> {
  socket.pause();
  while (!over() && !socket.destroyed) {
    damage.tried++;
    if (!socket.write(encodeJsonFrame({ type: 'challenge', request_id: damage.tried })))
      await drained(socket);
    else await pause(1);
  }
}

/** The largest frame that the protocol knows, of text that looks like a request until its end. */
async function large(socket: Socket): Promise<void> {
  const length = 4 * 1024 * 1024;
  const frame = Buffer.alloc(4 + length, 0x20);
  frame.writeUInt32BE(length);
  frame.write('{"type":"lookup","node_id":1,"pad":"', 4);
  socket.resume();
  damage.tried++;
  socket.write(frame);
  await Promise.race([pause(1000), closed(socket)]);
}

/** A frame that never ends, a byte at a time. */
async function dribble(socket: Socket): Promise<void> {
  damage.tried++;
  socket.resume();
  socket.write(Uint8Array.of(0, 0, 1, 0));
  while (performance.now() < end && !socket.destroyed) {
    socket.write(' ');
    await Promise.race([pause(5000), closed(socket)]);
  }
}

/** Keys that are proved, each on a connection of its own. */
async function churn(): Promise<void> {
  while (!over()) {
    damage.tried++;
    try {
      const line = await Line.open(port, keyOf(fresh++), FROM);
      await line
        .register({ subscribe: true, public: false })
        .then(() => damage.done++)
        .finally(() => line.close());
    } catch {
      damage.cut++;
    }
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      socket.off('drain', finish).off('close', finish);
      resolve();
    };
    socket.on('drain', finish).on('close', finish);
    setTimeout(finish, 1000).unref();
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
