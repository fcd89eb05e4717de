/** An application of ours: it speaks with the daemon of its node through the local socket. */
import type { Conn, Listener } from '../../src/api/stream.ts';
import { connect } from '../rig.ts';
import type { Channel, Stack } from './stack.ts';

export const BENCH_PORT = 5001;

export function channelOf(conn: Conn): Channel {
  return { read: () => conn.read(), write: (data) => conn.write(data), close: () => conn.abort() };
}

export async function acceptAll(listener: Listener, onChannel: (channel: Channel) => void): Promise<void> {
  for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept()) {
    onChannel(channelOf(conn));
  }
}

/** `socketPath`: of the daemon on this side. The address is the far node's hostname. */
export function pilotStack(socketPath: string, port = BENCH_PORT): Stack {
  const client = connect(socketPath);
  return {
    async listen(onChannel) {
      const own = await client;
      void acceptAll(await own.listen(port), onChannel);
      return (await own.info()).hostname;
    },
    async dial(hostname) {
      return channelOf(await (await client).dial(hostname, port, { noDelay: true }));
    },
  };
}
