/** Clients that change things at a registry and know what must be there after it was killed. */
import assert from 'node:assert/strict';
import type { SigningKey } from '../../src/base/crypto.ts';
import { encodeBase64 } from '../../src/wire/base64.ts';
import type { JsonObject } from '../../src/wire/json.ts';
import { crypto, isGone, RawClient, random } from './registry-client.testkit.ts';

export interface Tally {
  registrations: number;
  hostnames: number;
  trust: number;
  heartbeats: number;
  /** Changes that were under way when the registry died: each may have happened or not. */
  unknown: number;
}

export interface Worker {
  /** Connects to a registry that just started and checks that everything acknowledged is there. */
  begin(port: number): Promise<void>;
  /** Changes things until the registry is gone. */
  run(tally: Tally): Promise<void>;
}

export function newKey(): SigningKey {
  return crypto.signingKey(random.bytes(32));
}

/** Runs one change after another; says whether the last one is unknown. */
export async function untilGone(change: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await change();
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
  }
}

/** One node that keeps changing its hostname. */
export function namer(name: string): Worker {
  const key = newKey();
  let client: RawClient;
  let node = 0;
  let acknowledged = '';
  let attempted: string | undefined;
  let count = 0;
  return {
    async begin(port) {
      client = await RawClient.connect(port, key);
      const { node_id, hostname = '' } = await client.register();
      if (node !== 0) assert.equal(node_id, node, `${name}: another id`);
      node = Number(node_id);
      const possible = attempted === undefined ? [acknowledged] : [acknowledged, attempted];
      assert.ok(
        possible.includes(String(hostname)),
        `${name}: hostname is "${String(hostname)}", expected one of ${JSON.stringify(possible)}`,
      );
      acknowledged = String(hostname);
      attempted = undefined;
    },
    run: (tally) =>
      untilGone(async () => {
        attempted = ++count % 7 === 0 ? '' : `${name}-${count}`;
        await client
          .signed({ type: 'set_hostname', node_id: node, hostname: attempted })
          .catch((error: unknown) => {
            tally.unknown++;
            throw error;
          });
        acknowledged = attempted;
        attempted = undefined;
        tally.hostnames++;
      }),
  };
}

/** Makes new nodes, and looks all of them up again. */
export function registrar(name: string): Worker & { verifyAll(port: number): Promise<number> } {
  const made: { id: number; key: SigningKey; hostname: string }[] = [];
  let port = 0;
  let count = 0;
  let attempted: SigningKey | undefined;

  async function verify(from: number): Promise<void> {
    const client = await RawClient.connect(port, newKey());
    for (const { id, key } of made.slice(from)) {
      const public_key = encodeBase64(key.publicKey);
      // Private nodes are told of to whoever knows their key.
      const reply = await client.send({ type: 'lookup', node_id: id, public_key });
      assert.equal(reply.public_key, public_key, `${name}: node ${id} is somebody else`);
    }
    client.close();
    const ids = new Set(made.map(({ id }) => id));
    assert.equal(ids.size, made.length, `${name}: an id was given twice`);
    const last = made.at(-1);
    if (last === undefined) return;
    const owner = await RawClient.connect(port, last.key);
    assert.equal((await owner.register()).hostname, last.hostname, `${name}: hostname of node ${last.id}`);
    owner.close();
  }

  return {
    async begin(newPort) {
      port = newPort;
      await verify(Math.max(0, made.length - 50));
      if (attempted === undefined) return;
      // Whether or not it was made before the kill, the key gets one id and keeps it.
      const client = await RawClient.connect(port, attempted);
      const first = await client.register();
      const again = await client.register();
      assert.equal(again.node_id, first.node_id);
      made.push({ id: Number(first.node_id), key: attempted, hostname: String(first.hostname ?? '') });
      if (made.at(-1)!.hostname === '') made.pop();
      attempted = undefined;
      client.close();
    },
    run: (tally) =>
      untilGone(async () => {
        const key = newKey();
        const hostname = `${name}-${++count}`;
        const client = await RawClient.connect(port, key);
        const { nonce } = await client.send({ type: 'challenge' });
        attempted = key;
        const request: JsonObject = {
          type: 'register',
          listen_addr: '127.0.0.1:4000',
          public_key: encodeBase64(key.publicKey),
          challenge: nonce,
          hostname,
        };
        const reply = await client.signed(request).catch((error: unknown) => {
          tally.unknown++;
          throw error;
        });
        attempted = undefined;
        made.push({ id: Number(reply.node_id), key, hostname });
        tally.registrations++;
        client.close();
      }),
    async verifyAll(newPort) {
      port = newPort;
      await verify(0);
      return made.length;
    },
  };
}

interface Facts {
  readonly trusted: boolean;
  /** Kinds of entries in the inbox of each side. */
  readonly first: string;
  readonly second: string;
}

/** What is true after each step of asking, accepting, revoking and clearing the inboxes; then it starts again. */
const STEPS: readonly Facts[] = [
  { trusted: false, first: '', second: '' },
  { trusted: false, first: '', second: 'request' },
  { trusted: true, first: 'response', second: '' },
  { trusted: false, first: 'response', second: 'revocation' },
  { trusted: false, first: 'response', second: '' },
];

/** Two nodes that trust each other and stop trusting each other, again and again. */
export function couple(name: string): Worker {
  const keys = [newKey(), newKey()] as const;
  let [first, second] = [undefined as unknown as RawClient, undefined as unknown as RawClient];
  let step = 0;
  let underWay = false;
  const cursors = { first: 0, second: 0 };

  async function inbox(client: RawClient): Promise<{ kinds: string; cursor: number }> {
    const reply = await client.signed({ type: 'poll_handshakes', node_id: client.node, ack: 0 });
    const kinds = ['request', 'response', 'revocation'].filter(
      (kind) => (reply[`${kind}s`] as unknown[]).length > 0,
    );
    return { kinds: kinds.join(), cursor: Number(reply.cursor) };
  }
  async function facts(): Promise<Facts> {
    const { trusted } = await first.send({ type: 'check_trust', node_id: first.node, peer_id: second.node });
    const [a, b] = [await inbox(first), await inbox(second)];
    cursors.first = a.cursor;
    cursors.second = b.cursor;
    return { trusted: trusted === true, first: a.kinds, second: b.kinds };
  }
  async function advance(): Promise<void> {
    const [a, b] = [first.node, second.node];
    switch (step) {
      case 0:
        await first.signed({
          type: 'request_handshake',
          from_node_id: a,
          to_node_id: b,
          justification: name,
          message: 'ask',
        });
        break;
      case 1:
        await second.signed({
          type: 'respond_handshake',
          node_id: b,
          peer_id: a,
          accept: true,
          message: 'yes',
        });
        break;
      case 2:
        await first.signed({ type: 'revoke_trust', node_id: a, peer_id: b, message: 'no' });
        break;
      case 3:
        await second.signed({ type: 'poll_handshakes', node_id: b, ack: cursors.second });
        break;
      default:
        await first.signed({ type: 'poll_handshakes', node_id: a, ack: cursors.first });
    }
    step = (step + 1) % STEPS.length;
  }

  return {
    async begin(port) {
      first = await RawClient.connect(port, keys[0]);
      second = await RawClient.connect(port, keys[1]);
      await first.register();
      await second.register();
      const found = JSON.stringify(await facts());
      const next = (step + 1) % STEPS.length;
      const possible = (underWay ? [step, next] : [step]).map((index) => JSON.stringify(STEPS[index]));
      const at = possible.indexOf(found);
      assert.ok(at >= 0, `${name}: found ${found}, expected one of ${possible.join(' ')}`);
      if (at === 1) step = next;
      underWay = false;
    },
    run: (tally) =>
      untilGone(async () => {
        // Acknowledging needs the cursors, which are read before the change is counted as under way.
        if (step >= 3) await facts();
        underWay = true;
        await advance().catch((error: unknown) => {
          tally.unknown++;
          throw error;
        });
        underWay = false;
        tally.trust++;
      }),
  };
}

/** Heartbeats under way at once on one connection. */
const BEATS_AT_ONCE = 4;

/** A node that says again and again that it is there. */
export function heart(name: string): Worker & { node(): number; lastAnswered(): number } {
  const key = newKey();
  let client: RawClient;
  let node = 0;
  let answered = 0;
  return {
    async begin(port) {
      client = await RawClient.connect(port, key);
      const { node_id } = await client.register();
      if (node !== 0) assert.equal(node_id, node, `${name}: another id`);
      node = Number(node_id);
    },
    async run(tally) {
      const beat = (): Promise<void> =>
        untilGone(async () => {
          const sent = Date.now();
          await client.send({ type: 'heartbeat', node_id: node });
          answered = Math.max(answered, sent);
          tally.heartbeats++;
        });
      await Promise.all(Array.from({ length: BEATS_AT_ONCE }, beat));
    },
    node: () => node,
    lastAnswered: () => answered,
  };
}
