/**
 * One server in a process of its own, so that it can be killed alone. Usage: node serve.js JSON, where JSON is
 * `Registry` or `Beacon`; prints one line of JSON once it serves. The registry tells identity keys to beacons of this
 * machine at a loopback port, as it does inside a rendezvous.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { nodeHost } from '../../bin/host/node-host.ts';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import type { Endpoint } from '../../src/base/units.ts';
import { startBeacon } from '../../src/beacon/index.ts';
import { nodeLog } from '../../src/platform/index.ts';
import type { RegistryService } from '../../src/registry/index.ts';
import { openEmbeddedStore } from '../../src/registry/store/embedded.ts';
import { startRendezvous } from '../../src/rendezvous/rendezvous.ts';

export interface RegistryRole {
  readonly role: 'registry';
  readonly bind: Endpoint;
  /** Holds the store, the key and the log. */
  readonly directory: string;
  /** Told to nodes, as a registry with beacons elsewhere tells them. */
  readonly beacons: readonly Endpoint[];
  readonly keyPort: number;
  /** Its own beacon, as in a rendezvous; it takes WebSockets at the registry's port. @default told to nobody */
  readonly beacon?: Endpoint;
}

export interface BeaconRole {
  readonly role: 'beacon';
  readonly bind: Endpoint;
  readonly directory: string;
  readonly keyPort: number;
}

const { net, clock, random, crypto, storage } = nodeHost();

async function registry({ bind, directory, beacons, keyPort, beacon }: RegistryRole): Promise<object> {
  const log = nodeLog({ level: 'info', destination: join(directory, 'registry.log') });
  let service: RegistryService | undefined;
  const { fingerprint } = await startRendezvous({
    ...{ net, clock, random, crypto, log },
    storage: storage(directory),
    store: await openEmbeddedStore({ path: join(directory, 'registry.db'), clock, log }),
    tls: 'persisted',
    registryBind: bind,
    beaconBind: beacon ?? { host: '127.0.0.1', port: 0 },
    config: { beacons },
    decorate: (made) => {
      service = made;
      return made;
    },
  });
  const keys = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    createInterface({ input: socket }).on('line', (line) => {
      void service?.identityKey(Number(line)).then((key) => {
        socket.write(`${line} ${key === undefined ? '' : toHex(key)}\n`);
      });
    });
  });
  await new Promise<void>((resolve) => keys.listen(keyPort, '127.0.0.1', resolve));
  return { fingerprint };
}

/** Rejects when the registry is away. */
async function identityKey(keyPort: number, node: number): Promise<Uint8Array | undefined> {
  const socket = connect(keyPort, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write(`${node}\n`);
    // Ends with the line: the answer is far shorter than a segment.
    const [answer] = (await once(socket, 'data')) as [Buffer];
    const [, hex = ''] = answer.toString().trim().split(' ');
    return hex === '' ? undefined : fromHex(hex);
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}

async function serveBeacon({ bind, directory, keyPort }: BeaconRole): Promise<object> {
  const log = nodeLog({ level: 'debug', destination: join(directory, `beacon-${bind.port}.log`) });
  const { endpoint } = await startBeacon({
    ...{ net, clock, random, crypto, log, bind },
    lookupKey: (node) => identityKey(keyPort, node),
  });
  return { endpoint };
}

const asked = JSON.parse(process.argv[2] ?? '{}') as RegistryRole | BeaconRole;
console.log(JSON.stringify(asked.role === 'registry' ? await registry(asked) : await serveBeacon(asked)));
process.on('SIGTERM', () => process.exit(0));
