#!/usr/bin/env node
/**
 * A beacon on a machine of its own, for a registry elsewhere. It asks that registry only whether a key that a node names
 * is the node's, which the registry tells anybody, so it needs no secret.
 * Usage: pilot-beacon --registry HOST[:PORT] --fingerprint HEX [--listen ADDR:PORT] [--second ADDR:PORT]
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { formatEndpoint, parseHostPort } from '../src/base/endpoint.ts';
import type { Endpoint } from '../src/base/units.ts';
import { startBeacon } from '../src/beacon/index.ts';
import { Directory } from '../src/directory/directory.ts';
import { nodeLog } from '../src/platform/index.ts';
import { nodeHost } from './host/node-host.ts';
import { untilStopped } from './host/until-stopped.ts';

const USAGE =
  'usage: pilot-beacon --registry HOST[:PORT] --fingerprint HEX [--listen ADDR:PORT] [--second ADDR:PORT]';
const REGISTRY_PORT = 9000;
const DEFAULT_LISTEN = '0.0.0.0:9001';

function endpointOf(text: string, port?: number): Endpoint {
  const found = parseHostPort(text) ?? (port === undefined ? undefined : { host: text, port });
  if (found !== undefined) return found;
  console.error(`Cannot use "${text}" as an address\n${USAGE}`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    registry: { type: 'string' },
    fingerprint: { type: 'string' },
    listen: { type: 'string', default: DEFAULT_LISTEN },
    second: { type: 'string' },
  },
});
const { registry, fingerprint, second } = values;
if (registry === undefined || fingerprint === undefined) {
  console.error(USAGE);
  process.exit(2);
}
const listen = endpointOf(values.listen ?? DEFAULT_LISTEN);
const { net, clock, random, crypto } = nodeHost();
const log = nodeLog({ level: 'info' });
const shared = { net, clock, crypto, log };
const directory = new Directory({
  ...shared,
  random: random.fork('directory'),
  // Nothing is asked in a name: any key will do.
  identity: crypto.signingKey(new Uint8Array(randomBytes(32))),
  addresses: [endpointOf(registry, REGISTRY_PORT)],
  tls: { fingerprint: fingerprint.toLowerCase() },
});
const beacon = await startBeacon({
  ...shared,
  random: random.fork('beacon'),
  bind: listen,
  alternateBind:
    second === undefined
      ? { host: listen.host, port: listen.port === 0 ? 0 : listen.port + 2 }
      : endpointOf(second),
  alternateOptional: second === undefined,
  lookupKey: (node, claimed) => directory.identityKey(node, claimed),
});
console.log(
  JSON.stringify({
    beacon: formatEndpoint(beacon.endpoint),
    second: beacon.alternateEndpoint === undefined ? '' : formatEndpoint(beacon.alternateEndpoint),
  }),
);
await untilStopped(log);
await beacon.close();
directory.close();
