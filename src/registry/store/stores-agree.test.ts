import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { startPostgres } from '../../../test/postgres.ts';
import { nodeClock } from '../../platform/index.ts';
import { openEmbeddedStore } from './embedded.ts';
import { certified, key, registration, request, response, revocation, T0 } from './fixtures.testkit.ts';
import { memoryStore } from './memory.ts';
import { everythingOfNetworks, networkSteps } from './networks-agree.testkit.ts';
import { openPostgresStore } from './postgres.ts';
import type { Store } from './store.ts';

const directory = mkdtempSync(join(tmpdir(), 'pilot-stores-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const clock = nodeClock();
const log = { event() {} };

type Step = { readonly name: string; readonly run: (store: Store) => Promise<unknown> };

const node = fc.integer({ min: 0, max: 6 });
const at = fc.integer({ min: T0 - 2000, max: T0 + 2000 });
const serial = fc.integer({ min: 1, max: 4 });
const hostname = fc.constantFrom('', 'alpha', 'beta', 'gamma');
const release = fc.record({
  unprovenSeenBefore: fc.constantFrom(0, T0),
  anySeenBefore: fc.constantFrom(0, T0),
});
const text = fc.constantFrom('', 'x', 'naïve "quoted" 💥', 'a\0b\u{e000}0', 'a'.repeat(300));

function step<T>(
  name: string,
  input: fc.Arbitrary<T>,
  run: (store: Store, value: T) => Promise<unknown>,
): fc.Arbitrary<Step> {
  return input.map((value) => ({
    name: `${name} ${JSON.stringify(value)}`,
    run: (store) => run(store, value),
  }));
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: step(
        'register',
        fc.record({
          n: node,
          proven: fc.boolean(),
          hostname: fc.option(hostname, { nil: undefined }),
          owner: text,
          version: text,
          lan: fc.array(text, { maxLength: 3 }),
          beacons: fc.array(text, { maxLength: 2 }),
          relayOnly: fc.boolean(),
          release,
          maxNodes: fc.constantFrom(3, 100),
          at,
        }),
        (store, { n, ...changes }) => store.register(registration(n, changes)),
      ),
    },
    step(
      'patchNode',
      fc.record({
        id: node,
        patch: fc.record(
          {
            public: fc.boolean(),
            tags: fc.array(text, { maxLength: 3 }),
            taskExec: fc.boolean(),
            poloScore: fc.integer({ min: -9, max: 9 }),
            keyExpiresAt: fc.option(at, { nil: null }),
          },
          { requiredKeys: [] },
        ),
        at,
      }),
      (store, { id, patch, at }) => store.patchNode(id, patch, at),
    ),
    step('setHostname', fc.record({ id: node, hostname, release }), (store, { id, hostname, release }) =>
      store.setHostname(id, hostname, release),
    ),
    step(
      'rotateKey',
      fc.record({ id: node, n: node, at, document: fc.constantFrom('', 'a', 'b') }),
      (store, { id, n, at, document }) => store.rotateKey(id, key(n), at, document),
    ),
    step(
      'publishRecord',
      fc.record({
        id: node,
        record: fc.record({
          sequence: fc.integer({ min: 0, max: 5 }),
          document: text,
          terms: fc.array(fc.constantFrom('service:x', 'word:y', 'tag:x')),
        }),
      }),
      (store, { id, record }) => store.publishRecord(id, record),
    ),
    {
      weight: 2,
      arbitrary: step(
        'certifyTrust',
        fc.record({ a: node, b: node, serial, notAfter: fc.option(at, { nil: undefined }), text }),
        (store, { a, b, serial, ...changes }) => store.certifyTrust(certified(a, b, serial, changes)),
      ),
    },
    step('deregister', node, (store, id) => store.deregister(id)),
    step('touch', fc.record({ id: node, at }), async (store, { id, at }) => store.touch(id, at)),
    {
      weight: 3,
      arbitrary: step('reportTrust', fc.record({ from: node, peer: node, at }), (store, { from, peer, at }) =>
        store.reportTrust(from, peer, at, T0 - 1000),
      ),
    },
    {
      weight: 2,
      arbitrary: step(
        'revokeTrust',
        fc.record({
          from: node,
          peer: node,
          deliver: fc.boolean(),
          message: text,
          at,
          document: fc.option(fc.record({ serial, text: fc.constantFrom('revoked', 'revoked again') }), {
            nil: undefined,
          }),
        }),
        (store, { from, peer, document, ...changes }) =>
          store.revokeTrust(revocation(from, peer, { ...changes, ...(document && { document }) })),
      ),
    },
    {
      weight: 3,
      arbitrary: step(
        'requestHandshake',
        fc.record({
          from: node,
          to: node,
          replace: fc.boolean(),
          quiet: fc.boolean(),
          source: fc.constantFrom('a', 'b'),
          justification: text,
          message: text,
          at,
        }),
        (store, { from, to, ...changes }) => store.requestHandshake(request(from, to, changes)),
      ),
    },
    {
      weight: 3,
      arbitrary: step(
        'respondHandshake',
        fc.record({
          from: node,
          to: node,
          accept: fc.boolean(),
          deliverUnasked: fc.boolean(),
          message: text,
          at,
        }),
        (store, { from, to, ...changes }) => store.respondHandshake(response(from, to, changes)),
      ),
    },
    step('takeInbox', node, (store, id) => store.takeInbox(id)),
    step(
      'pollInbox',
      fc.record({ id: node, ack: fc.integer({ min: 0, max: 30 }), limit: fc.integer({ min: 1, max: 5 }) }),
      (store, { id, ack, limit }) => store.pollInbox(id, ack, limit),
    ),
    ...networkSteps,
  ),
  { maxLength: 60 },
);

async function everything(store: Store): Promise<unknown> {
  const ids = [0, 1, 2, 3, 4, 5, 6];
  const nodes = await store.listNodes(0, 100);
  const pairs = await Promise.all(ids.flatMap((a) => ids.map((b) => store.trustProof(a, b))));
  const documents = await Promise.all(ids.map((id) => store.nodeDocuments(id)));
  const certificates = await Promise.all(ids.flatMap((a) => ids.map((b) => store.trustDocuments(a, b))));
  const found = await Promise.all(
    ['', 'tag:x', 'service:x', 'word:y', 'word:alpha'].map((term) => store.findNodes(term, 0, 100)),
  );
  const retired = await Promise.all(ids.map((n) => store.nodeByRetiredKey(key(n))));
  const inboxes = await Promise.all(ids.map((id) => store.pollInbox(id, 0, 100)));
  const peers = await Promise.all(ids.map((id) => store.trustPeers(id, 100, T0)));
  const named = await Promise.all(['alpha', 'beta', 'gamma'].map((name) => store.nodeByHostname(name)));
  const networks = await everythingOfNetworks(store);
  const trust = await store.listTrust({ low: 0, high: 0 }, 100, T0);
  const allNetworks = await store.allNetworks(0, 100);
  return {
    nodes,
    documents,
    certificates,
    found,
    retired,
    pairs,
    inboxes,
    peers,
    named,
    networks,
    trust,
    allNetworks,
    counts: await store.counts(),
  };
}

test('both stores give equal answers to any sequence of operations, also across restarts', async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 0, max: 60 }), async (sequence, restartAt) => {
      const path = join(directory, `${++count}.db`);
      const memory = memoryStore();
      let embedded = await openEmbeddedStore({ path, clock, log });
      try {
        for (const [index, { name, run }] of sequence.entries()) {
          if (index === restartAt) {
            await embedded.close();
            embedded = await openEmbeddedStore({ path, clock, log });
          }
          const [expected, actual] = [await run(memory), await run(embedded)];
          assert.deepEqual(actual, expected, `step ${index}: ${name}`);
        }
        assert.deepEqual(await everything(embedded), await everything(memory));
      } finally {
        await embedded.close();
        rmSync(path, { force: true });
      }
    }),
    { numRuns: 100 },
  );
});

test('and so does PostgreSQL, with two processes taking turns', async () => {
  const server = await startPostgres();
  let count = 0;
  try {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const url = server.url(`agree_${++count}`);
        const options = { url, clock, log, random: () => 0.5 };
        const memory = memoryStore();
        const both = [await openPostgresStore(options), await openPostgresStore(options)] as const;
        try {
          for (const [index, { name, run }] of sequence.entries()) {
            const store = both[index % 2]!;
            const [expected, actual] = [await run(memory), await run(store)];
            assert.deepEqual(actual, expected, `step ${index}: ${name}`);
            // Otherwise what one has heard of a node reaches the other only some seconds later.
            await store.onlineCount(0);
          }
          assert.deepEqual(await everything(both[1]), await everything(memory));
        } finally {
          await Promise.all(both.map((store) => store.close()));
        }
      }),
      { numRuns: 25 },
    );
  } finally {
    await server.close();
  }
});
