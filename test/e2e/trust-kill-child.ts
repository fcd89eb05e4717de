/**
 * What `trust-kill.ts` kills: `trust-kill-child rendezvous DIR REGISTRY-PORT BEACON-PORT`, or
 * `trust-kill-child daemon DIR REGISTRY-PORT BEACON-PORT FINGERPRINT`. Prints a line once it serves.
 */
import { join } from 'node:path';
import { Daemon } from '../../src/daemon/daemon.ts';
import {
  nodeClock,
  nodeCrypto,
  nodeLog,
  nodeNet,
  nodeRandom,
  nodeStorage,
} from '../../src/platform/index.ts';
import { openEmbeddedStore } from '../../src/registry/index.ts';
import { startRendezvous } from '../../src/rendezvous/rendezvous.ts';

const [role, directory, registryPort, beaconPort, fingerprint] = process.argv.slice(2);
if (directory === undefined || beaconPort === undefined) throw new Error('usage: see the source');
const [clock, random, crypto, net] = [nodeClock(), nodeRandom(), nodeCrypto(), nodeNet()];
const log = nodeLog({ level: 'warn', destination: join(directory, 'child.log') });
const storage = nodeStorage(directory);
const host = '127.0.0.1';
const registry = { host, port: Number(registryPort) };
const beacon = { host, port: Number(beaconPort) };
if (role === 'rendezvous') {
  const store = await openEmbeddedStore({ path: join(directory, 'registry.db'), clock, log });
  const serving = await startRendezvous({
    ...{ net, clock, random, crypto, log, storage, store, tls: 'persisted' as const },
    ...{ registryBind: registry, beaconBind: beacon },
  });
  process.stdout.write(`${serving.fingerprint}\n`);
} else {
  await Daemon.start({
    ...{ net, clock, random, crypto, log, storage },
    config: {
      socketPath: join(directory, 'pilot.sock'),
      registries: [registry],
      beacons: [beacon],
      tls: { fingerprint: fingerprint ?? '' },
      listen: { host, port: 0 },
      version: 'test',
    },
  });
  process.stdout.write('up\n');
}
// Dies with the program that started it.
process.stdin.on('end', () => process.exit(0)).resume();
