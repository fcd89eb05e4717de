/**
 * What the audit log costs on the embedded store: changes with and without a record, chaining, reading and verifying,
 * bytes of an entry, and events told to a webhook at a receiver in the same process.
 * Run: npm run registry-audit -- [--changes 50000] [--events 5000] [--short]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { httpPost, nodeClock, nodeCrypto, nodeRandom } from '../../src/platform/index.ts';
import { openEmbeddedStore, type Store, WebhookRunner } from '../../src/registry/index.ts';
import { type AuditFacts, auditHash, ChainVerifier } from '../../src/wire/audit-entry.ts';
import { encodeWebhookSecret } from '../../src/wire/webhook-signature.ts';
import { table } from '../measure.ts';
import { flag, number } from '../options.ts';

const short = flag('short');
const changes = number('changes', short ? 500 : 50_000);
const events = number('events', short ? 100 : 5000);
/** Changes under way at once: those of one turn share a sync. */
const AT_ONCE = 200;
const BATCH = 256;
const PAGE = 500;

const [clock, random, crypto] = [nodeClock(), nodeRandom(), nodeCrypto()];
const log = { event() {} };
const directory = mkdtempSync(join(tmpdir(), 'pilot-audit-'));
try {
  await main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const bare = await filled('bare.db', (store, n) => store.register(registration(n)));
  const audited = await filled('audited.db', (store, n) =>
    store.audited(
      (changing) => changing.register(registration(n)),
      ({ kind }) => (kind === 'created' ? [facts(n)] : []),
    ),
  );
  const store = await open('audited.db');
  const sealing = await timed(async () => {
    while ((await store.sealAudit(BATCH, (seq, said, prev) => auditHash(crypto, seq, said, prev))) > 0);
  });
  const verifier = new ChainVerifier(crypto);
  const verifying = await timed(async () => {
    for (let after = 0; ; ) {
      const entries = await store.auditEntries({ after, limit: PAGE });
      for (const entry of entries) if (verifier.add(entry) !== undefined) throw new Error('not a chain');
      if (entries.length === 0) break;
      after = entries.at(-1)!.seq;
    }
  });
  if (verifier.count !== changes) throw new Error(`${verifier.count} entries of ${changes}`);
  const telling = await webhooks(store);
  await store.close();
  const entryBytes = (statSync(join(directory, 'audited.db')).size - bare.bytes) / changes;
  const row = (what: string, count: number, { seconds, processor }: Cost): string[] => [
    what,
    (count / seconds).toFixed(0),
    ((processor / count) * 1e6).toFixed(0),
  ];
  table([
    ['', 'per second', 'processor time of one, us'],
    row('registrations without a record', changes, bare),
    row('registrations with a record', changes, audited),
    row('records chained', changes, sealing),
    row('entries read and verified', changes, verifying),
    row('events told to one webhook, signed, each noted', events, telling),
  ]);
  console.log(
    `${changes} registrations, ${AT_ONCE} at once; an entry takes ${entryBytes.toFixed(0)} bytes on disk; ${events} events`,
  );
}

function open(name: string): Promise<Store> {
  return openEmbeddedStore({ path: join(directory, name), clock, log });
}

function registration(n: number): Parameters<Store['register']>[0] {
  const publicKey = new Uint8Array(32);
  new DataView(publicKey.buffer).setUint32(0, n);
  return {
    publicKey,
    proven: true,
    owner: '',
    endpoint: '203.0.113.1:4000',
    lan: [],
    beacons: [],
    version: '',
    relayOnly: false,
    hostname: undefined,
    release: { unprovenSeenBefore: 0, anySeenBefore: 0 },
    maxNodes: 1e9,
    at: clock.wallNow(),
  };
}

function facts(n: number): AuditFacts {
  const at = clock.wallNow();
  const [by, source] = [`node:${n}`, '198.51.100.7'];
  return { at, action: 'node.registered', by, node: n, source, details: { proven: true } };
}

/** What some work took. Processor time is of this whole process, and says more on a machine that is busy otherwise. */
interface Cost {
  readonly seconds: number;
  readonly processor: number;
}

async function timed(work: () => Promise<void>): Promise<Cost> {
  const [began, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - began) / 1000, processor: (user + system) / 1e6 };
}

async function filled(
  name: string,
  change: (store: Store, n: number) => Promise<unknown>,
): Promise<Cost & { readonly bytes: number }> {
  const store = await open(name);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < changes) await change(store, ++next);
  };
  const cost = await timed(async () => {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  });
  await store.close();
  return { ...cost, bytes: statSync(join(directory, name)).size };
}

/** Until the last of so many events has arrived. */
async function webhooks(store: Store): Promise<Cost> {
  let arrived = 0;
  let done = (): void => {};
  const receiver = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(204).end();
      if (++arrived === events) done();
    });
  });
  await new Promise<void>((ready) => receiver.listen(0, '127.0.0.1', ready));
  const { head } = await store.auditBounds();
  await store.addWebhook(
    {
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
      secret: encodeWebhookSecret(random.bytes(32)),
      events: ['*'],
      createdAt: clock.wallNow(),
      cursor: head.seq - Math.min(events, head.seq),
    },
    32,
  );
  const cost = await timed(async () => {
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    const runner = new WebhookRunner({
      store,
      clock,
      random,
      crypto,
      log,
      post: httpPost(),
      reach: 'anywhere',
    });
    await all;
    await runner.close();
  });
  receiver.close();
  receiver.closeAllConnections();
  return cost;
}
