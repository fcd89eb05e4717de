/**
 * A rendezvous whose beacon records every datagram it sees.
 * Usage: node recording-rendezvous.js HOST DIRECTORY [PORT], where PORT 0 takes any free ports.
 */
import { join } from 'node:path';
import { nodeHost } from '../bin/host/node-host.ts';
import { serve } from '../bin/host/serve.ts';
import { nodeLog } from '../src/platform/index.ts';
import { recordingNet } from './recording-net.ts';

const [address, directory, port = '9000'] = process.argv.slice(2);
if (address === undefined || directory === undefined) {
  throw new Error('usage: recording-rendezvous HOST DIRECTORY [PORT]');
}
const host = nodeHost();
const registryPort = Number(port);
const serving = await serve({
  host: { ...host, net: recordingNet(host.net, join(directory, 'beacon.recording')) },
  log: nodeLog({ level: 'warn', destination: join(directory, 'rendezvous.log') }),
  store: directory,
  registry: { host: address, port: registryPort },
  beacon: { host: address, port: registryPort === 0 ? 0 : registryPort + 1 },
});
const { registryEndpoint, beaconEndpoint, fingerprint } = serving;
console.log(JSON.stringify({ registryEndpoint, beaconEndpoint, fingerprint }));
process.on('SIGTERM', () => void serving.close().then(() => process.exit(0)));
