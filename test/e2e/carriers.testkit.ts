/** Nodes in this process whose UDP can be switched off, and a rendezvous with TLS. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '../../src/base/units.ts';
import { type Beacon, startBeacon } from '../../src/beacon/index.ts';
import type { DaemonConfig } from '../../src/daemon/config.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom, nodeStorage } from '../../src/platform/index.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import type { Log, LogLevel, Net } from '../../src/runtime/ports.ts';
import { PilotClient } from '../../src/sdk/index.ts';

const LOOPBACK = '127.0.0.1';
const ports = { clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto() };

export interface LoggedEvent {
  readonly at: number;
  readonly who: string;
  readonly level: LogLevel;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A firewall in front of one node: no datagram leaves or enters while `blocked`. */
export class Firewall {
  blocked = false;
  /** Datagrams stopped. */
  stopped = 0;

  around(net: Net): Net {
    return {
      ...net,
      udp: async (bind) => {
        const socket = await net.udp(bind);
        const passes = (): boolean => {
          if (this.blocked) this.stopped++;
          return !this.blocked;
        };
        return {
          local: socket.local,
          dontFragment: socket.dontFragment,
          receiveBuffer: socket.receiveBuffer,
          send: (data, to) => {
            if (passes()) socket.send(data, to);
          },
          sendTrain: (train, segment, to) => {
            if (passes()) socket.sendTrain(train, segment, to);
          },
          onDatagram: (receiver) =>
            socket.onDatagram((data, from) => {
              if (passes()) receiver(data, from);
            }),
          onTrain: (receiver) =>
            socket.onTrain((train, segment, from) => {
              if (passes()) receiver(train, segment, from);
            }),
          onTooLong: (receiver) => socket.onTooLong(receiver),
          onUnreachable: (receiver) => socket.onUnreachable(receiver),
          close: () => socket.close(),
        };
      },
    };
  }
}

export class Site {
  readonly root = mkdtempSync(join(tmpdir(), 'pilot-e2e-'));
  readonly events: LoggedEvent[] = [];
  #rendezvous: Rendezvous | undefined;
  readonly #daemons: Daemon[] = [];
  readonly #clients: PilotClient[] = [];
  readonly #beacons: Beacon[] = [];

  get rendezvous(): Rendezvous {
    return this.#rendezvous!;
  }

  log(who: string): Log {
    return {
      event: (level, name, fields = {}) => {
        this.events.push({ at: Date.now(), who, level, name, fields });
        if (process.env.PILOT_TEST_LOG === '1')
          console.error(Date.now() % 100_000, who, level, name, JSON.stringify(fields));
      },
    };
  }

  async open(options: { webSocketBind?: Endpoint; carriers?: readonly string[] } = {}): Promise<this> {
    const any = { host: LOOPBACK, port: 0 };
    this.#rendezvous = await startRendezvous({
      ...ports,
      net: nodeNet(),
      log: this.log('rendezvous'),
      storage: nodeStorage(join(this.root, 'registry')),
      registryBind: any,
      beaconBind: any,
      tls: 'persisted',
      ...options,
    });
    return this;
  }

  /** One more beacon, for nodes that are told of it; the two do not gossip. */
  async beacon(): Promise<Beacon> {
    const beacon = await startBeacon({
      ...ports,
      net: nodeNet(),
      log: this.log('beacon'),
      bind: { host: LOOPBACK, port: 0 },
    });
    this.#beacons.push(beacon);
    return beacon;
  }

  async node(
    name: string,
    options: { net?: Net; proxy?: () => string | undefined; config?: Partial<DaemonConfig> } = {},
  ): Promise<PilotClient> {
    const home = join(this.root, name);
    const { registryEndpoint, fingerprint } = this.rendezvous;
    const { net = nodeNet(), proxy, config } = options;
    const daemon = await Daemon.start({
      ...ports,
      net,
      log: this.log(name),
      storage: nodeStorage(home),
      ...(proxy && { proxy }),
      config: {
        socketPath: join(home, 'pilot.sock'),
        listen: { host: LOOPBACK, port: 0 },
        registries: [registryEndpoint],
        tls: { fingerprint },
        hostname: name,
        public: true,
        version: 'test',
        transport: 'auto',
        ...config,
      },
    });
    this.#daemons.push(daemon);
    const client = await PilotClient.connect({
      ...ports,
      net: nodeNet(),
      socketPath: join(home, 'pilot.sock'),
    });
    this.#clients.push(client);
    return client;
  }

  /** When an event was logged last, ms since the epoch; undefined when never. */
  lastEvent(who: string, name: string): LoggedEvent | undefined {
    return this.events.findLast((event) => event.who === who && event.name === name);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#daemons.map((daemon) => daemon.stop()));
    await this.#rendezvous?.close();
    await Promise.all(this.#beacons.map((beacon) => beacon.close()));
    rmSync(this.root, { recursive: true, force: true });
  }
}

export async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  limit = 10_000,
): Promise<number> {
  const start = Date.now();
  while (!(await done())) {
    assert.ok(Date.now() - start < limit, `${what} did not happen within ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Date.now() - start;
}
