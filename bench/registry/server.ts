/**
 * Processes that are measured: `server.js registry STORE`, a registry on its durable store without limits on what one
 * machine may ask of it; `server.js strict STORE PORT [tls]`, one with the limits that it has by default; and `server.js echo`, a TCP
 * server that sends back what it gets: the least that a request over a socket can cost. Both tell their port over IPC.
 */
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  nodeClock,
  nodeCrypto,
  nodeLog,
  nodeNet,
  nodeRandom,
  nodeStorage,
} from '../../src/platform/index.ts';
import {
  createRegistryService,
  openEmbeddedStore,
  persistedCertificate,
  type RegistryConfig,
  RegistryServer,
  type ServerCertificate,
  type ServerLimits,
  type ServerStats,
  type Store,
} from '../../src/registry/index.ts';

/** Told when it serves. Milliseconds since the process began, and of those for opening the store. */
export interface Ready {
  readonly port: number;
  readonly start: number;
  readonly open: number;
  /** Of its certificate; empty without TLS. */
  readonly fingerprint: string;
}

/** Told on request. Bytes and milliseconds; the longest time the event loop was held up since the last request. */
export interface Usage {
  readonly heap: number;
  readonly external: number;
  readonly connections: number;
  readonly longestStall: number;
  readonly server: ServerStats;
}

const [role, path, port = '0', tls] = process.argv.slice(2);
if (role === 'registry' && path !== undefined) await registry(path, 0, unlimited());
else if (role === 'strict' && path !== undefined)
  await registry(path, Number(port), { tls: tls === 'tls' ? await certificate(dirname(path)) : undefined });
else if (role === 'echo') echo();
else throw new Error('usage: server registry STORE | strict STORE PORT [tls] | echo');
process.on('disconnect', () => process.exit(0));

/** The load comes from one machine, which no fleet does. */
function unlimited(): Bounds {
  const unbounded = { burst: 1e9, perSecond: 1e9 };
  return {
    config: { maxNodes: 2 ** 31, newNodesPerHost: unbounded, takenNamesPerHost: unbounded },
    limits: { slowRate: 1e9, cutRate: 1e9, connectionsPerHost: 1e9 },
  };
}

function certificate(directory: string): Promise<ServerCertificate> {
  return persistedCertificate({ storage: nodeStorage(directory), crypto: nodeCrypto(), clock: nodeClock() });
}

interface Bounds {
  readonly config?: Partial<RegistryConfig>;
  readonly limits?: Partial<ServerLimits>;
  readonly tls?: ServerCertificate | undefined;
}

async function registry(store: string, port: number, { config, limits, tls }: Bounds): Promise<void> {
  const [clock, random, crypto, net] = [nodeClock(), nodeRandom(), nodeCrypto(), nodeNet()];
  const log = nodeLog({ level: 'warn', stream: process.stderr });
  const before = performance.now();
  const opened = await openEmbeddedStore({ path: store, clock, log });
  const open = performance.now() - before;
  const service = createRegistryService({
    store: opened,
    clock,
    random,
    crypto,
    log,
    config: { ...config, ...(tls && { fingerprint: tls.fingerprint }) },
  });
  const server = await RegistryServer.listen({
    net,
    clock,
    log,
    service,
    bind: { host: '127.0.0.1', port },
    ...(limits && { limits }),
    ...(tls && { tls }),
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
        server: server.stats(),
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
  process.send?.({
    port: server.endpoint.port,
    start: performance.now(),
    open,
    fingerprint: tls?.fingerprint ?? '',
  } satisfies Ready);
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
    process.send?.({
      port: (server.address() as { port: number }).port,
      start: performance.now(),
      open: 0,
      fingerprint: '',
    });
  });
}
