/** Beacons as processes of their own, apart from the registry: nodes of different ones meet, and a dead one is replaced. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { utf8 } from '../../src/base/bytes.ts';
import { formatEndpoint, parseHostPort } from '../../src/base/endpoint.ts';
import type { Endpoint } from '../../src/base/units.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom, nodeStorage } from '../../src/platform/index.ts';
import { memoryStore } from '../../src/registry/index.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import { PilotClient } from '../../src/sdk/index.ts';
import { firstLine, killChild, startChild } from './children.testkit.ts';

const ports = { net: nodeNet(), clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto() };
const log = { event: (): void => {} };
const any = { host: '127.0.0.1', port: 0 };
const root = mkdtempSync(join(tmpdir(), 'pilot-beacons-'));
const daemons: Daemon[] = [];
const beacons: { child: ChildProcess; endpoint: Endpoint; second: string }[] = [];
let registry: Rendezvous;

before(async () => {
  registry = await startRendezvous({
    ...ports,
    log,
    storage: nodeStorage(join(root, 'registry')),
    store: memoryStore(),
    tls: 'persisted',
    registryBind: any,
    beaconBind: any,
  });
  const program = fileURLToPath(new URL('../../bin/pilot-beacon.js', import.meta.url));
  for (let i = 0; i < 2; i++) {
    const child = startChild(program, [
      ...['--registry', formatEndpoint(registry.registryEndpoint)],
      ...['--fingerprint', registry.fingerprint, '--listen', '127.0.0.1:0'],
    ]);
    const facts = JSON.parse(await firstLine(child)) as { beacon: string; second: string };
    beacons.push({ child, endpoint: parseHostPort(facts.beacon)!, second: facts.second });
  }
});
after(async () => {
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  for (const { child } of beacons) await killChild(child);
  await registry.close();
  rmSync(root, { recursive: true, force: true });
});

async function node(
  name: string,
  homes: readonly Endpoint[],
): Promise<{ daemon: Daemon; client: PilotClient }> {
  const socketPath = join(root, name, 'pilot.sock');
  const daemon = await Daemon.start({
    ...ports,
    log,
    storage: nodeStorage(join(root, name)),
    config: {
      socketPath,
      listen: any,
      registries: [registry.registryEndpoint],
      tls: { fingerprint: registry.fingerprint },
      beacons: homes,
      hostname: name,
      public: true,
      relayOnly: true,
      version: 'test',
    },
  });
  daemons.push(daemon);
  return { daemon, client: await PilotClient.connect({ ...ports, socketPath }) };
}

async function send(from: PilotClient, to: Daemon, timeout: number): Promise<void> {
  const target = { network: 0, node: to.info().node_id };
  await from.sendMessage(target, { type: 'text', data: utf8('over a beacon') }, { timeout });
}

test('a beacon without any secret proves nodes, has a second port, and brings together nodes of different beacons', async () => {
  assert.ok(beacons.every(({ second }) => second !== ''));
  const a = await node('a', [beacons[0]!.endpoint]);
  const b = await node('b', [beacons[1]!.endpoint]);
  await send(a.client, b.daemon, 10_000);
  await send(b.client, a.daemon, 10_000);
  const row = a.daemon.info().peer_list.find(({ node_id }) => node_id === b.daemon.info().node_id);
  assert.equal(row?.relay, true);
  const places = beacons.map(({ endpoint }) => formatEndpoint(endpoint));
  assert.ok(places.includes(row?.endpoint ?? ''), row?.endpoint);
  await Promise.all([a.client.close(), b.client.close()]);
});

test('when the beacon in use is killed, the next message arrives within five seconds by the other', async () => {
  const homes = beacons.map(({ endpoint }) => endpoint);
  const c = await node('c', homes);
  const d = await node('d', homes);
  await send(c.client, d.daemon, 10_000);
  const used = (): string | undefined =>
    c.daemon.info().peer_list.find(({ node_id }) => node_id === d.daemon.info().node_id)?.endpoint;
  const before = used();
  const home = beacons.find(({ endpoint }) => formatEndpoint(endpoint) === before);
  assert.ok(home !== undefined, before);
  await killChild(home.child);
  await send(c.client, d.daemon, 5_000);
  assert.notEqual(used(), before);
  await Promise.all([c.client.close(), d.client.close()]);
});
