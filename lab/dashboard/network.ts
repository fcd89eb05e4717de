/** A registry with a made-up network to look at: names, tags, services, trust, networks. The same every time. */
import { formatEndpoint } from '../../src/base/endpoint.ts';
import type { NodeId } from '../../src/base/units.ts';
import { nodeCrypto, nodeRandom } from '../../src/platform/index.ts';
import type { Store } from '../../src/registry/index.ts';
import { encodeNodeRecord, signNodeRecord } from '../../src/wire/node-record.ts';

const TRADES = 'weather translate search billing vision summary route legal audit music maps mail'.split(' ');
const PLACES = 'oslo lima kyoto porto nairobi quito turin austin perth osaka lyon delhi'.split(' ');
const WORDS = [
  'llm',
  'gpu',
  'edge',
  'europe',
  'asia',
  'americas',
  'beta',
  'research',
  'finance',
  'public-data',
];
const VERSIONS = ['1.7.2', '1.7.2', '1.7.2', '1.7.1', '1.7.1', '1.6.0', '0.1.0', ''];
const NETWORKS = [
  ['weather-ring', 'open', 0.09],
  ['research-commons', 'open', 0.14],
  ['eu-agents', 'open', 0.06],
  ['translators', 'open', 0.035],
  ['maps-exchange', 'open', 0.02],
  ['gpu-pool', 'token', 0.05],
  ['finance-desk', 'token', 0.025],
  ['night-shift', 'invite', 0.012],
  ['legal-review', 'invite', 0.008],
  ['acme-internal', 'token', 0.045],
  ['music-lab', 'open', 0.01],
  ['beta-testers', 'invite', 0.004],
] as const;
const TOGETHER = 2000;

export interface MadeNetwork {
  readonly nodes: number;
  /** Links of trust. */
  readonly links: number;
  /** A private node with everything there is to leak. */
  readonly secret: NodeId;
}

export interface MakeOptions {
  readonly store: Store;
  readonly nodes: number;
  /** Of them this many have signed records with services: signing takes time. @default 200 */
  readonly records?: number;
  /** Links of trust for each node, on average. @default 2 */
  readonly trust?: number;
  /** Unix milliseconds. */
  readonly now: number;
  /** The beacons nodes name, `host:port` each. */
  readonly beacons?: readonly string[];
}

/** Fills a store that is empty. Node 1 to `records` have keys of their own. */
export async function makeNetwork(options: MakeOptions): Promise<MadeNetwork> {
  const { store, nodes, now } = options;
  const dice = generator(7);
  const records = Math.min(nodes, options.records ?? 200);
  const crypto = nodeCrypto();
  const signers = Array.from({ length: records }, () => crypto.signingKey(nodeRandom().bytes(32)));
  const release = { unprovenSeenBefore: 0, anySeenBefore: 0 };
  // A store gives ids in the order it likes.
  const ids: NodeId[] = [];
  const idOf = (n: number): NodeId => ids[n - 1]!;
  await inChunks(nodes, async (i) => {
    const id = i + 1;
    const online = dice(id) < 0.72;
    const named = options.beacons ?? [];
    const beacon = named[Math.floor(dice(id + 0.4) ** 2 * named.length)] ?? `203.0.113.${9 + (id % 3)}:9001`;
    const made = await store.register({
      publicKey: signers[i]?.publicKey ?? keyOf(id),
      proven: i < records,
      owner: dice(id + 0.1) < 0.2 ? `owner${id % 50}@example.org` : '',
      endpoint: formatEndpoint({ host: `198.51.${(id >> 8) & 255}.${id & 255}`, port: 4000 + (id % 900) }),
      lan: [`10.${(id >> 16) & 255}.${(id >> 8) & 255}.${id & 255}:4000`],
      beacons: [beacon],
      version: VERSIONS[id % VERSIONS.length]!,
      relayOnly: id % 97 === 0,
      hostname: hostnameOf(id),
      release,
      maxNodes: Number.MAX_SAFE_INTEGER,
      at: online
        ? now - Math.floor(dice(id + 0.2) * 120_000)
        : now - 600_000 - Math.floor(dice(id + 0.2) * 9e8),
    });
    if (!('node' in made)) throw new Error(`Cannot register node ${id}: ${made.kind}`);
    ids[i] = made.node.id;
  });
  await inChunks(nodes, async (i) => {
    const id = i + 1;
    const isPublic = i < records || dice(id + 0.3) < 0.35;
    // Most private nodes have nothing to say of themselves.
    if (!isPublic && id % 5 !== 0) return;
    await store.patchNode(
      idOf(id),
      { public: isPublic && id !== 3, tags: tagsOf(id), taskExec: id % 11 === 0 },
      now,
    );
  });
  for (let i = 0; i < records; i++) await publish(options, signers[i]!, i + 1, idOf(i + 1));
  const links = await makeTrust(options, dice, idOf);
  await makeNetworks(options, dice, idOf);
  return { nodes, links, secret: idOf(3) };
}

async function publish(
  { store, now }: MakeOptions,
  signer: Parameters<typeof signNodeRecord>[0],
  n: number,
  id: NodeId,
): Promise<void> {
  const trade = TRADES[n % TRADES.length]!;
  const services = [
    { name: trade, port: 80, description: `Answers questions about ${trade}` },
    ...(n % 3 === 0 ? [{ name: 'mcp', port: 3000, description: 'Tools for language models' }] : []),
  ];
  const record = signNodeRecord(signer, {
    node: id,
    epoch: 0,
    seq: 1,
    hostname: hostnameOf(n) ?? '',
    public: true,
    tags: tagsOf(n),
    features: [],
    suites: [],
    services,
    issued: Math.floor(now / 1000),
    expires: Math.floor(now / 1000) + 86_400,
  });
  const terms = services.flatMap(({ name }) => [`service:${name}`, `word:${name}`]);
  await store.publishRecord(id, { sequence: 1, document: encodeNodeRecord(record), terms });
}

/** A few nodes that many trust, and small circles. */
async function makeTrust(
  { store, nodes, trust = 2 }: MakeOptions,
  dice: Dice,
  idOf: (n: number) => NodeId,
): Promise<number> {
  const count = Math.floor(nodes * trust);
  const hubs = Math.max(1, Math.min(40, Math.floor(nodes / 20)));
  const pairs = new Set<string>();
  for (let i = 0; i < count; i++) {
    const a = 1 + Math.floor(dice(i + 0.5) * nodes);
    const b =
      dice(i + 0.6) < 0.25
        ? 1 + Math.floor(dice(i + 0.7) ** 3 * hubs)
        : 1 + ((a + Math.floor(dice(i + 0.8) * 12)) % nodes);
    if (a !== b) pairs.add(a < b ? `${a} ${b}` : `${b} ${a}`);
  }
  const list = [...pairs].map((pair) => pair.split(' ').map(Number) as [number, number]);
  await inChunks(list.length, async (i) => {
    const [a, b] = list[i]!.map(idOf) as [NodeId, NodeId];
    await store.certifyTrust({ a, b, serial: 1, notAfter: undefined, text: `certificate ${a} ${b}` });
  });
  return list.length;
}

async function makeNetworks(
  { store, nodes, now }: MakeOptions,
  dice: Dice,
  idOf: (n: number) => NodeId,
): Promise<void> {
  for (const [index, [name, joinRule, share]] of NETWORKS.entries()) {
    const made = await store.createNetwork({
      name,
      joinRule,
      tokenHash: '',
      enterprise: false,
      exprPolicy: '',
      creator: idOf(1 + index),
      at: now,
      perOwner: 99,
      perNode: 99,
      lastId: 0xffff,
    });
    if (typeof made === 'string') throw new Error(`Cannot make the network ${name}: ${made}`);
    if (index % 3 === 0) await store.patchNetwork(made.id, { ports: [80, 3000] });
    const members = Math.min(nodes - 1, 50_000, Math.floor(nodes * share));
    const offset = Math.floor(dice(index) * nodes);
    await inChunks(members, async (i) => {
      const node = idOf(1 + ((offset + i) % nodes));
      await store.joinNetwork({ network: made.id, node, at: now, perNetwork: 100_000, perNode: 99 });
    });
  }
}

function hostnameOf(id: NodeId): string | undefined {
  if (id % 5 === 4) return undefined;
  const trade = TRADES[id % TRADES.length]!;
  const place = PLACES[Math.floor(id / TRADES.length) % PLACES.length]!;
  return id <= TRADES.length * PLACES.length ? `${trade}-${place}` : `${trade}-${place}-${id}`;
}
function tagsOf(id: NodeId): string[] {
  const tags = [TRADES[id % TRADES.length]!, WORDS[(id * 7) % WORDS.length]!];
  return id % 4 === 0
    ? [...tags, WORDS[(id * 3 + 1) % WORDS.length]!].filter((tag, i, all) => all.indexOf(tag) === i)
    : tags;
}
function keyOf(id: NodeId): Uint8Array {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, id);
  key[31] = 1;
  return key;
}

type Dice = (of: number) => number;

/** A number from 0 to 1 that depends on nothing but what it is asked for. */
function generator(seed: number): Dice {
  return (of) => {
    let x = Math.imul((Math.floor(of * 10) + 1) ^ (seed * 0x9e3779b1), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}

async function inChunks(count: number, run: (index: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += TOGETHER) {
    const length = Math.min(TOGETHER, count - from);
    await Promise.all(Array.from({ length }, (_, i) => run(from + i)));
  }
}
