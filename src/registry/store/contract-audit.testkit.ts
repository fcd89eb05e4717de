/** What every store must do with audit records. */
import assert from 'node:assert/strict';
import { nodeCrypto } from '../../platform/index.ts';
import { type AuditFacts, auditHash, CHAIN_START, ChainVerifier } from '../../wire/audit-entry.ts';
import { type Check, registration } from './fixtures.testkit.ts';
import type { Seal, Store } from './store.ts';

const crypto = nodeCrypto();
const seal: Seal = (seq, facts, prev) => auditHash(crypto, seq, facts, prev);
const AT = 1_800_000_000_000;

function facts(node: number, more: Partial<AuditFacts> = {}): AuditFacts {
  return { at: AT + node, action: 'node.registered', by: `node:${node}`, node, ...more };
}

/** A change that records what it is told to. */
async function note(store: Store, ...records: AuditFacts[]): Promise<void> {
  await store.audited(
    (changes) => changes.tokenUsed('none', 1),
    () => records,
  );
}

async function sealAll(store: Store): Promise<number> {
  let count = 0;
  for (let more = 1; more > 0; count += more) more = await store.sealAudit(40, seal);
  return count;
}

export function auditContract(check: Check): void {
  check('keeps the record of a change with the change, and chains it when asked', async (store) => {
    const outcome = await store.audited(
      (changes) => changes.register(registration(1)),
      (result) => (result.kind === 'created' ? [facts(result.node.id)] : []),
    );
    assert.equal(outcome.kind, 'created');
    assert.deepEqual(await store.auditEntries({ after: 0, limit: 10 }), []);
    assert.equal(await store.sealAudit(10, seal), 1);
    assert.equal(await store.sealAudit(10, seal), 0);
    const entry = { ...facts(1), seq: 1, prev: CHAIN_START };
    const hash = auditHash(crypto, 1, facts(1), CHAIN_START);
    assert.deepEqual(await store.auditEntries({ after: 0, limit: 10 }), [{ ...entry, hash }]);
    assert.deepEqual(await store.auditBounds(), {
      start: { seq: 0, hash: CHAIN_START },
      head: { seq: 1, hash },
    });
  });

  check('keeps no record of a change that fails', async (store) => {
    const failing = store.audited(
      (changes) => changes.register(registration(1)),
      (): AuditFacts[] => {
        throw new Error('no record, no change');
      },
    );
    await assert.rejects(failing);
    assert.equal(await sealAll(store), 0);
  });

  check('gives entries back as they were recorded, and their chain is right', async (store) => {
    const full = facts(2, {
      target: 4_294_967_294,
      network: 65_535,
      source: '2001:db8::1',
      details: { name: 'Zoë "x"', list: ['a', 'b'], ports: [1, 2], flag: true, count: 7 },
    });
    await note(store, facts(1), full, facts(3, { details: {} }));
    for (let node = 4; node <= 100; node++) await note(store, facts(node, { network: node % 3 }));
    assert.equal(await sealAll(store), 100);
    const entries = await store.auditEntries({ after: 0, limit: 1000 });
    assert.deepEqual(
      entries.map(({ node }) => node),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    const { seq: _, prev: __, hash: ___, ...said } = entries[1]!;
    assert.deepEqual(said, full);
    const verifier = new ChainVerifier(crypto);
    for (const entry of entries) assert.equal(verifier.add(entry), undefined);
    assert.deepEqual(verifier.head, (await store.auditBounds()).head);
  });

  check('pages forwards and backwards, and by network', async (store) => {
    for (let node = 1; node <= 9; node++) await note(store, facts(node, { network: node % 3 }));
    await sealAll(store);
    const seqs = async (query: Parameters<Store['auditEntries']>[0]): Promise<number[]> =>
      (await store.auditEntries(query)).map(({ seq }) => seq);
    assert.deepEqual(await seqs({ after: 3, limit: 2 }), [4, 5]);
    assert.deepEqual(await seqs({ after: 9, limit: 2 }), []);
    assert.deepEqual(await seqs({ after: 0, before: 4, limit: 2 }), [3, 2]);
    assert.deepEqual(await seqs({ after: 0, limit: 9, network: 2 }), [2, 5, 8]);
    assert.deepEqual(await seqs({ after: 2, limit: 9, network: 2 }), [5, 8]);
    assert.deepEqual(await seqs({ after: 0, before: Number.MAX_SAFE_INTEGER, limit: 2, network: 0 }), [9, 6]);
    const [middle] = await store.auditEntries({ after: 4, limit: 1 });
    const [before] = await store.auditEntries({ after: 3, limit: 1 });
    assert.equal(middle!.prev, before!.hash);
  });

  check('drops the oldest entries, and the rest stays a chain from there', async (store) => {
    for (let node = 1; node <= 10; node++) await note(store, facts(node));
    await sealAll(store);
    const all = await store.auditEntries({ after: 0, limit: 10 });
    const start = { seq: 4, hash: all[3]!.hash };
    assert.deepEqual(await store.pruneAudit(9, 4), start);
    assert.equal(await store.pruneAudit(4, 4), undefined);
    const { head } = await store.auditBounds();
    assert.deepEqual(await store.auditBounds(), { start, head });
    assert.deepEqual(await store.auditEntries({ after: 0, limit: 10 }), all.slice(4));
    await note(store, facts(11));
    await sealAll(store);
    const verifier = new ChainVerifier(crypto, { after: start });
    for (const entry of await store.auditEntries({ after: 0, limit: 20 }))
      assert.equal(verifier.add(entry), undefined);
    assert.equal(verifier.count, 7);
  });

  check('chains every record once, however many seal at once', async (store) => {
    await Promise.all(Array.from({ length: 60 }, (_, i) => note(store, facts(i + 1))));
    const counts = await Promise.all(Array.from({ length: 6 }, () => sealAll(store)));
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      60,
    );
    const entries = await store.auditEntries({ after: 0, limit: 100 });
    assert.equal(new Set(entries.map(({ node }) => node)).size, 60);
    const verifier = new ChainVerifier(crypto);
    for (const entry of entries) assert.equal(verifier.add(entry), undefined);
  });
}
