import { connect } from 'node:net';
import { encodeJsonFrame } from '../../src/wire/registry-frame.ts';

const CONNECTIONS = 24;

/** Keeps a registry a little busy: on each connection a question now and then, faster and slower. */
export async function makeTraffic(port: number): Promise<{ close(): void }> {
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      await new Promise<void>((resolve) => void socket.once('connect', () => resolve()));
      return socket;
    }),
  );
  const questions = [{ type: 'challenge' }, { type: 'lookup', node_id: 12 }, { type: 'list_networks' }];
  const frames = questions.map((question) => encodeJsonFrame(question));
  let turn = 0;
  const timer = setInterval(() => {
    turn++;
    const busy = Math.round((CONNECTIONS / 2) * (1 + Math.sin(turn / 25)));
    for (const socket of sockets.slice(0, busy)) socket.write(frames[(turn + busy) % frames.length]!);
  }, 120);
  return {
    close() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}
