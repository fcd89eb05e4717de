/** What every store must do with admin tokens and webhooks. */
import assert from 'node:assert/strict';
import type { Check } from './fixtures.testkit.ts';
import type { AdminToken, Delivery, Round, Store, Webhook } from './store.ts';

const AT = 1_800_000_000_000;

function token(id: string, more: Partial<AdminToken> = {}): AdminToken {
  return {
    id,
    name: `token ${id}`,
    hash: 'ab'.repeat(32),
    scopes: ['audit:read', 'nodes:read'],
    networks: [1, 65_535],
    createdBy: 'operator',
    createdAt: AT,
    expiresAt: undefined,
    revokedAt: undefined,
    usedAt: undefined,
    ...more,
  };
}

async function webhook(store: Store, cursor = 0): Promise<Webhook> {
  const made = await store.addWebhook(
    { url: 'https://example.net/in', secret: 'whsec_x', events: ['trust.*'], createdAt: AT, cursor },
    32,
  );
  assert.ok(made !== 'full');
  return made;
}

function round(id: number, more: Partial<Round> = {}): Round {
  const nothing = { cursor: 0, delivered: 0, done: [], failed: [], lastError: '' };
  return { webhook: id, owner: 'a', at: AT, ...nothing, disable: false, deadKept: 10, ...more };
}

function failed(id: number, seq: number, nextAt: number | undefined, attempts = 1): Delivery {
  return { webhook: id, seq, body: `{"seq":${seq}}`, attempts, nextAt, error: 'HTTP status 500', at: AT };
}

async function settle(store: Store, id: number, more: Partial<Round>): Promise<boolean> {
  assert.ok(await store.leaseWebhook(id, 'a', AT, AT + 1000));
  return store.settleRound(round(id, more));
}

const seqs = (deliveries: readonly Delivery[]): number[] => deliveries.map(({ seq }) => seq);

export function operatorsContract(check: Check): void {
  check('keeps admin tokens, and forgets none that ended', async (store) => {
    const first = token('aaaaaaaaaaaa');
    assert.equal(await store.addToken(first, 10), 'added');
    assert.equal(await store.addToken(first, 10), 'exists');
    assert.deepEqual(await store.token(first.id), first);
    assert.equal(await store.token('bbbbbbbbbbbb'), undefined);
    await store.tokenUsed(first.id, AT + 5);
    assert.equal(await store.revokeToken(first.id, AT + 9), true);
    assert.equal(await store.revokeToken(first.id, AT + 10), false);
    assert.deepEqual(await store.token(first.id), { ...first, usedAt: AT + 5, revokedAt: AT + 9 });
    await store.addToken(token('cccccccccccc', { createdAt: AT + 1 }), 10);
    assert.deepEqual(
      (await store.tokens(10)).map(({ id }) => id),
      ['cccccccccccc', 'aaaaaaaaaaaa'],
    );
    assert.equal((await store.tokens(1)).length, 1);
  });

  check('bounds the tokens in force: neither revoked ones nor those that are over count', async (store) => {
    await store.addToken(token('aaaaaaaaaaaa', { expiresAt: AT + 10 }), 2);
    await store.addToken(token('bbbbbbbbbbbb'), 2);
    assert.equal(await store.addToken(token('cccccccccccc'), 2), 'full');
    assert.equal(await store.addToken(token('cccccccccccc', { createdAt: AT + 10 }), 2), 'added');
    assert.equal(await store.revokeToken('aaaaaaaaaaaa', AT + 10), false);
    assert.equal(await store.revokeToken('bbbbbbbbbbbb', AT + 10), true);
    assert.equal(await store.addToken(token('dddddddddddd', { createdAt: AT + 11 }), 2), 'added');
  });

  check('keeps webhooks, and ids of removed ones are not given again', async (store) => {
    const first = await webhook(store, 7);
    assert.deepEqual(await store.webhook(first.id), first);
    assert.deepEqual([first.cursor, first.enabled, first.events], [7, true, ['trust.*']]);
    const patched = await store.patchWebhook(first.id, { enabled: false, events: ['*'] });
    assert.deepEqual(patched, { ...first, enabled: false, events: ['*'] });
    assert.deepEqual(await store.webhooks(), [patched]);
    assert.equal(await store.removeWebhook(first.id), true);
    assert.equal(await store.removeWebhook(first.id), false);
    assert.equal(await store.patchWebhook(first.id, {}), undefined);
    assert.notEqual((await webhook(store)).id, first.id);
    const { url, secret, events, createdAt, cursor } = first;
    assert.equal(await store.addWebhook({ url, secret, events, createdAt, cursor }, 1), 'full');
  });

  check('leases a webhook to one owner at a time', async (store) => {
    const { id } = await webhook(store);
    assert.equal(await store.leaseWebhook(id, 'a', AT, AT + 1000), true);
    assert.equal(await store.leaseWebhook(id, 'b', AT + 999, AT + 2000), false);
    assert.equal(await store.leaseWebhook(id, 'a', AT + 999, AT + 2000), true);
    assert.equal(await store.leaseWebhook(id, 'b', AT + 2000, AT + 3000), true);
    // The first one was too slow: what it did counts no more.
    assert.equal(await store.settleRound(round(id, { cursor: 9 })), false);
    assert.equal((await store.webhook(id))!.cursor, 0);
    assert.equal(await store.settleRound(round(id, { owner: 'b', cursor: 9 })), true);
    assert.equal(await store.leaseWebhook(id, 'a', AT + 2001, AT + 3000), true);
    assert.equal(await store.leaseWebhook(id + 1, 'a', AT, AT + 1000), false);
    const many = Array.from({ length: 8 }, (_, i) => store.leaseWebhook(id, `x${i}`, AT + 9000, AT + 9999));
    assert.equal((await Promise.all(many)).filter(Boolean).length, 1);
  });

  check('keeps what failed until it is delivered', async (store) => {
    const { id } = await webhook(store);
    const letters = [failed(id, 1, AT + 20), failed(id, 2, AT + 10), failed(id, 3, undefined, 24)];
    assert.ok(await settle(store, id, { cursor: 3, failed: letters, lastError: 'HTTP status 500' }));
    assert.deepEqual(await store.countDeliveries(id), { waiting: 2, dead: 1 });
    const state = (await store.webhook(id))!;
    assert.deepEqual([state.failingSince, state.lastError, state.cursor], [AT, 'HTTP status 500', 3]);
    assert.deepEqual(seqs(await store.dueDeliveries(id, AT + 9, 9)), []);
    assert.deepEqual(seqs(await store.dueDeliveries(id, AT + 20, 9)), [2, 1]);
    assert.deepEqual(seqs(await store.dueDeliveries(id, AT + 20, 1)), [2]);
    assert.deepEqual(await store.deadDeliveries(id, 9), [letters[2]]);
    assert.ok(await settle(store, id, { failed: [failed(id, 2, AT + 99, 2)], lastError: 'again' }));
    assert.deepEqual(await store.countDeliveries(id), { waiting: 2, dead: 1 });
    assert.equal((await store.webhook(id))!.cursor, 3);
  });

  check('tries everything at once when a receiver is back', async (store) => {
    const { id } = await webhook(store);
    await settle(store, id, { failed: [failed(id, 1, AT + 10), failed(id, 2, AT + 5000)] });
    assert.ok(await settle(store, id, { at: AT + 10, delivered: 1, done: [1] }));
    assert.deepEqual(seqs(await store.dueDeliveries(id, AT + 10, 9)), [2]);
    const { failingSince, lastError, delivered } = (await store.webhook(id))!;
    assert.deepEqual(
      { failingSince, lastError, delivered },
      { failingSince: undefined, lastError: '', delivered: 1 },
    );
  });

  check('delivers dead letters again when asked, and keeps the newest of them', async (store) => {
    const { id } = await webhook(store);
    const dead = Array.from({ length: 12 }, (_, i) => failed(id, i + 1, undefined, 24));
    await settle(store, id, { failed: dead });
    assert.deepEqual(seqs(await store.deadDeliveries(id, 99)), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    assert.equal(await store.redeliver(id, 5, AT + 1, 'dead'), 1);
    assert.equal(await store.redeliver(id, 1, AT + 1, 'dead'), 0);
    assert.equal(await store.redeliver(id, undefined, AT + 2, 'dead'), 9);
    const due = await store.dueDeliveries(id, AT + 2, 99);
    assert.deepEqual([due.length, due[0]!.seq, due[0]!.attempts], [10, 5, 0]);
    assert.equal(await store.redeliver(id, undefined, AT + 3, 'waiting'), 0);
    await settle(store, id, { failed: [failed(id, 5, AT + 100, 3)] });
    assert.equal(await store.redeliver(id, 5, AT + 3, 'waiting'), 1);
    assert.equal((await store.dueDeliveries(id, AT + 3, 99)).find(({ seq }) => seq === 5)!.attempts, 3);
  });

  check('stops a webhook whose receiver is gone, and removes it with all that waits', async (store) => {
    const { id } = await webhook(store);
    await settle(store, id, { failed: [failed(id, 1, AT)], disable: true });
    assert.equal((await store.webhook(id))!.enabled, false);
    await store.removeWebhook(id);
    assert.deepEqual(await store.countDeliveries(id), { waiting: 0, dead: 0 });
    assert.equal(await store.settleRound(round(id)), false);
  });
}
