/** Scopes, lifetimes, narrowing, revocation and certificates between real daemons, as a person uses them. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Conn } from '../../src/api/stream.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../../src/platform/index.ts';
import { PilotClient, type TrustedRow } from '../../src/sdk/index.ts';
import { eventually, type Node, Sandbox } from './pilotctl.ts';

const OPEN_PORT = 5001;
const CLOSED_PORT = 5002;

let sandbox: Sandbox;
let a: Node;
let b: Node;
/** Never runs a daemon. */
let judge: Node;
let fromA: PilotClient;
let fromB: PilotClient;
const arrived: { port: number; conn: Conn }[] = [];
const files: Record<string, string> = {};

function clientOf(node: Node): Promise<PilotClient> {
  const socketPath = join(node.home, 'pilot.sock');
  return PilotClient.connect({ net: nodeNet(), clock: nodeClock(), crypto: nodeCrypto(), socketPath });
}

async function take(client: PilotClient, port: number): Promise<void> {
  const listener = await client.listen(port);
  void (async () => {
    for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept())
      arrived.push({ port, conn });
  })().catch(() => {});
}

async function trustedRow(client: PilotClient): Promise<TrustedRow> {
  const trusted = await client.trusted();
  assert.equal(trusted.length, 1);
  return trusted[0]!;
}

/** Reads until the stream is over; how it ended, and when. */
/** Far less than silence takes to be noticed. How fast it really is, `npm run trust-latency` says. */
const SOON = 10_000;

async function ending(conn: Conn): Promise<{ how: string; at: number }> {
  try {
    while ((await conn.read()) !== undefined);
    return { how: 'finished', at: Date.now() };
  } catch (error) {
    return { how: (error as { code: string }).code, at: Date.now() };
  }
}

before(async () => {
  sandbox = await Sandbox.open();
  [a, b, judge] = [sandbox.node('a'), sandbox.node('b'), sandbox.node('judge')];
  await a.data(['daemon', 'start', '--hostname', 'node-a']);
  await b.data(['daemon', 'start', '--hostname', 'node-b']);
  [fromA, fromB] = await Promise.all([clientOf(a), clientOf(b)]);
  await take(fromB, OPEN_PORT);
  await take(fromB, CLOSED_PORT);
});
after(async () => {
  fromA?.close();
  fromB?.close();
  await sandbox.close();
});

describe('a scoped trust', () => {
  test('is what was asked and what was approved', async () => {
    const asked = ['handshake', 'node-b', '--ports', `7,messages,${OPEN_PORT}`, '--expires', '1h'];
    await a.text([...asked, '--reason', 'index run']);
    await eventually(async () => assert.equal((await fromB.pending()).length, 1));
    assert.match(await b.text(['pending']), /7,1001,5001 .* new /);
    const approved = await b.text(['approve', 'node-a', '--ports', `echo,${OPEN_PORT}`]);
    assert.match(approved, /gives 7 \(echo\), 5001; gets 7 \(echo\), 5001; ends in (59m|1h)/);
    await eventually(async () => {
      for (const client of [fromA, fromB]) {
        const row = await trustedRow(client);
        assert.deepEqual([row.gives, row.gets], [{ ports: '7,5001' }, { ports: '7,5001' }]);
        assert.equal(row.kind, 'certificate');
        assert.equal(row.serial, 1);
      }
    });
    assert.equal((await trustedRow(fromB)).approved_by, 'user');
    const shown = await fromA.trust.show('node-b');
    assert.equal(shown.signatures, 'valid, both sides');
    assert.equal(shown.reason, 'index run');
    assert.match(await b.text(['trust', 'show', 'node-a']), /Expires: +.*, in (59m|1h)/);
  });

  test('lets the granted port through, both ways', async () => {
    for (const [client, to] of [
      [fromA, 'node-b'],
      [fromB, 'node-a'],
    ] as const) {
      const conn = await client.dial(to, 7);
      await conn.write(new Uint8Array([1, 2, 3]));
      assert.deepEqual([...((await conn.read()) ?? [])], [1, 2, 3]);
      conn.abort();
    }
  });

  test('refuses another port at once at the dialer, and nothing of it arrives', async () => {
    const began = Date.now();
    await assert.rejects(fromA.dial('node-b', CLOSED_PORT), { code: 'scope_denied' });
    assert.ok(Date.now() - began < SOON);
    const denied = await a.failure(['send', 'node-b', String(CLOSED_PORT), '--data', 'x']);
    assert.equal(denied.code, 'scope_denied');
    assert.match(denied.hint, /pilotctl trust show 2.*pilotctl handshake 2 --get 5002/);
    assert.equal(arrived.filter(({ port }) => port === CLOSED_PORT).length, 0);
  });

  test('narrows at once, without the peer’s approval, and ends streams outside of it', async () => {
    const conn = await fromA.dial('node-b', OPEN_PORT);
    await conn.write(new Uint8Array([1]));
    const over = ending(conn);
    const began = Date.now();
    const narrowed = await b.text(['approve', 'node-a', '--give', '7']);
    assert.match(narrowed, /narrowed the trust in node 1; the peer need not approve/);
    assert.match(narrowed, /gives: 7 \(echo\), 5001 -> 7 \(echo\)/);
    assert.notEqual((await over).how, 'finished');
    assert.ok((await over).at - began < SOON);
    await eventually(async () => {
      const row = await trustedRow(fromA);
      assert.deepEqual([row.gets, row.gives], [{ ports: '7' }, { ports: '7,5001' }]);
      assert.equal(row.serial, 2);
    });
    await assert.rejects(fromA.dial('node-b', OPEN_PORT), { code: 'scope_denied' });
  });

  test('waits for the peer when more is wanted, and goes on meanwhile', async () => {
    assert.match(await a.text(['handshake', 'node-b', '--get', `7,${OPEN_PORT}`]), /asked node 2 for other/);
    await eventually(async () => assert.equal((await fromB.pending()).length, 1));
    assert.match(await b.text(['pending']), / change .*\n.*would change gives/);
    await assert.rejects(fromA.dial('node-b', OPEN_PORT), { code: 'scope_denied' });
    await fromB.approve('node-a');
    await eventually(async () => (await fromA.dial('node-b', OPEN_PORT)).abort());
  });
});

describe('a certificate', () => {
  test('is checked by a machine without daemon or network', async () => {
    files.good = join(sandbox.root, 'a-b.trust');
    const exported = await a.text(['trust', 'export', 'node-b', '--file', files.good]);
    assert.match(exported, /wrote the certificate with node 2 \(serial 3\)/);
    assert.equal((await b.run(['trust', 'export', 'node-a'])).stdout, readFileSync(files.good, 'utf8'));
    mkdirSync(judge.home, { recursive: true });
    const verified = await judge.data(['trust', 'verify', files.good, '--from', '1', '--port', '5001']);
    assert.equal(verified.valid, true);
    const { own_fingerprint } = await fromA.trust.show('node-b');
    const known = ['trust', 'verify', files.good, '--key', `1=${own_fingerprint}`];
    assert.match(await judge.text(known), /valid, signed by both/);
  });

  test('is refused with the reason for another port, time, key or content', async () => {
    const refused = async (...args: string[]): Promise<{ code: string; message: string }> => {
      const { code, message, exit } = await judge.failure(['trust', 'verify', ...args]);
      assert.equal(exit, 1);
      return { code, message };
    };
    const good = files.good!;
    assert.deepEqual(await refused(good, '--from', '1', '--port', '80'), {
      code: 'scope_denied',
      message: 'The certificate does not let node 1 reach port 80 of node 2: it grants ports 7,5001',
    });
    assert.equal((await refused(good, '--at', '2099-01-01')).code, 'certificate_expired');
    assert.match((await refused(good, '--at', '2001-01-01')).message, /not valid yet/);
    assert.match((await refused(good, '--key', '1=aaaaaaaaaaaaaaaa')).message, /another key/);
    const text = readFileSync(good, 'utf8');
    const flipped = join(sandbox.root, 'flipped.trust');
    writeFileSync(flipped, text.replace('"ports":"7,5001"', '"ports":"7,5003"'));
    assert.equal((await refused(flipped)).code, 'certificate_invalid');
  });
});

describe('untrust', () => {
  test('ends a flowing stream at once on both sides, and is proven by a revocation', async () => {
    const conn = await fromA.dial('node-b', OPEN_PORT);
    await conn.write(new Uint8Array(100));
    const { conn: incoming } = await eventually(async () => {
      const found = arrived.findLast(({ port }) => port === OPEN_PORT);
      assert.ok(found);
      assert.ok(await found.conn.read());
      return found;
    });
    const overs = [ending(conn), ending(incoming)];
    const flow = (async () => {
      for (;;) await conn.write(new Uint8Array(1000));
    })();
    flow.catch(() => {});
    const began = Date.now();
    await fromB.untrust('node-a', 'laptop lost');
    for (const over of overs) assert.ok((await over).at - began < SOON);
    await assert.rejects(flow);
    await eventually(async () => assert.equal((await fromA.trusted()).length, 0));
    // While its place is still known, it just does not answer.
    await assert.rejects(fromA.dial('2', 7, { timeout: 1_000 }), /no mutual trust|private/);
    const revoked = join(sandbox.root, 'revoked.json');
    assert.match(await a.text(['trust', 'revocations', '--file', revoked]), /wrote [1-9]/);
    const refused = await judge.failure(['trust', 'verify', files.good!, '--revocations', revoked]);
    assert.equal(refused.code, 'certificate_revoked');
    assert.match(readFileSync(revoked, 'utf8'), /laptop lost/);
  });
});

describe('a trust of some seconds', () => {
  test('ends by itself, with its streams', async () => {
    await fromB.handshake('node-a', '', { terms: { lifetime: 4 } });
    await eventually(async () => assert.equal((await fromA.pending()).length, 1));
    await fromA.approve('node-b');
    const { expires_at } = await trustedRow(fromA);
    const conn = await eventually(() => fromA.dial('node-b', OPEN_PORT));
    const { at } = await ending(conn);
    const end = expires_at! * 1000;
    assert.ok(at >= end - 1_000 && at < end + 2_000, `ended ${at - end} ms after its time`);
    await eventually(async () => {
      for (const client of [fromA, fromB]) assert.equal((await client.trusted()).length, 0);
    });
    await eventually(async () => assert.match(a.log, /trust\.expired/));
  });
});
