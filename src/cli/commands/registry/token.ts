import { PilotError } from '../../../api/errors.ts';
import { isScope, SCOPES, type Scope } from '../../../api/scopes.ts';
import type { JsonObject } from '../../../wire/json.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { formatFields, formatTable, printable } from '../../text.ts';
import { parseDuration, path, text, type Value } from '../../values.ts';
import { TOKEN_FILE, withRegistry } from './operator.ts';

const DAY = 24 * 60 * 60 * 1000;

const scopeList: Value<readonly Scope[]> = {
  label: 'scopes',
  parse(input) {
    const scopes = input.split(',').map((scope) => scope.trim());
    if (scopes.every(isScope)) return scopes;
    throw new RangeError(`expected scopes with commas: ${Object.keys(SCOPES).join(', ')}`);
  },
};

const networkIds: Value<readonly number[]> = {
  label: 'networks',
  parse(input) {
    const ids = input.split(',').map((id) => (/^\d{1,5}$/.test(id.trim()) ? Number(id) : 0));
    if (ids.every((id) => id >= 1 && id <= 0xffff)) return ids;
    throw new RangeError('expected numbers of networks with commas');
  },
};

/** As a duration, and in days. */
const lifetime: Value<number> = {
  label: 'duration',
  parse(input) {
    const days = /^(\d{1,5})d$/.exec(input)?.[1];
    const millis = days === undefined ? parseDuration(input) : Number(days) * DAY;
    if (millis !== undefined && millis > 0 && millis <= 3650 * DAY) return millis;
    throw new RangeError('expected a duration such as 12h or 90d, at most 3650d');
  },
};

export const tokenCreate = defineCommand({
  name: 'registry token create',
  group: 'Registry and beacon',
  summary: 'Make an admin token for some of what the operator may do',
  details:
    'The token is shown this once: the registry keeps its hash. Nobody can make a token for more than the own one ' +
    `allows. Scopes: ${Object.keys(SCOPES).join(', ')}; see docs/audit.md.`,
  args: { name: { value: text, summary: 'what it is for; shown in the list' } },
  flags: {
    scope: { value: scopeList, summary: 'what it allows; several with commas' },
    network: { value: networkIds, summary: 'only these networks, for networks:read and networks:write' },
    expires: { value: lifetime, summary: 'after this time it counts no more, such as 90d; by default never' },
    file: { value: path, summary: 'write it to this new file, readable only by you, instead of showing it' },
    tokenFile: TOKEN_FILE,
  },
  timeout: '30s',
  returns: '{id, token?, name, scopes, networks, created_by, created_at, expires_at?, in_force, file?}',
  examples: [
    {
      line: 'pilotctl registry token create grafana --scope metrics:read --file grafana.token',
      about: 'On the machine of the registry: a token that reads metrics and nothing else',
    },
    {
      line: 'pilotctl registry token create lab --scope networks:read,networks:write --network 7 --expires 90d',
      about: 'Somebody looks after network 7 for three months',
    },
  ],
  async run(context, { args, flags }) {
    if (flags.scope === undefined) {
      throw new PilotError('invalid_argument', '--scope is missing', {
        hint: `give one or more of ${Object.keys(SCOPES).join(',')}`,
      });
    }
    const { host } = context;
    const made = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('make a token', {
        type: 'token_create',
        name: args.name,
        scopes: flags.scope,
        ...(flags.network !== undefined && { networks: flags.network }),
        ...(flags.expires !== undefined && { expires_at: host.clock.wallNow() + flags.expires }),
      }),
    );
    const { type: _, token, request_id: __, ...facts } = made;
    if (flags.file === undefined) {
      const shown = [['Token', String(token)] as const, ...fieldsOf(facts, context)];
      return { data: { ...facts, token }, human: formatFields(shown) };
    }
    const file = host.absolute(flags.file);
    if (!(await host.files.create(file, `${String(token)}\n`))) {
      await withRegistry(context, flags.tokenFile, (ask) =>
        ask('revoke it again', { type: 'token_revoke', id: facts.id }),
      );
      throw new PilotError('already_exists', `${file} exists already; no token was made`, {
        hint: 'choose another file',
      });
    }
    return { data: { ...facts, file }, human: formatFields([['File', file], ...fieldsOf(facts, context)]) };
  },
});

export const tokenList = defineCommand({
  name: 'registry token list',
  group: 'Registry and beacon',
  summary: 'List admin tokens, those that ended included',
  flags: { tokenFile: TOKEN_FILE },
  timeout: '30s',
  returns:
    '{tokens: [{id, name, scopes, networks, created_by, created_at, in_force, expires_at?, revoked_at?, used_at?}]}',
  examples: [{ line: 'pilotctl registry token list', about: 'Who may do what here?' }],
  async run(context, { flags }) {
    const { tokens } = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('list tokens', { type: 'token_list' }),
    );
    const rows = (tokens as JsonObject[]).map((token) => [
      String(token.id),
      printable(String(token.name)),
      (token.scopes as string[]).join(','),
      (token.networks as number[]).join(',') || 'all',
      stateOf(token, context),
      time(token.used_at, context) ?? 'never',
    ]);
    const human =
      rows.length === 0
        ? 'no tokens'
        : formatTable(['ID', 'NAME', 'SCOPES', 'NETWORKS', 'IN FORCE', 'LAST USED'], rows);
    return { data: { tokens }, human };
  },
});

export const tokenRevoke = defineCommand({
  name: 'registry token revoke',
  group: 'Registry and beacon',
  summary: 'Take an admin token back, from now on',
  args: { id: { value: text, summary: 'as in the list' } },
  flags: { tokenFile: TOKEN_FILE },
  timeout: '30s',
  returns: '{id}',
  examples: [{ line: 'pilotctl registry token revoke 3f9c0a1b2c4d', about: 'It leaked' }],
  async run(context, { args, flags }) {
    await withRegistry(context, flags.tokenFile, (ask) =>
      ask('revoke the token', { type: 'token_revoke', id: args.id }),
    );
    return { data: { id: args.id }, human: `token ${printable(args.id)} is revoked` };
  },
});

function fieldsOf(token: JsonObject, context: Context): (readonly [string, string])[] {
  return [
    ['Id', String(token.id)],
    ['Allows', (token.scopes as string[]).join(', ')],
    ['Networks', (token.networks as number[]).join(', ') || 'all'],
    ['Expires', time(token.expires_at, context) ?? 'never'],
  ];
}

function stateOf(token: JsonObject, context: Context): string {
  if (token.revoked_at !== undefined) return `revoked ${time(token.revoked_at, context)}`;
  const end = time(token.expires_at, context);
  if (token.in_force !== true) return `ended ${end}`;
  return end === undefined ? 'yes' : `until ${end}`;
}

function time(at: unknown, { host }: Context): string | undefined {
  return typeof at === 'number' ? host.localTime(at) : undefined;
}
