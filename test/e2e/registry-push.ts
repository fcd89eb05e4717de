/**
 * How long it takes from an approval at one instance until the daemon at another is told, with three instances on one
 * PostgreSQL: `node dist/test/e2e/registry-push.js --approvals 4000`.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { crypto, RawClient, random } from './registry-client.testkit.ts';
import { startInstances } from './registry-instances.testkit.ts';

const PAIRS = 6;
const PATIENCE = 10_000;

export interface PushReport {
  readonly approvals: number;
  /** From sending the approval until the push has come, ms. */
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
  /** As above, until the answer to the approval has come. */
  readonly answeredP50: number;
  readonly seconds: number;
}

/** Rejects when somebody is not told. */
export async function measurePush(approvals: number): Promise<PushReport> {
  const startedAt = Date.now();
  const instances = await startInstances(3);
  try {
    const { ports } = instances;
    const samples: { told: number; answered: number }[] = [];
    const run = async (n: number): Promise<void> => {
      const [asks, approves] = [await client(ports[n % 3]!), await client(ports[(n + 1) % 3]!)];
      // The first of each is with cold caches.
      await approval(asks, approves);
      while (samples.length < approvals) samples.push(await approval(asks, approves));
      asks.close();
      approves.close();
    };
    await Promise.all(Array.from({ length: PAIRS }, (_, n) => run(n)));
    const told = samples.map(({ told }) => told).sort((a, b) => a - b);
    const answered = samples.map(({ answered }) => answered).sort((a, b) => a - b);
    return {
      approvals: samples.length,
      p50: rounded(told[Math.floor(told.length / 2)]!),
      p99: rounded(told[Math.floor(told.length * 0.99)]!),
      worst: rounded(told.at(-1)!),
      answeredP50: rounded(answered[Math.floor(answered.length / 2)]!),
      seconds: Math.round((Date.now() - startedAt) / 1000),
    };
  } finally {
    await instances.close();
  }
}

async function client(port: number): Promise<RawClient> {
  const made = await RawClient.connect(port, crypto.signingKey(random.bytes(32)));
  await made.register();
  await made.signed({ type: 'subscribe', node_id: made.node });
  return made;
}

/** One node asks, the other approves, and both take it back. */
async function approval(asks: RawClient, approves: RawClient): Promise<{ told: number; answered: number }> {
  const [from, to] = [asks.node, approves.node];
  await asks.signed({
    type: 'request_handshake',
    from_node_id: from,
    to_node_id: to,
    justification: 'measured',
    message: 'ask',
  });
  const push = new Promise<number>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`node ${from} was not told`)), PATIENCE);
    asks.onPush = ({ event, from: by }) => {
      if (event !== 'handshake_response' || by !== to) return;
      clearTimeout(late);
      resolve(performance.now());
    };
  });
  const began = performance.now();
  await approves.signed({
    type: 'respond_handshake',
    node_id: to,
    peer_id: from,
    accept: true,
    message: 'yes',
  });
  const answered = performance.now() - began;
  const told = (await push) - began;
  // What was pushed is there for whoever looks.
  const inbox = await asks.signed({ type: 'poll_handshakes', node_id: from, ack: 0 });
  assert.equal((inbox.responses as unknown[]).length, 1);
  await asks.signed({ type: 'poll_handshakes', node_id: from, ack: Number(inbox.cursor) });
  await asks.signed({ type: 'revoke_trust', node_id: from, peer_id: to, message: 'no' });
  const revoked = await approves.signed({ type: 'poll_handshakes', node_id: to, ack: 0 });
  await approves.signed({ type: 'poll_handshakes', node_id: to, ack: Number(revoked.cursor) });
  return { told, answered };
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      approvals: { type: 'string', default: '4000' },
      short: { type: 'boolean', default: false },
    },
  });
  const report = await measurePush(values.short ? 200 : Number(values.approvals));
  console.log(JSON.stringify(report, null, 2));
}
