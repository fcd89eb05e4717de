/** Whole nodes inside the measuring processes: what the daemons reach without the local socket. */
import { nodeHost } from '../../bin/host/node-host.ts';
import { parseHostPort } from '../../src/base/endpoint.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { parseAddress } from '../../src/wire/address.ts';
import { acceptAll, BENCH_PORT, channelOf } from './pilot.ts';
import type { Stack } from './stack.ts';

/** One for all nodes of a process. */
let host: ReturnType<typeof nodeHost> | undefined;

/** A node in this process that everyone may reach. `home`: an absolute path. */
export async function startNode(home: string, registry: string): Promise<Daemon> {
  const endpoint = parseHostPort(registry);
  if (endpoint === undefined) throw new TypeError(`not an endpoint: ${registry}`);
  const { net, clock, random, crypto, storage } = (host ??= nodeHost());
  const mtu = process.env.PILOT_PATH_MTU;
  return Daemon.start({
    ...{ net, clock, random, crypto, storage: storage(home), log: { event: () => {} } },
    config: {
      socketPath: `${home}/pilot.sock`,
      listen: { host: '127.0.0.1', port: 0 },
      registries: [endpoint],
      public: true,
      ...(mtu !== undefined && { pathMtu: mtu === 'auto' || mtu === 'off' ? mtu : Number(mtu) }),
      version: 'bench',
    },
  });
}

/** `home`: of the node, an absolute path. Everyone may reach it. */
export async function nodeStack(home: string, registry: string): Promise<Stack> {
  const daemon = await startNode(home, registry);
  return {
    async listen(onChannel) {
      void acceptAll(daemon.streams.listen(BENCH_PORT), onChannel);
      return daemon.info().address;
    },
    async dial(text) {
      const address = parseAddress(text);
      if (typeof address === 'string') throw new TypeError(`not an address: ${text}`);
      return channelOf(await daemon.streams.dial(address, BENCH_PORT));
    },
  };
}
