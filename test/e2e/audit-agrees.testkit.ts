/** Replays the audit log of a store and compares with what the store says: no change without a record, no record without its change. */
import assert from 'node:assert/strict';
import { nodeCrypto } from '../../src/platform/index.ts';
import type { Store } from '../../src/registry/index.ts';
import { type AuditEntry, auditHash, ChainVerifier } from '../../src/wire/audit-entry.ts';

const PAGE = 500;
const crypto = nodeCrypto();

interface Replayed {
  readonly registered: Map<number, number>;
  readonly hostnames: Map<number, string>;
  readonly public: Set<number>;
  /** Serial of the trust, by `low:high`. */
  readonly trust: Map<string, number>;
}

/** Chains what is not chained yet. Returns the number of entries; throws with what does not agree. */
export async function auditAgrees(store: Store): Promise<number> {
  const seal = (seq: number, facts: Parameters<typeof auditHash>[2], prev: string): string =>
    auditHash(crypto, seq, facts, prev);
  while ((await store.sealAudit(PAGE, seal)) > 0);
  const { start, head } = await store.auditBounds();
  assert.equal(start.seq, 0, 'nothing was dropped');
  const verifier = new ChainVerifier(crypto, { after: start });
  const state: Replayed = {
    registered: new Map(),
    hostnames: new Map(),
    public: new Set(),
    trust: new Map(),
  };
  for (let after = 0; after < head.seq; ) {
    const entries = await store.auditEntries({ after, limit: PAGE });
    assert.ok(entries.length > 0, `no entries after ${after} of ${head.seq}`);
    for (const entry of entries) {
      const fault = verifier.add(entry);
      assert.equal(fault, undefined, JSON.stringify(fault));
      replay(entry, state);
    }
    after = entries.at(-1)!.seq;
  }
  assert.deepEqual(verifier.head ?? start, head);
  await compareNodes(store, state);
  await compareTrust(store, state);
  return head.seq;
}

function replay({ action, node, target, details }: AuditEntry, state: Replayed): void {
  if (action === 'node.registered') state.registered.set(node!, (state.registered.get(node!) ?? 0) + 1);
  else if (action === 'hostname.changed') {
    if (target !== undefined) state.hostnames.delete(target);
    state.hostnames.set(node!, String(details!.hostname));
  } else if (action === 'visibility.changed') {
    if (details!.public === true) state.public.add(node!);
    else state.public.delete(node!);
  } else if (action.startsWith('trust.')) {
    const key = node! < target! ? `${node}:${target}` : `${target}:${node}`;
    const serial = Number(details!.serial);
    if (action !== 'trust.revoked') state.trust.set(key, serial);
    // A revocation up to a serial ends no later certificate.
    else if (serial === 0 || serial >= (state.trust.get(key) ?? 0)) state.trust.delete(key);
  }
}

async function compareNodes(store: Store, state: Replayed): Promise<void> {
  let count = 0;
  for (let after = 0; ; ) {
    const nodes = await store.listNodes(after, PAGE);
    for (const node of nodes) {
      count++;
      assert.equal(state.registered.get(node.id), 1, `node ${node.id}: records of its registration`);
      assert.equal(state.hostnames.get(node.id) ?? '', node.hostname, `node ${node.id}: hostname`);
      assert.equal(state.public.has(node.id), node.public, `node ${node.id}: visibility`);
    }
    const last = nodes.at(-1);
    if (last === undefined) break;
    after = last.id;
  }
  assert.equal(state.registered.size, count, 'records of registrations of nodes that are not there');
}

async function compareTrust(store: Store, state: Replayed): Promise<void> {
  const pairs = new Set<string>();
  for (let after = { low: 0, high: 0 }; ; ) {
    const page = await store.listTrust(after, PAGE, Date.now());
    for (const { low, high } of page) pairs.add(`${low}:${high}`);
    const last = page.at(-1);
    if (last === undefined) break;
    after = last;
  }
  assert.deepEqual([...state.trust.keys()].sort(), [...pairs].sort(), 'trust');
}
