import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PilotError } from '../../api/errors.ts';
import type { HttpPost } from '../../runtime/ports.ts';
import { webhookHeaders } from '../../wire/webhook-signature.ts';
import {
  crypto,
  identity,
  log,
  type Reply,
  random,
  settle,
  type TestRegistry,
  testRegistry,
} from '../registry.testkit.ts';
import { WebhookRunner } from './runner.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Posted {
  readonly url: string;
  readonly id: string;
  readonly event: string;
  readonly seq: number;
  readonly valid: boolean;
}

type Answer = { status: number; retryAfter?: string } | 'down' | 'hang';

/** Receivers by host: what they answer, and what they were sent. */
class Receivers {
  readonly posted: Posted[] = [];
  readonly answers = new Map<string, Answer>();
  readonly secrets = new Map<string, string>();
  readonly hanging: (() => void)[] = [];

  readonly post: HttpPost = async (url, { headers, body }) => {
    const { host } = new URL(url);
    const answer = this.answers.get(host) ?? { status: 204 };
    const { type, data } = JSON.parse(body) as { type: string; data: { seq: number } };
    const [id, timestamp] = [headers['webhook-id']!, Number(headers['webhook-timestamp'])];
    const expected = webhookHeaders(crypto, this.secrets.get(host)!, { id, timestamp, body });
    const valid = expected['webhook-signature'] === headers['webhook-signature'];
    this.posted.push({ url, id, event: type, seq: data.seq, valid });
    if (answer === 'hang') await new Promise<void>((resolve) => this.hanging.push(resolve));
    if (answer === 'down' || answer === 'hang')
      throw new PilotError('connection_failed', `Cannot reach ${host}`);
    return { status: answer.status, retryAfter: answer.retryAfter ?? '' };
  };
  events(host: string): string[] {
    return this.posted.filter(({ url }) => new URL(url).host === host).map(({ event }) => event);
  }
  seqs(host: string): number[] {
    return this.posted.filter(({ url }) => new URL(url).host === host).map(({ seq }) => seq);
  }
}

interface World {
  readonly registry: TestRegistry;
  readonly receivers: Receivers;
  readonly runners: WebhookRunner[];
  ask(type: string, fields?: object): Promise<Reply>;
  /** Adds a webhook; its id. */
  add(host: string, events?: string[]): Promise<number>;
  /** Something that is told. */
  change(): Promise<void>;
  /** Another instance over the same store. */
  another(): void;
  stop(): Promise<void>;
}

async function world(): Promise<World> {
  const registry = testRegistry({ adminToken: 'operator' });
  const receivers = new Receivers();
  const connection = registry.connect();
  const node = await connection.registerProven(identity(1));
  let visible = false;
  const runners: WebhookRunner[] = [];
  const another = (): void => {
    const { store, clock } = registry;
    const runner = new WebhookRunner({
      store,
      clock,
      random,
      crypto,
      log,
      post: receivers.post,
      reach: 'public',
    });
    runners.push(runner);
    registry.service.sealer.onSealed = () => runners[0]!.wake();
  };
  another();
  const ask = async (type: string, fields: object = {}): Promise<Reply> => {
    const reply = await connection.send({ type, admin_token: 'operator', request_id: 1, ...fields });
    assert.equal(reply.type, `${type}_ok`, JSON.stringify(reply));
    return reply;
  };
  return {
    registry,
    receivers,
    runners,
    ask,
    another,
    async add(host, events = ['*']) {
      const reply = await ask('webhook_create', { url: `https://${host}/in`, events });
      receivers.secrets.set(host, String(reply.secret));
      return Number(reply.id);
    },
    async change() {
      visible = !visible;
      await connection.signed(identity(1), { type: 'set_visibility', node_id: node, public: visible });
    },
    async stop() {
      for (const runner of runners) await runner.close();
    },
  };
}

test('tells what happens from then on, in order, signed, once', async () => {
  const { registry, receivers, add, change, stop } = await world();
  await add('a.test');
  for (let n = 0; n < 3; n++) await change();
  await registry.clock.advance(2000);
  assert.deepEqual(receivers.events('a.test'), [
    'webhook.created',
    'visibility.changed',
    'visibility.changed',
    'visibility.changed',
  ]);
  assert.ok(receivers.posted.every(({ valid }) => valid));
  assert.equal(new Set(receivers.posted.map(({ id }) => id)).size, 4);
  await registry.clock.advance(10 * MINUTE);
  assert.equal(receivers.posted.length, 4);
  await stop();
});

test('tells a webhook what it listens to: an action, a family, everything', async () => {
  const { registry, receivers, add, change, ask, stop } = await world();
  await add('one.test', ['visibility.changed']);
  await add('family.test', ['webhook.*', 'token.*']);
  const id = await add('none.test', ['network.deleted']);
  await change();
  await ask('token_create', { name: 'x', scopes: ['audit:read'] });
  await ask('webhook_test', { id });
  await registry.clock.advance(2000);
  assert.deepEqual(receivers.events('one.test'), ['visibility.changed']);
  assert.deepEqual(receivers.events('family.test'), ['webhook.created', 'webhook.created', 'token.created']);
  assert.deepEqual(receivers.events('none.test'), ['webhook.test']);
  await stop();
});

test('tries again after growing delays, then gives up and keeps a dead letter that can be sent again', async () => {
  const { registry, receivers, add, ask, stop } = await world();
  receivers.answers.set('a.test', { status: 500 });
  const id = await add('a.test');
  const times: number[] = [];
  for (let at = 0, count = 0; at < 30 * 60; at++) {
    await registry.clock.advance(MINUTE);
    for (; count < receivers.posted.length; count++) times.push(at);
  }
  assert.equal(receivers.posted.length, 24);
  assert.ok(times[1]! <= 1 && times[5]! >= 30 && times[23]! > 15 * 60 && times[23]! < 25 * 60, String(times));
  const dead = await ask('webhook_dead', { id });
  const [letter] = dead.letters as { seq: number; error: string; body: string }[];
  assert.deepEqual([dead.count, letter!.error], [1, 'HTTP status 500']);
  receivers.answers.delete('a.test');
  assert.equal((await ask('webhook_redeliver', { id })).count, 1);
  await registry.clock.advance(1000);
  assert.equal(receivers.seqs('a.test').at(-1), letter!.seq);
  const [listed] = (await ask('webhook_list')).webhooks as Reply[];
  assert.deepEqual([listed!.dead, listed!.waiting, listed!.delivered], [0, 0, 1]);
  await stop();
});

test('while a receiver fails only one delivery is tried, and all follow when it is back', async () => {
  const { registry, receivers, add, change, stop } = await world();
  await add('a.test');
  await registry.clock.advance(1000);
  receivers.answers.set('a.test', 'down');
  await change();
  await registry.clock.advance(1000);
  for (let n = 0; n < 100; n++) await change();
  const before = receivers.posted.length;
  await registry.clock.advance(9 * MINUTE);
  assert.ok(receivers.posted.length - before <= 4, String(receivers.posted.length - before));
  receivers.answers.delete('a.test');
  await registry.clock.advance(HOUR);
  const delivered = receivers.seqs('a.test');
  assert.equal(new Set(delivered).size, 102);
  assert.deepEqual(
    [...new Set(delivered)].sort((a, b) => a - b),
    [...new Set(delivered)],
    'in order',
  );
  await stop();
});

test('waits as long as a receiver asks, and stops where it says that it is gone', async () => {
  const { registry, receivers, add, ask, stop } = await world();
  receivers.answers.set('busy.test', { status: 429, retryAfter: '600' });
  receivers.answers.set('gone.test', { status: 410 });
  await add('busy.test', ['webhook.created']);
  await registry.clock.advance(500);
  const gone = await add('gone.test', ['webhook.*']);
  await registry.clock.advance(9 * MINUTE);
  assert.equal(receivers.seqs('busy.test').length, 1);
  assert.equal(receivers.seqs('gone.test').length, 1);
  await registry.clock.advance(2 * MINUTE);
  assert.equal(receivers.seqs('busy.test').length, 2);
  const list = (await ask('webhook_list')).webhooks as Reply[];
  assert.deepEqual(list.find(({ id }) => id === gone)!.enabled, false);
  await ask('webhook_update', { id: gone, enabled: true });
  receivers.answers.delete('gone.test');
  await registry.clock.advance(1000);
  assert.deepEqual(receivers.events('gone.test').slice(1), [
    'webhook.created',
    'webhook.changed',
    'webhook.changed',
  ]);
  await stop();
});

test('a receiver that hangs holds up no other, and is waited for at the end', async () => {
  const { registry, receivers, runners, add, change, stop } = await world();
  receivers.answers.set('slow.test', 'hang');
  await add('slow.test');
  await add('quick.test', ['visibility.changed']);
  for (let n = 0; n < 5; n++) await change();
  await registry.clock.advance(2000);
  assert.equal(receivers.seqs('quick.test').length, 5);
  let closed = false;
  const closing = runners[0]!.close().then(() => {
    closed = true;
  });
  await settle();
  assert.equal(closed, false);
  while (receivers.hanging.length > 0) {
    for (const release of receivers.hanging.splice(0)) release();
    await settle();
  }
  await closing;
  await stop();
});

test('of several instances one delivers, also when the one that did is gone', async () => {
  const { registry, receivers, runners, add, another, change, stop } = await world();
  another();
  another();
  await add('a.test', ['visibility.changed']);
  for (let n = 0; n < 40; n++) {
    await change();
    await registry.clock.advance(100);
    for (const runner of runners) runner.wake();
  }
  await registry.clock.advance(3000);
  assert.equal(receivers.posted.length, 40);
  await runners[0]!.close();
  for (let n = 0; n < 10; n++) await change();
  await registry.clock.advance(5000);
  assert.equal(new Set(receivers.seqs('a.test')).size, 50);
  assert.equal(receivers.posted.length, 50);
  await stop();
});

test('an instance that died while it delivered is followed by another after its lease', async () => {
  const { registry, receivers, add, another, runners, change, stop } = await world();
  await add('a.test', ['visibility.changed']);
  await registry.clock.advance(1000);
  receivers.answers.set('a.test', 'hang');
  await change();
  await registry.clock.advance(1000);
  assert.equal(receivers.posted.length, 1);
  // It hangs for ever, as a process that is stopped does.
  receivers.answers.delete('a.test');
  another();
  await registry.clock.advance(MINUTE);
  assert.equal(receivers.posted.length, 1);
  await registry.clock.advance(2 * MINUTE);
  assert.deepEqual(new Set(receivers.posted.map(({ id }) => id)).size, 1);
  assert.equal(receivers.posted.length, 2);
  for (const release of receivers.hanging) release();
  await settle();
  // What the first one did counts no more: the delivery was settled by the other.
  const [webhook] = await registry.store.webhooks();
  assert.deepEqual([webhook!.delivered, webhook!.failingSince], [1, undefined]);
  assert.equal(runners.length, 2);
  await stop();
});

test('entries that were dropped before they could be told are passed over, not waited for', async () => {
  const { registry, receivers, add, change, ask, stop } = await world();
  const id = await add('a.test');
  await registry.clock.advance(1000);
  await ask('webhook_update', { id, enabled: false });
  for (let n = 0; n < 10; n++) await change();
  await registry.service.sealer.seal();
  const { head } = await registry.store.auditBounds();
  await registry.store.pruneAudit(head.seq - 2, 100);
  await ask('webhook_update', { id, enabled: true });
  await registry.clock.advance(2000);
  assert.deepEqual(receivers.events('a.test'), [
    'webhook.created',
    'visibility.changed',
    'visibility.changed',
    'webhook.changed',
  ]);
  await stop();
});

test('the queue survives: what was not told before a stop is told after it', async () => {
  const first = await world();
  await first.add('a.test', ['visibility.changed']);
  await first.registry.clock.advance(1000);
  await first.stop();
  for (let n = 0; n < 70; n++) await first.change();
  await first.registry.clock.advance(1000);
  assert.equal(first.receivers.posted.length, 0);
  first.another();
  await first.registry.clock.advance(1000);
  assert.equal(new Set(first.receivers.seqs('a.test')).size, 70);
  await first.stop();
});

test('only who may make webhooks does, and only for places that may be asked', async () => {
  const { registry, ask, stop } = await world();
  const wrong = [
    'http://a.test/',
    'ftp://a.test/',
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://10.0.0.1:8443/x',
    'https://user:pass@a.test/',
    'https://a.test/#x',
    'a.test',
    '',
    `https://a.test/${'x'.repeat(2048)}`,
  ];
  const connection = registry.connect();
  const create = (url: string, fields: object = {}) =>
    connection.send({ type: 'webhook_create', url, admin_token: 'operator', request_id: 1, ...fields });
  for (const url of wrong) assert.equal((await create(url)).code, 'invalid_argument', url);
  for (const events of [[], ['nothing.*'], ['node.born'], ['*.*'], Array(65).fill('*')])
    assert.equal((await create('https://a.test/', { events })).code, 'invalid_argument', String(events));
  const { token } = await ask('token_create', { name: 'x', scopes: ['audit:read', 'tokens:write'] });
  for (const type of ['create', 'list', 'update', 'remove', 'test', 'dead', 'redeliver']) {
    const request = { type: `webhook_${type}`, id: 1, url: 'https://a.test/', request_id: 1 };
    assert.equal((await connection.send({ ...request, admin_token: token })).code, 'permission_denied');
    assert.equal((await connection.send(request)).code, 'permission_denied');
  }
  for (const type of ['update', 'remove', 'test', 'dead', 'redeliver'])
    assert.equal(
      (await connection.send({ type: `webhook_${type}`, id: 99, admin_token: 'operator', request_id: 1 }))
        .code,
      'not_found',
    );
  for (let n = 0; n < 32; n++) assert.equal((await create(`https://a${n}.test/`)).type, 'webhook_create_ok');
  assert.equal((await create('https://one-more.test/')).code, 'rate_limited');
  await stop();
});

test('a secret can be replaced, and is shown only when it is made', async () => {
  const { registry, receivers, add, ask, change, stop } = await world();
  const id = await add('a.test', ['visibility.changed']);
  const shown = JSON.stringify(await ask('webhook_list'));
  assert.ok(!shown.includes('whsec_'));
  const { secret } = await ask('webhook_update', { id, rotate_secret: true });
  assert.notEqual(secret, receivers.secrets.get('a.test'));
  await change();
  receivers.secrets.set('a.test', String(secret));
  await registry.clock.advance(1000);
  assert.deepEqual(
    receivers.posted.map(({ valid }) => valid),
    [true],
  );
  await stop();
});
