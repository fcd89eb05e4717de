/** A store of many nodes, made through the store's own door. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodeClock } from '../../src/platform/index.ts';
import { openEmbeddedStore } from '../../src/registry/index.ts';
import { inParallel, numbers } from './drive.ts';
import { keyOf } from './line.ts';

export interface Filled {
  /** Durable registrations per second, without sockets and signatures. */
  readonly perSecond: number;
}

/** As many as a transaction of the store takes. */
const AT_ONCE = 2000;

/** Nodes up to `nodes`, after those that are there; the first `real` have keys somebody can sign with (`keyOf(id)`), the first `listed` are public. */
export async function fill(path: string, nodes: number, real: number, listed: number): Promise<Filled> {
  mkdirSync(dirname(path), { recursive: true });
  const store = await openEmbeddedStore({ path, clock: nodeClock(), log: { event() {} } });
  const release = { unprovenSeenBefore: 0, anySeenBefore: 0 };
  const keys = Array.from({ length: real }, (_, index) => keyOf(index + 1).publicKey);
  const register = async (number: number): Promise<void> => {
    const outcome = await store.register({
      publicKey: keys[number - 1] ?? spread(number),
      proven: true,
      owner: '',
      endpoint: `203.0.113.${number % 250}:${1024 + (number % 60_000)}`,
      lan: [`10.${number % 200}.0.7:4000`],
      beacons: [],
      version: '0.1.0',
      relayOnly: false,
      hostname: number % 10 === 0 ? `node-${number}` : undefined,
      release,
      maxNodes: 2 ** 31,
      at: Date.now(),
    });
    if (outcome.kind !== 'created' || outcome.node.id !== number)
      throw new Error(`node ${number}: ${outcome.kind}`);
  };
  const { nodes: there } = await store.counts();
  const began = performance.now();
  // In order up to `AT_ONCE` at a time, so that ids are numbers.
  await inParallel(numbers(there + 1, nodes), AT_ONCE, register);
  const perSecond = ((nodes - there) * 1000) / (performance.now() - began);
  await inParallel(numbers(1, listed), AT_ONCE, (id) => store.patchNode(id, { public: true }, 0));
  await store.close();
  return { perSecond };
}

/** Bytes as well spread as a key's. */
function spread(number: number): Uint8Array {
  const key = Buffer.alloc(32);
  for (let i = 0; i < 8; i++) key.writeUInt32LE(Math.imul(number, 2654435761 + 2 * i) >>> 0, i * 4);
  return key;
}
