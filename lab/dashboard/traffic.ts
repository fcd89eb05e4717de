import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { encodeDiscover, encodeRelay } from '../../src/wire/beacon.ts';
import { encodeJsonFrame } from '../../src/wire/registry-frame.ts';

const CONNECTIONS = 24;

/** Nodes at the beacon of the registry, and frames they send each other. */
const RELAYED_NODES = 300;
const FRAME = new Uint8Array(1200);

export interface Beacons {
  /** UDP port of the one beside the registry, and of others that announce themselves. */
  readonly own: number;
  readonly others: readonly number[];
}

/** Keeps a registry a little busy: on each connection a question now and then, faster and slower. */
export async function makeTraffic(port: number, beacons?: Beacons): Promise<{ close(): void }> {
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
  const stop = beacons === undefined ? () => {} : busyBeacons(beacons, (frame) => sockets[0]!.write(frame));
  return {
    close() {
      stop();
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

function busyBeacons({ own, others }: Beacons, tell: (frame: Uint8Array) => void): () => void {
  const announce = (): void => {
    others.forEach((port, i) => {
      tell(encodeJsonFrame({ type: 'beacon_register', beacon_id: i + 1, addr: `127.0.0.1:${port}` }));
    });
  };
  const socket = createSocket('udp4');
  for (let node = 1; node <= RELAYED_NODES; node++) socket.send(encodeDiscover(node), own, '127.0.0.1');
  announce();
  const announcing = setInterval(announce, 20_000);
  const relaying = setInterval(() => {
    const node = 1 + Math.floor((Date.now() / 20) % (RELAYED_NODES - 1));
    for (let i = 0; i < 12; i++) socket.send(encodeRelay(node, node + 1, FRAME), own, '127.0.0.1');
  }, 20);
  return () => {
    clearInterval(announcing);
    clearInterval(relaying);
    socket.close();
  };
}
