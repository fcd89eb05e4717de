/**
 * The last write of a registry's store torn at every offset: the machine lost power while the log was being written.
 * What was acknowledged before has to be there, and what was being written is there as a whole or not at all:
 * `npm run registry-torn -- --stride 1`.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeClock } from '../../src/platform/index.ts';
import { openEmbeddedStore, type Store } from '../../src/registry/index.ts';

/** Acknowledged changes before the last. */
const BEFORE = 20;
const SECTOR = 512;
const FRAME_HEADER = 24;
const FRAME = FRAME_HEADER + 4096;
const BORDERS = [0, 1, FRAME_HEADER - 1, FRAME_HEADER, FRAME_HEADER + 1, FRAME - 1];

export interface TornReport {
  /** Bytes of the last write. */
  readonly bytes: number;
  readonly opened: number;
  /** Of those in which the last write was there. */
  readonly whole: number;
  readonly seconds: number;
}

type Damage = 'cut' | 'zeros' | 'noise' | 'sector';
const DAMAGES: readonly Damage[] = ['cut', 'zeros', 'noise', 'sector'];

/** Rejects with what was lost or half there. Every `stride`th offset, and those around the borders of pages. */
export async function tornWrites(stride: number): Promise<TornReport> {
  const directory = mkdtempSync(join(tmpdir(), 'pilot-torn-'));
  const began = Date.now();
  try {
    const path = join(directory, 'registry.db');
    const store = await open(path);
    for (let n = 1; n <= BEFORE; n++) await change(store, n);
    const base = join(directory, 'base.db');
    copyFileSync(path, base);
    const start = readFileSync(`${path}-wal`).length;
    await change(store, BEFORE + 1);
    const log = readFileSync(`${path}-wal`);
    await store.close();
    assert.ok(log.length > start, 'the last change is in the log');

    let opened = 0;
    let whole = 0;
    for (let offset = start; offset <= log.length; offset++) {
      if ((offset - start) % stride !== 0 && !BORDERS.includes((offset - start) % FRAME)) continue;
      for (const damage of DAMAGES) {
        const torn = damaged(log, offset, damage);
        if (torn === undefined) continue;
        opened++;
        const there = await lastIsThere(base, torn, join(directory, 'torn.db'));
        assert.ok(there || !torn.equals(log), `${damage} at ${offset}: an intact log was not used`);
        if (there) whole++;
      }
    }
    return { bytes: log.length - start, opened, whole, seconds: Math.round((Date.now() - began) / 1000) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function damaged(log: Buffer, offset: number, damage: Damage): Buffer | undefined {
  if (damage === 'cut') return log.subarray(0, offset);
  const torn = Buffer.from(log);
  switch (damage) {
    case 'zeros':
      return torn.fill(0, offset);
    case 'noise':
      for (let at = offset; at < torn.length; at++) torn[at] = (Math.imul(at, 2654435761) >>> 24) ^ log[at]!;
      return torn;
    case 'sector':
      // Sectors reach the disk in any order: one in the middle is missing.
      if (offset % SECTOR !== 0) return undefined;
      return torn.fill(0, offset, offset + SECTOR);
    default:
      return damage satisfies never;
  }
}

/** One change over several tables: a node, its name, and a trust with the node before. */
async function change(store: Store, n: number): Promise<void> {
  const release = { unprovenSeenBefore: 0, anySeenBefore: 0 };
  const steps: Promise<unknown>[] = [
    store.register({
      publicKey: new Uint8Array(32).fill(n),
      proven: true,
      owner: `owner ${n}`,
      endpoint: `203.0.113.${n}:4000`,
      lan: [],
      beacons: [],
      version: '1',
      relayOnly: false,
      hostname: `node-${n}`,
      release,
      maxNodes: 1000,
      at: n,
    }),
  ];
  if (n > 1)
    steps.push(
      store.certifyTrust({ a: n - 1, b: n, serial: n, notAfter: undefined, text: `certificate ${n}` }),
    );
  // One turn: one transaction, one sync, one acknowledgement.
  await Promise.all(steps);
}

async function lastIsThere(base: string, log: Buffer, path: string): Promise<boolean> {
  copyFileSync(base, path);
  writeFileSync(`${path}-wal`, log);
  const store = await open(path);
  try {
    for (let n = 1; n <= BEFORE; n++) await isWhole(store, n);
    if ((await store.counts()).nodes === BEFORE) {
      assert.equal(await store.nodeByHostname(`node-${BEFORE + 1}`), undefined);
      assert.equal((await store.trustDocuments(BEFORE, BEFORE + 1)).certificate, '');
      return false;
    }
    await isWhole(store, BEFORE + 1);
    return true;
  } finally {
    await store.close();
    rmSync(path);
    rmSync(`${path}-wal`, { force: true });
  }
}

async function isWhole(store: Store, n: number): Promise<void> {
  const node = await store.node(n);
  assert.deepEqual([node?.hostname, node?.owner, node?.publicKey[31]], [`node-${n}`, `owner ${n}`, n]);
  assert.equal((await store.nodeByHostname(`node-${n}`))?.id, n);
  if (n === 1) return;
  assert.equal((await store.trustDocuments(n - 1, n)).certificate, `certificate ${n}`);
}

function open(path: string): Promise<Store> {
  return openEmbeddedStore({ path, clock: nodeClock(), log: { event() {} } });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { stride: { type: 'string', default: '1' } } });
  console.log(JSON.stringify(await tornWrites(Number(values.stride)), null, 2));
}
