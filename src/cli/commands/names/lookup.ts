import { asPilotError } from '../../../api/errors.ts';
import type { NodeRecord } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { notFound } from '../../peers.ts';
import { formatFields, printable } from '../../text.ts';
import { peer } from '../../values.ts';
import { tagText } from './tag-values.ts';

export const lookup = defineCommand({
  name: 'lookup',
  group: 'Names and visibility',
  summary: 'Show what the registry knows about a node, and what of it is proven',
  details:
    'The key a node is held to is pinned with trust, or at first use; then it changes only with the signature of the old key, and every such rotation is listed.',
  args: { node: { value: peer, summary: 'hostname, address or node id, perhaps with #fingerprint' } },
  timeout: '15s',
  returns:
    '{node_id, address, hostname, public, public_key, fingerprint, identity, pinned?, epoch, rotations, record, networks, version, real_addr?}; identity is pinned, unpinned, changed or own; record is what the node signed of itself, or null; real_addr only of public nodes',
  examples: [
    { line: 'pilotctl lookup 2', about: 'The record of node 2' },
    { line: 'pilotctl lookup node-b#mfrggzdfmztwq2lk', about: 'Fails when node-b has another key' },
  ],
  async run(context, { args }) {
    const client = await context.client();
    try {
      const record = await client.lookup(args.node, context.signal);
      return { data: record, human: formatFields(rows(context, record)) };
    } catch (thrown) {
      const error = asPilotError(thrown);
      throw error.code === 'not_found' ? notFound(args.node, error) : error;
    }
  },
});

function rows(context: Context, node: NodeRecord): [string, string | undefined][] {
  const day = (seconds: number): string => context.host.localTime(seconds * 1000);
  const { record } = node;
  return [
    ['Node ID', String(node.node_id)],
    ['Address', node.address],
    ['Hostname', node.hostname === '' ? undefined : printable(node.hostname)],
    ['Visible', node.public ? 'public' : 'private'],
    ['Public key', node.public_key],
    ['Fingerprint', node.fingerprint],
    ['Identity', identityText(node, day)],
    [
      'Rotations',
      node.rotations.length === 0
        ? String(node.epoch)
        : node.rotations.map((row) => `${row.epoch}: ${row.from} → ${row.to}, ${day(row.at)}`).join('; '),
    ],
    [
      'Record',
      record === null
        ? 'none that is proven'
        : `signed ${day(record.issued)}, no. ${record.seq}${record.expired ? ', out of date' : ''}`,
    ],
    ['Tags', record === null || record.tags.length === 0 ? undefined : tagText(record.tags)],
    [
      'Services',
      record === null || record.services.length === 0
        ? undefined
        : record.services.map(({ name, port }) => `${name} (port ${port})`).join(', '),
    ],
    ['Abilities', record === null ? undefined : [...record.suites, ...record.features].join(', ')],
    ['Endpoint', node.real_addr],
    ['Version', node.version === undefined || node.version === '' ? undefined : printable(node.version)],
  ];
}

function identityText(node: NodeRecord, day: (seconds: number) => string): string {
  const { pinned } = node;
  const why = { trust: 'with trust', use: 'at first use', fingerprint: 'by its fingerprint' };
  switch (node.identity) {
    case 'own':
      return 'this node';
    case 'unpinned':
      return 'not pinned: only the registry vouches for the key';
    case 'pinned':
      return pinned === undefined ? 'pinned' : `pinned ${why[pinned.by]}, ${day(pinned.since)}`;
    case 'changed':
      return `CHANGED without proof: this node holds it to ${pinned?.fingerprint ?? 'another key'}`;
  }
}
