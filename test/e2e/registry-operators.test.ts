/** What an operator does, with the built program: tokens, the audit log and who meddles with it, webhooks. */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Database from 'libsql';
import { nodeCrypto } from '../../src/platform/index.ts';
import { webhookHeaders } from '../../src/wire/webhook-signature.ts';
import { pause } from './children.testkit.ts';
import { freePort, type Node, Sandbox } from './pilotctl.ts';

const PATIENCE = 20_000;
let sandbox: Sandbox;
let server: Node;
let client: Node;
let start: readonly string[];
let files: string;

before(async () => {
  sandbox = await Sandbox.open();
  server = sandbox.node('server');
  client = sandbox.node('client');
  files = join(server.home, '..');
  const [registry, beacon] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  start = ['rendezvous', 'start', '--registry-addr', registry, '--beacon-addr', beacon];
  start = [...start, '--webhooks', 'anywhere'];
  const { fingerprint } = (await server.data(start)) as { fingerprint: string };
  await client.data(['init', '--registry', registry, '--fingerprint', fingerprint]);
});
after(() => sandbox.close());

interface Head {
  readonly head: { readonly seq: number; readonly hash: string };
}

test('a token made on the machine of the registry does its part from elsewhere, until it is revoked', async () => {
  const file = join(files, 'audit.token');
  const args = ['registry', 'token', 'create', 'reader', '--scope', 'audit:read'];
  const made = (await server.data([...args, '--file', file])) as { id: string; token?: string };
  assert.equal(made.token, undefined);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await server.failure([...args, '--file', file])).code, 'already_exists');
  const verified = (await client.data(['registry', 'audit', 'verify', '--token-file', file])) as {
    entries: number;
  };
  // Made; made and taken back because the file was there.
  assert.equal(verified.entries, 3);
  const beyond = await client.failure(['registry', 'token', 'list', '--token-file', file]);
  assert.equal(beyond.code, 'permission_denied');
  assert.match(beyond.message, /no scope tokens:write/);
  await server.data(['registry', 'token', 'revoke', made.id]);
  const revoked = await client.failure(['registry', 'audit', 'head', '--token-file', file]);
  assert.equal(revoked.code, 'permission_denied');
  const { tokens } = (await server.data(['registry', 'token', 'list'])) as {
    tokens: { in_force: boolean }[];
  };
  assert.deepEqual(
    tokens.map(({ in_force }) => in_force),
    [false, false],
  );
  assert.equal((await client.failure(['registry', 'token', 'list'])).code, 'not_running');
});

test('an archive grows by what is new, and shows what was done to it', async () => {
  const archive = join(files, 'audit.jsonl');
  const args = ['registry', 'audit', 'export', '--file', archive];
  const first = (await server.data(args)) as { entries: number } & Head;
  assert.equal(first.entries, first.head.seq);
  await server.data(['registry', 'token', 'create', 'one', '--scope', 'metrics:read']);
  await server.data(['registry', 'token', 'create', 'two', '--scope', 'metrics:read', '--expires', '90d']);
  const second = (await server.data(args)) as { entries: number } & Head;
  assert.deepEqual([second.entries, second.head.seq], [2, first.head.seq + 2]);
  assert.equal(((await server.data(args)) as { entries: number }).entries, 0);
  const printed = await server.run(['registry', 'audit', 'export']);
  assert.equal(printed.stdout, readFileSync(archive, 'utf8'));
  const { seq, hash } = first.head;
  await client.data(['registry', 'audit', 'verify', archive, '--head', `${seq}:${hash}`]);
  const cut = printed.stdout.split('\n').slice(0, seq - 1);
  const cases: [string, string, RegExp][] = [
    ['changed', printed.stdout.replace('"name":"one"', '"name":"won"'), /entry \d+ was changed/],
    ['left out', printed.stdout.replace(/^.*"name":"one".*\n/m, ''), /entries are missing or out of order/],
    ['cut', `${cut.join('\n')}\n`, /ends before entry \d+, whose hash was noted/],
    ['torn', printed.stdout.slice(0, -1), /the last line has no end/],
    ['odd', printed.stdout.replace('{', '{ '), /is no entry \(not_canonical\)/],
  ];
  for (const [what, text, message] of cases) {
    const file = join(files, 'meddled.jsonl');
    writeFileSync(file, text);
    const failure = await client.failure(['registry', 'audit', 'verify', file, '--head', `${seq}:${hash}`]);
    assert.equal(failure.code, 'state_corrupt', what);
    assert.match(failure.message, message, what);
  }
  appendFileSync(archive, 'x');
  assert.equal((await server.failure(args)).code, 'state_corrupt');
});

test('who meddles with the store is found out', async () => {
  const { head } = (await server.data(['registry', 'audit', 'head'])) as Head;
  const meddle = async (...statements: string[]): Promise<void> => {
    await server.data(['rendezvous', 'stop']);
    const db = new Database(join(server.home, 'registry', 'registry.db'));
    for (const statement of statements) db.exec(statement);
    db.close();
    await server.data(start);
  };
  const verify = ['registry', 'audit', 'verify'];
  await server.data([...verify, '--head', `${head.seq}:${head.hash}`]);
  await meddle("UPDATE audit_log SET actor = 'node:9' WHERE seq = 2");
  assert.match((await server.failure(verify)).message, /entry 2 was changed/);
  await meddle("UPDATE audit_log SET actor = 'local' WHERE seq = 2", 'DELETE FROM audit_log WHERE seq = 3');
  assert.match((await server.failure(verify)).message, /missing or out of order before entry 4/);
  await meddle(`DELETE FROM audit_log WHERE seq >= 3`);
  assert.match((await server.failure(verify)).message, /its last entry is 2, and it should end with/);
  // Also the note of the end: then only what was noted elsewhere tells.
  const last = 'SELECT hash FROM audit_log WHERE seq = 2';
  await meddle(`UPDATE audit_state SET head_seq = 2, head_hash = (${last})`);
  await server.data(verify);
  const noted = await server.failure([...verify, '--head', `${head.seq}:${head.hash}`]);
  assert.match(noted.message, /ends before entry \d+, whose hash was noted/);
});

test('a webhook is told, signed, what it listens to, also after a restart', async () => {
  const told: { event: string; valid: boolean; seq: number }[] = [];
  let secret = '';
  const receiver: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const [id, timestamp] = [
        String(request.headers['webhook-id']),
        Number(request.headers['webhook-timestamp']),
      ];
      const expected = webhookHeaders(nodeCrypto(), secret, { id, timestamp, body });
      const valid = expected['webhook-signature'] === request.headers['webhook-signature'];
      const { type, data } = JSON.parse(body) as { type: string; data: { seq: number } };
      told.push({ event: type, valid, seq: data.seq });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
  const arrived = async (count: number): Promise<void> => {
    const until = Date.now() + PATIENCE;
    while (told.length < count && Date.now() < until) await pause(20);
  };
  try {
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/in`;
    const made = (await server.data(['registry', 'webhook', 'add', url, '--events', 'token.*'])) as {
      id: number;
      secret: string;
    };
    secret = made.secret;
    await server.data(['registry', 'token', 'create', 'three', '--scope', 'nodes:read']);
    await server.data(['registry', 'webhook', 'test', String(made.id)]);
    await arrived(2);
    await server.data(['registry', 'webhook', 'change', String(made.id), '--state', 'off']);
    await server.data(['registry', 'token', 'create', 'four', '--scope', 'nodes:read']);
    await server.data(['rendezvous', 'stop']);
    await server.data(start);
    await server.data(['registry', 'webhook', 'change', String(made.id), '--state', 'on']);
    await arrived(3);
    assert.deepEqual(
      told.map(({ event, valid }) => [event, valid]),
      [
        ['token.created', true],
        ['webhook.test', true],
        ['token.created', true],
      ],
    );
    const { webhooks } = (await server.data(['registry', 'webhook', 'list'])) as { webhooks: object[] };
    assert.deepEqual(
      { delivered: 3, waiting: 0, dead: 0 },
      Object.fromEntries(
        ['delivered', 'waiting', 'dead'].map((name) => [
          name,
          (webhooks[0] as Record<string, unknown>)[name],
        ]),
      ),
    );
    await server.data(['registry', 'webhook', 'remove', String(made.id)]);
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }
});
