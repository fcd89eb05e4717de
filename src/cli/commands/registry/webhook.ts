import { PilotError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../wire/json.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { formatFields, formatTable, plural, preview, printable } from '../../text.ts';
import { oneOf, path, text, type Value, wholeNumber } from '../../values.ts';
import { TOKEN_FILE, withRegistry } from './operator.ts';

const webhookId = wholeNumber('id', 1, 0xffff_ffff);
const ID = { value: webhookId, summary: 'number of the webhook, as in the list' } as const;

const eventList: Value<readonly string[]> = {
  label: 'events',
  parse(input) {
    const events = input.split(',').map((event) => event.trim());
    if (events.every((event) => /^(\*|[a-z_]+\.(\*|[a-z_]+))$/.test(event))) return events;
    throw new RangeError('expected events with commas, such as trust.*,key.rotated; * is all');
  },
};
const EVENTS = {
  value: eventList,
  summary: 'what to tell: events of docs/audit.md, families such as trust.*, or *',
} as const;

export const webhookAdd = defineCommand({
  name: 'registry webhook add',
  group: 'Registry and beacon',
  summary: 'Tell a URL of what happens from now on',
  details:
    'Deliveries are signed as Standard Webhooks has it, with a secret that is shown this once. What fails is tried ' +
    'again for about 20 hours. Only HTTPS to hosts of the Internet, unless the registry was started with ' +
    '--webhooks anywhere.',
  args: { url: { value: text, summary: 'where to post' } },
  flags: {
    events: { ...EVENTS, fallback: '*' },
    secretFile: { value: path, summary: 'write the secret to this new file instead of showing it' },
    tokenFile: TOKEN_FILE,
  },
  timeout: '30s',
  returns: '{id, url, events, secret?, secret_file?, enabled, created_at, delivered, waiting, dead, behind}',
  examples: [
    {
      line: 'pilotctl registry webhook add https://example.net/pilot --events "trust.*,key.rotated"',
      about: 'Trust and keys',
    },
  ],
  async run(context, { args, flags }) {
    const { host } = context;
    const file = flags.secretFile === undefined ? undefined : host.absolute(flags.secretFile);
    if (file !== undefined && (await host.files.info(file)) !== undefined) {
      throw new PilotError('already_exists', `${file} exists already`, { hint: 'choose another file' });
    }
    const made = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('add the webhook', { type: 'webhook_create', url: args.url, events: flags.events }),
    );
    const { secret, ...facts } = factsOf(made);
    if (file !== undefined) await host.files.replace(file, `${String(secret)}\n`);
    const data = { ...facts, ...(file === undefined ? { secret } : { secret_file: file }) };
    const human = formatFields([
      ['Webhook', String(facts.id)],
      ['Secret', file === undefined ? String(secret) : `in ${file}`],
      ['Events', (facts.events as string[]).join(', ')],
    ]);
    return { data, human: `${human}\ntry it with: pilotctl registry webhook test ${facts.id}` };
  },
});

export const webhookList = defineCommand({
  name: 'registry webhook list',
  group: 'Registry and beacon',
  summary: 'List webhooks, and how their deliveries go',
  flags: { tokenFile: TOKEN_FILE },
  timeout: '30s',
  returns:
    '{webhooks: [{id, url, events, enabled, created_at, delivered, waiting, dead, behind, failing_since?, last_error?}]}',
  examples: [{ line: 'pilotctl registry webhook list', about: 'Does anything fail?' }],
  async run(context, { flags }) {
    const { webhooks } = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('list webhooks', { type: 'webhook_list' }),
    );
    const rows = (webhooks as JsonObject[]).map((webhook) => [
      String(webhook.id),
      preview(String(webhook.url), 48),
      (webhook.events as string[]).join(','),
      stateOf(webhook, context),
      ...['delivered', 'waiting', 'dead', 'behind'].map((name) => String(webhook[name])),
    ]);
    const head = ['ID', 'URL', 'EVENTS', 'STATE', 'DELIVERED', 'WAITING', 'DEAD', 'BEHIND'];
    return { data: { webhooks }, human: rows.length === 0 ? 'no webhooks' : formatTable(head, rows) };
  },
});

export const webhookChange = defineCommand({
  name: 'registry webhook change',
  group: 'Registry and beacon',
  summary: 'Change where a webhook goes, what it tells, its secret, or stop it for a while',
  args: { id: ID },
  flags: {
    url: { value: text, summary: 'another place' },
    events: EVENTS,
    state: {
      value: oneOf('state', ['on', 'off']),
      summary: 'off: entries stay in the log until it is on again, as long as the log keeps them',
    },
    rotateSecret: { summary: 'make a new secret and show it; the old one signs nothing any more' },
    tokenFile: TOKEN_FILE,
  },
  timeout: '30s',
  returns: '{id, url, events, enabled, secret?, created_at, delivered, waiting, dead, behind}',
  examples: [
    { line: 'pilotctl registry webhook change 1 --state off', about: 'While its receiver moves' },
    { line: 'pilotctl registry webhook change 1 --rotate-secret', about: 'The secret leaked' },
  ],
  async run(context, { args, flags }) {
    const changed = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('change the webhook', {
        type: 'webhook_update',
        id: args.id,
        ...(flags.url !== undefined && { url: flags.url }),
        ...(flags.events !== undefined && { events: flags.events }),
        ...(flags.state !== undefined && { enabled: flags.state === 'on' }),
        ...(flags.rotateSecret && { rotate_secret: true }),
      }),
    );
    const data = factsOf(changed);
    const human = formatFields([
      ['Webhook', `${String(data.id)}, ${data.enabled === true ? 'on' : 'off'}`],
      ['URL', printable(String(data.url))],
      ['Events', (data.events as string[]).join(', ')],
      ['Secret', data.secret === undefined ? undefined : String(data.secret)],
    ]);
    return { data, human };
  },
});

export const webhookRemove = defineCommand({
  name: 'registry webhook remove',
  group: 'Registry and beacon',
  summary: 'Remove a webhook, with everything that waits for it',
  args: { id: ID },
  flags: { tokenFile: TOKEN_FILE },
  timeout: '30s',
  returns: '{id}',
  examples: [{ line: 'pilotctl registry webhook remove 1', about: 'Nobody listens there any more' }],
  async run(context, { args, flags }) {
    await withRegistry(context, flags.tokenFile, (ask) =>
      ask('remove the webhook', { type: 'webhook_remove', id: args.id }),
    );
    return { data: { id: args.id }, human: `webhook ${args.id} is removed` };
  },
});

export const webhookTest = defineCommand({
  name: 'registry webhook test',
  group: 'Registry and beacon',
  summary: 'Send a webhook a trial event, and what waits for another try',
  args: { id: ID },
  flags: { tokenFile: TOKEN_FILE },
  timeout: '30s',
  returns: '{id}',
  examples: [{ line: 'pilotctl registry webhook test 1', about: 'Does it arrive?' }],
  async run(context, { args, flags }) {
    await withRegistry(context, flags.tokenFile, (ask) =>
      ask('test the webhook', { type: 'webhook_test', id: args.id }),
    );
    const human = `webhook.test is on its way to webhook ${args.id}\nsee: pilotctl registry webhook list`;
    return { data: { id: args.id }, human };
  },
});

export const webhookDead = defineCommand({
  name: 'registry webhook dead',
  group: 'Registry and beacon',
  summary: 'Show what a webhook could not be told, newest first',
  args: { id: ID },
  flags: { tokenFile: TOKEN_FILE },
  timeout: '30s',
  returns: '{id, count, letters: [{seq, attempts, error, failed_at, body}]}; at most 100 letters',
  examples: [{ line: 'pilotctl registry webhook dead 1', about: 'What was lost?' }],
  async run(context, { args, flags }) {
    const { count, letters } = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('read the dead letters', { type: 'webhook_dead', id: args.id }),
    );
    const rows = (letters as JsonObject[]).map((letter) => [
      String(letter.seq),
      context.host.localTime(Number(letter.failed_at)),
      String(letter.attempts),
      preview(String(letter.error), 48),
    ]);
    const human =
      rows.length === 0
        ? 'no dead letters'
        : `${formatTable(['ENTRY', 'GIVEN UP', 'TRIES', 'WHY'], rows)}\nsend them again with: pilotctl registry webhook redeliver ${args.id}`;
    return { data: { id: args.id, count, letters }, human };
  },
});

export const webhookRedeliver = defineCommand({
  name: 'registry webhook redeliver',
  group: 'Registry and beacon',
  summary: 'Try again now what failed: dead letters, and what waits for another try',
  args: { id: ID },
  flags: {
    entry: { value: wholeNumber('seq', 1, 0xffff_ffff), summary: 'only this entry' },
    tokenFile: TOKEN_FILE,
  },
  timeout: '30s',
  returns: '{id, count}',
  examples: [{ line: 'pilotctl registry webhook redeliver 1', about: 'The receiver is back' }],
  async run(context, { args, flags }) {
    const { count } = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('deliver again', {
        type: 'webhook_redeliver',
        id: args.id,
        ...(flags.entry !== undefined && { seq: flags.entry }),
      }),
    );
    const human = `${plural(Number(count), 'delivery').replace(/ys$/, 'ies')} on the way again`;
    return { data: { id: args.id, count }, human };
  },
});

function factsOf({ type: _, request_id: __, ...facts }: JsonObject): JsonObject {
  return facts;
}

function stateOf(
  { enabled, failing_since: since, last_error: error }: JsonObject,
  { host }: Context,
): string {
  if (enabled !== true) return 'off';
  if (typeof since !== 'number') return 'on';
  return `fails since ${host.localTime(since)}: ${preview(String(error), 40)}`;
}
