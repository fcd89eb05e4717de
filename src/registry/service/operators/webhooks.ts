/** Requests about webhooks. Whoever may make them decides where names and addresses of nodes go. */
import { isAuditAction } from '../../../api/audit-actions.ts';
import { encodeWebhookSecret, WEBHOOK_SECRET_BYTES } from '../../../wire/webhook-signature.ts';
import type { Delivery, Webhook } from '../../store/store.ts';
import { AUDIT_FAMILIES } from '../../webhooks/matches.ts';
import { webhookUrlProblem } from '../../webhooks/url.ts';
import { recorded } from '../audit/recorded.ts';
import type { Call, Handler, Reply } from '../call.ts';
import { text, texts, u32 } from '../fields.ts';
import { refusal } from '../refusal.ts';
import { operator } from './demand.ts';

const MOST_EVENTS = 64;
const MOST_SHOWN = 100;

export const createWebhook: Handler = async (call) => {
  const { name } = operator(call, 'webhooks:write', 'add webhooks');
  const { shared, request, at } = call;
  const url = urlOf(call, request.url);
  const events = eventsOf(request.events ?? ['*']);
  const secret = newSecret(call);
  await shared.sealer.seal();
  // From now on: what was before is in the log.
  const { head } = await shared.store.auditBounds();
  const made = await recorded(
    call,
    name,
    (store) =>
      store.addWebhook({ url, secret, events, createdAt: at, cursor: head.seq }, shared.config.webhooks),
    (result) =>
      result === 'full'
        ? []
        : [{ action: 'webhook.created', details: { webhook: result.id, host: hostOf(url), events } }],
  );
  if (made === 'full')
    throw refusal('rate_limited', `too many webhooks: there are ${shared.config.webhooks}`);
  return { type: 'webhook_create_ok', ...(await described(call, made)), secret };
};

export const listWebhooks: Handler = async (call) => {
  operator(call, 'webhooks:write', 'list webhooks');
  const webhooks = await call.shared.store.webhooks();
  return {
    type: 'webhook_list_ok',
    webhooks: await Promise.all(webhooks.map((webhook) => described(call, webhook))),
  };
};

/** Only what is present changes. */
export const updateWebhook: Handler = async (call) => {
  const { name } = operator(call, 'webhooks:write', 'change webhooks');
  const { request } = call;
  const id = u32(request.id);
  await known(call, id);
  const secret = request.rotate_secret === true ? newSecret(call) : undefined;
  const patch = {
    ...(request.url === undefined ? {} : { url: urlOf(call, request.url) }),
    ...(request.events === undefined ? {} : { events: eventsOf(request.events) }),
    ...(typeof request.enabled === 'boolean' ? { enabled: request.enabled } : {}),
    ...(secret === undefined ? {} : { secret }),
  };
  const patched = await recorded(
    call,
    name,
    (store) => store.patchWebhook(id, patch),
    (result) => {
      if (result === undefined) return [];
      const { url, events, enabled } = result;
      return [{ action: 'webhook.changed', details: { webhook: id, host: hostOf(url), events, enabled } }];
    },
  );
  if (patched === undefined) throw noSuchWebhook(id);
  return {
    type: 'webhook_update_ok',
    ...(await described(call, patched)),
    ...(secret === undefined ? {} : { secret }),
  };
};

export const removeWebhook: Handler = async (call) => {
  const { name } = operator(call, 'webhooks:write', 'remove webhooks');
  const id = u32(call.request.id);
  const { url } = await known(call, id);
  const removed = await recorded(
    call,
    name,
    (store) => store.removeWebhook(id),
    (done) => (done ? [{ action: 'webhook.removed', details: { webhook: id, host: hostOf(url) } }] : []),
  );
  if (!removed) throw noSuchWebhook(id);
  return { type: 'webhook_remove_ok', id };
};

/** Leaves an entry that goes to this webhook alone, whatever it listens to. */
export const testWebhook: Handler = async (call) => {
  const { name } = operator(call, 'webhooks:write', 'test webhooks');
  const id = u32(call.request.id);
  await known(call, id);
  await recorded(
    call,
    name,
    (store) => store.redeliver(id, undefined, call.at, 'waiting'),
    () => [{ action: 'webhook.test', details: { webhook: id } }],
  );
  return { type: 'webhook_test_ok', id };
};

export const deadLetters: Handler = async (call) => {
  operator(call, 'webhooks:write', 'see dead letters');
  const id = u32(call.request.id);
  await known(call, id);
  const letters = await call.shared.store.deadDeliveries(id, MOST_SHOWN);
  const { dead } = await call.shared.store.countDeliveries(id);
  return { type: 'webhook_dead_ok', id, count: dead, letters: letters.map(letter) };
};

/** Tries again what was given up, and what waits for its next try, from now on. */
export const redeliver: Handler = async (call) => {
  operator(call, 'webhooks:write', 'deliver again');
  const { store, sealer } = call.shared;
  const id = u32(call.request.id);
  await known(call, id);
  const seq = call.request.seq === undefined ? undefined : u32(call.request.seq);
  const count =
    (await store.redeliver(id, seq, call.at, 'dead')) + (await store.redeliver(id, seq, call.at, 'waiting'));
  sealer.onSealed();
  return { type: 'webhook_redeliver_ok', id, count };
};

async function known(call: Call, id: number): Promise<Webhook> {
  const webhook = await call.shared.store.webhook(id);
  if (webhook === undefined) throw noSuchWebhook(id);
  return webhook;
}
function noSuchWebhook(id: number) {
  return refusal('not_found', `webhook ${id} not found`, 'see: pilotctl registry webhook list');
}
function newSecret({ shared }: Call): string {
  return encodeWebhookSecret(shared.random.bytes(WEBHOOK_SECRET_BYTES));
}
function hostOf(url: string): string {
  return new URL(url).host;
}

function urlOf(call: Call, value: unknown): string {
  const url = text(value);
  const problem = webhookUrlProblem(url, call.shared.config.webhookReach);
  if (problem !== undefined) {
    const hint =
      'give an https:// address of the Internet, or: pilotctl rendezvous start --webhooks anywhere';
    throw refusal('invalid_argument', `invalid url: ${problem}`, hint);
  }
  return url;
}

function eventsOf(value: unknown): string[] {
  const events = texts(value);
  const unknown = events.find(
    (event) => event !== '*' && !isAuditAction(event) && !AUDIT_FAMILIES.has(event),
  );
  if (unknown === undefined && events.length > 0 && events.length <= MOST_EVENTS) return [...new Set(events)];
  throw refusal(
    'invalid_argument',
    unknown === undefined
      ? `invalid events: 1 to ${MOST_EVENTS} are required`
      : `invalid events: there is no "${unknown.slice(0, 64)}"`,
    'see docs/audit.md for the events; * is all of them, trust.* all of a family',
  );
}

async function described(call: Call, webhook: Webhook): Promise<Reply> {
  const { id, url, events, enabled, createdAt, cursor, delivered, failingSince, lastError } = webhook;
  const { waiting, dead } = await call.shared.store.countDeliveries(id);
  const { head } = await call.shared.store.auditBounds();
  return {
    id,
    url,
    events,
    enabled,
    created_at: createdAt,
    delivered,
    waiting,
    dead,
    behind: head.seq - cursor,
    ...(failingSince === undefined ? {} : { failing_since: failingSince }),
    ...(lastError === '' ? {} : { last_error: lastError }),
  };
}

function letter({ seq, body, attempts, error, at }: Delivery): Reply {
  return { seq, attempts, error, failed_at: at, body };
}
