import { asPilotError, PilotError } from '../../../api/errors.ts';
import type { FoundRow, PilotClient } from '../../../sdk/index.ts';
import { defineCommand, type Result } from '../../command.ts';
import type { Context } from '../../context.ts';
import { notFound } from '../../peers.ts';
import { formatFields, formatTable, plural, printable } from '../../text.ts';
import { peer, text, wholeNumber } from '../../values.ts';
import { network } from '../networks/values.ts';
import { serviceName, tag, tagText, VERIFIED } from './tag-values.ts';

const LIMIT = 1000;

interface Filters {
  readonly tag?: string | undefined;
  readonly service?: string | undefined;
  readonly text?: string | undefined;
  readonly network?: string | undefined;
}

export const find = defineCommand({
  name: 'find',
  group: 'Names and visibility',
  summary: 'Find the address of a hostname, or nodes by tag, service or words',
  details:
    'A private node is found only by nodes it trusts and by members of its networks. Without a hostname, public nodes are listed, or with --network its members. Rows say what their signed record is worth; those with a false signature are left out.',
  args: { hostname: { value: peer, summary: 'name to look up, perhaps with #fingerprint', optional: true } },
  flags: {
    tag: { value: tag, summary: 'nodes with this tag' },
    service: { value: serviceName, summary: 'nodes that offer this service' },
    text: { value: text, summary: 'whole words of name, tags, services and descriptions' },
    network: { value: network, summary: 'members of this network of ours, by number or name' },
    limit: { value: wholeNumber('count', 1, LIMIT), summary: 'at most this many rows', fallback: '100' },
  },
  timeout: '15s',
  returns:
    '{hostname, node_id, address, public}; for a list {nodes: [{node_id, address, hostname, public, online, tags, services, fingerprint, verified}], refused, truncated}; verified is pinned, signed, expired, changed or unsigned',
  examples: [
    { line: 'pilotctl find node-b', about: 'Where is node-b?' },
    { line: 'pilotctl find --tag weather', about: 'Public nodes with a tag' },
    { line: 'pilotctl find --network lab --service forecast', about: 'Members that offer a service' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const { limit, ...filters } = flags;
    const isList = Object.values(filters).some((value) => value !== undefined);
    if (args.hostname === undefined) {
      if (isList) return findNodes(context, client, filters, limit);
      throw new PilotError('invalid_argument', 'Nothing to look for', {
        hint: 'give a hostname, or one of --tag, --service, --text, --network',
      });
    }
    if (isList) {
      throw new PilotError('invalid_argument', 'A hostname and filters exclude each other', {
        hint: `leave out the filters, or "${args.hostname}"`,
      });
    }
    return findName(context, client, args.hostname);
  },
});

async function findName(context: Context, client: PilotClient, hostname: string): Promise<Result> {
  try {
    const found = await client.find(hostname, context.signal);
    return {
      data: found,
      human: formatFields([
        ['Hostname', found.hostname],
        ['Node ID', String(found.node_id)],
        ['Address', found.address],
        ['Visible', found.public === null ? undefined : found.public ? 'public' : 'private'],
      ]),
    };
  } catch (thrown) {
    const error = asPilotError(thrown);
    throw error.code === 'not_found' ? notFound(hostname, error) : error;
  }
}

async function findNodes(
  context: Context,
  client: PilotClient,
  filters: Filters,
  limit: number,
): Promise<Result> {
  const { network: named, ...words } = filters;
  const query = {
    ...Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined)),
    ...(named !== undefined && { network: await networkNumber(context, client, named) }),
  };
  const nodes: FoundRow[] = [];
  let refused = 0;
  let cursor: number | undefined;
  do {
    const page = await client.identity.findNodes(
      { ...query, limit: Math.min(200, limit), ...(cursor !== undefined && { cursor }) },
      context.signal,
    );
    nodes.push(...page.nodes);
    refused += page.refused;
    cursor = page.cursor;
  } while (cursor !== undefined && nodes.length < limit);
  const data = {
    nodes: nodes.slice(0, limit),
    refused,
    truncated: cursor !== undefined || nodes.length > limit,
  };
  return { data, human: listText(data) };
}

async function networkNumber(context: Context, client: PilotClient, name: string): Promise<number> {
  if (/^\d{1,5}$/.test(name) && Number(name) <= 0xffff) return Number(name);
  const found = (await client.networks.own(context.signal)).find((row) => row.name === name.toLowerCase());
  if (found !== undefined) return found.network_id;
  throw new PilotError('not_found', `This node is in no network "${name}"`, {
    hint: 'see: pilotctl network list',
  });
}

function listText(data: { nodes: readonly FoundRow[]; refused: number; truncated: boolean }): string {
  const lines = [];
  if (data.nodes.length === 0) lines.push('no nodes');
  else {
    const rows = data.nodes.map((row) => [
      String(row.node_id),
      printable(row.hostname),
      row.online ? 'yes' : 'no',
      printable(tagText(row.tags)),
      printable(row.services.map(({ name, port }) => `${name}:${port}`).join(' ')),
      VERIFIED[row.verified],
      row.fingerprint,
    ]);
    lines.push(
      formatTable(['NODE ID', 'HOSTNAME', 'ONLINE', 'TAGS', 'SERVICES', 'RECORD', 'FINGERPRINT'], rows),
    );
  }
  if (data.refused > 0)
    lines.push(`${plural(data.refused, 'row')} left out: the record's signature is false`);
  if (data.truncated) lines.push('there are more: raise --limit, or narrow the search');
  return lines.join('\n');
}
