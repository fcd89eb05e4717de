/** A rendezvous whose beacon records every datagram it sees. Usage: node recording-rendezvous.js HOST DIRECTORY [PORT] */
import { join } from 'node:path';
import { nodeClock, nodeCrypto, nodeLog, nodeNet, nodeRandom, nodeStorage } from '../src/platform/index.ts';
import { startRendezvous } from '../src/rendezvous/rendezvous.ts';
import { recordingNet } from './recording-net.ts';

const [host, directory, port = '9000'] = process.argv.slice(2);
if (host === undefined || directory === undefined)
  throw new Error('usage: recording-rendezvous HOST DIRECTORY [PORT]');
const rendezvous = await startRendezvous({
  net: recordingNet(nodeNet(), join(directory, 'beacon.recording')),
  clock: nodeClock(),
  random: nodeRandom(),
  crypto: nodeCrypto(),
  log: nodeLog({ level: 'warn', destination: join(directory, 'rendezvous.log') }),
  storage: nodeStorage(directory),
  registryBind: { host, port: Number(port) },
  beaconBind: { host, port: port === '0' ? 0 : Number(port) + 1 },
});
console.log(JSON.stringify(rendezvous));
process.on('SIGTERM', () => void rendezvous.close().then(() => process.exit(0)));
