import type { FoundService, PilotClient } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { formatTable, printable } from '../../text.ts';
import { peer, text, wholeNumber } from '../../values.ts';
import { serviceName, tag, VERIFIED } from './tag-values.ts';

const LIMIT = 1000;

export const services = defineCommand({
  name: 'services',
  group: 'Names and visibility',
  summary: 'List services that nodes offer, with descriptions',
  details:
    'From the signed records of public nodes, of the members of a network, or of one node. Records whose signature does not hold are left out.',
  args: { peer: { value: peer, summary: 'only those of this node', optional: true } },
  flags: {
    tag: { value: tag, summary: 'of nodes with this tag' },
    service: { value: serviceName, summary: 'with this name' },
    text: { value: text, summary: 'whole words of names, tags and descriptions' },
    network: { value: wholeNumber('id', 0, 65535), summary: 'of members of this network', fallback: '0' },
    limit: { value: wholeNumber('count', 1, LIMIT), summary: 'at most this many', fallback: '100' },
  },
  timeout: '15s',
  returns:
    '{services: [{name, port, description, node_id, address, hostname, online, verified}], truncated}; verified is pinned, signed, expired or changed',
  examples: [
    { line: 'pilotctl services', about: 'Everything public nodes offer' },
    { line: 'pilotctl services --text weather', about: 'Something with weather' },
    { line: 'pilotctl services node-b', about: 'What does node-b offer?' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const found =
      args.peer === undefined
        ? await all(client, context, flags)
        : { services: await of(client, context, args.peer), truncated: false };
    if (found.services.length === 0) return { data: found, human: 'no services' };
    const rows = found.services.map((row) => [
      printable(row.name),
      row.hostname === '' ? row.address : printable(row.hostname),
      String(row.port),
      row.online ? 'yes' : 'no',
      VERIFIED[row.verified],
      printable(row.description),
    ]);
    const table = formatTable(['SERVICE', 'NODE', 'PORT', 'ONLINE', 'RECORD', 'DESCRIPTION'], rows);
    return { data: found, human: found.truncated ? `${table}\nthere are more: raise --limit` : table };
  },
});

async function all(
  client: PilotClient,
  context: Context,
  flags: {
    readonly tag: string | undefined;
    readonly service: string | undefined;
    readonly text: string | undefined;
    readonly network: number;
    readonly limit: number;
  },
): Promise<{ services: readonly FoundService[]; truncated: boolean }> {
  const { limit, network, ...wanted } = flags;
  const query = {
    network,
    ...Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)),
  };
  const services: FoundService[] = [];
  for await (const service of client.identity.services(query, context.signal)) {
    if (services.length === limit) return { services, truncated: true };
    services.push(service);
  }
  return { services, truncated: false };
}

async function of(client: PilotClient, context: Context, target: string): Promise<readonly FoundService[]> {
  const node = await client.lookup(target, context.signal);
  const { node_id, address, hostname, record, identity } = node;
  if (record === null) return [];
  const verified = record.expired ? 'expired' : identity === 'unpinned' ? 'signed' : 'pinned';
  return record.services.map((service) => ({
    ...service,
    node_id,
    address,
    hostname,
    online: node.online === true,
    verified,
  }));
}
