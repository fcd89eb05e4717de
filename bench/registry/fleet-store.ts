/** What a fleet has at its registry, put into the store, and told by one hash: nothing of it may be lost. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import { nodeClock } from '../../src/platform/index.ts';
import { openEmbeddedStore, type Store } from '../../src/registry/index.ts';
import { inParallel, numbers } from './drive.ts';
import { keyOf } from './line.ts';

/** Members of each network of the fleet. */
const NETWORK_SIZE = 100;
const AT_ONCE = 2000;
const DAY = 24 * 60 * 60 * 1000;

/** Nodes 1 to `nodes`, by name; each odd one trusts the next; every hundred share a network. */
export async function fillFleet(path: string, nodes: number): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const store = await open(path);
  // A fleet that has been there for a while.
  const at = Date.now() - DAY;
  await inParallel(numbers(1, nodes), AT_ONCE, async (number) => {
    const outcome = await store.register({
      publicKey: keyOf(number).publicKey,
      proven: true,
      owner: '',
      endpoint: '127.0.0.1:4000',
      lan: [],
      beacons: [],
      version: 'bench',
      relayOnly: false,
      hostname: `agent-${number}`,
      release: { unprovenSeenBefore: 0, anySeenBefore: 0 },
      maxNodes: 2 ** 31,
      at,
    });
    if (outcome.kind !== 'created' || outcome.node.id !== number) throw new Error(`node ${number}`);
  });
  await inParallel(numbers(1, nodes >> 1), AT_ONCE, (pair) =>
    store.certifyTrust({ a: 2 * pair - 1, b: 2 * pair, serial: 1, notAfter: undefined, text: 'certificate' }),
  );
  await inParallel(numbers(0, Math.ceil(nodes / NETWORK_SIZE) - 1), AT_ONCE, (index) =>
    fillNetwork(store, index, nodes, at),
  );
  await store.close();
}

async function fillNetwork(store: Store, index: number, nodes: number, at: number): Promise<void> {
  const first = index * NETWORK_SIZE + 1;
  const made = await store.createNetwork({
    name: `team-${index}`,
    joinRule: 'open',
    tokenHash: '',
    enterprise: false,
    exprPolicy: '',
    creator: first,
    at,
    perOwner: 16,
    perNode: 16,
    lastId: 60_000,
  });
  if (typeof made === 'string') throw new Error(`network ${index}: ${made}`);
  for (let node = first + 1; node < first + NETWORK_SIZE && node <= nodes; node++)
    await store.joinNetwork({ network: made.id, node, at, perNetwork: 1000, perNode: 16 });
}

/** Over id, key, name, visibility, tags, trust and memberships of the nodes up to `last`. */
export async function fleetDigest(path: string, last: number): Promise<string> {
  const store = await open(path);
  const hash = createHash('sha256');
  for (let after = 0; ; ) {
    const page = await store.listNodes(after, 500);
    for (const { id, publicKey, hostname, public: isPublic, tags, proven, registered } of page) {
      if (id > last) continue;
      const trusted = await store.trustPeers(id, 1000, Date.now());
      const networks = await store.networksOf(id);
      const facts = [id, toHex(publicKey), hostname, isPublic, tags, proven, registered, trusted, networks];
      hash.update(`${JSON.stringify(facts)}\n`);
    }
    if (page.length === 0 || page.at(-1)!.id >= last) break;
    after = page.at(-1)!.id;
  }
  await store.close();
  return hash.digest('hex');
}

function open(path: string) {
  return openEmbeddedStore({ path, clock: nodeClock(), log: { event() {} } });
}
