/**
 * Processes that are measured: `server.js registry STORE`, a registry on its durable store, and `server.js echo`, a TCP
 * server that sends back what it gets: the least that a request over a socket can cost. Both tell their port over IPC.
 */
import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { nodeClock, nodeCrypto, nodeLog, nodeNet, nodeRandom } from '../../src/platform/index.ts';
import {
  createRegistryService,
  openEmbeddedStore,
  RegistryServer,
  type Store,
} from '../../src/registry/index.ts';

/** Told when it serves. Milliseconds since the process began, and of those for opening the store. */
export interface Ready {
  readonly port: number;
  readonly start: number;
  readonly open: number;
}

/** Told on request. Bytes and milliseconds; the longest time the event loop was held up since the last request. */
export interface Usage {
  readonly heap: number;
  readonly external: number;
  readonly connections: number;
  readonly longestStall: number;
}

const [role, path] = process.argv.slice(2);
if (role === 'registry' && path !== undefined) await registry(path);
else if (role === 'echo') echo();
else throw new Error('usage: server registry STORE | echo');
process.on('disconnect', () => process.exit(0));

async function registry(store: string): Promise<void> {
  const [clock, random, crypto, net] = [nodeClock(), nodeRandom(), nodeCrypto(), nodeNet()];
  const log = nodeLog({ level: 'warn', stream: process.stderr });
  const before = performance.now();
  const opened = await openEmbeddedStore({ path: store, clock, log });
  const open = performance.now() - before;
  const unbounded = { burst: 1e9, perSecond: 1e9 };
  const service = createRegistryService({
    store: opened,
    clock,
    random,
    crypto,
    log,
    // The load comes from one machine, which no fleet does.
    config: { maxNodes: 2 ** 31, newNodesPerHost: unbounded, takenNamesPerHost: unbounded },
  });
  const server = await RegistryServer.listen({
    net,
    clock,
    log,
    service,
    bind: { host: '127.0.0.1', port: 0 },
    limits: { slowRate: 1e9, cutRate: 1e9, connectionsPerHost: 1e9 },
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on('message', (message) => {
    if (message === 'usage') {
      const { heapUsed, external } = process.memoryUsage();
      const usage: Usage = {
        heap: heapUsed,
        external,
        connections: server.stats().connections,
        longestStall: delay.max / 1e6,
      };
      delay.reset();
      process.send?.(usage);
    } else if (message === 'live') {
      void liven(opened, clock.wallNow()).then((nodes) => process.send?.({ nodes }));
    } else if (message === 'stop') {
      void server
        .close()
        .then(() => opened.close())
        .then(() => process.exit(0));
    }
  });
  process.send?.({ port: server.endpoint.port, start: performance.now(), open } satisfies Ready);
}

/** All nodes as if each had just sent a heartbeat: what the registry remembers of them is in memory then. */
async function liven(store: Store, at: number): Promise<number> {
  const { nodes } = await store.counts();
  for (let id = 1; id <= nodes; id++) {
    store.touch(id, at);
    await store.identity(id);
    if (id % 1000 === 0) await new Promise(setImmediate);
  }
  return nodes;
}

function echo(): void {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1', () => {
    process.send?.({ port: (server.address() as { port: number }).port, start: performance.now(), open: 0 });
  });
}
