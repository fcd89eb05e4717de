import { asPilotError } from '../../../api/errors.ts';
import { defineCommand } from '../../command.ts';
import { notFound } from '../../peers.ts';
import { formatFields, printable } from '../../text.ts';
import { peer } from '../../values.ts';

export const lookup = defineCommand({
  name: 'lookup',
  group: 'Names and visibility',
  summary: 'Show what the registry knows about a node',
  args: { node: { value: peer, summary: 'hostname, address or node id' } },
  timeout: '15s',
  returns:
    '{node_id, address, hostname, public, public_key, networks, version, real_addr?}; real_addr only of public nodes',
  examples: [{ line: 'pilotctl lookup 2', about: 'The record of node 2' }],
  async run(context, { args }) {
    const client = await context.client();
    try {
      const record = await client.lookup(args.node, context.signal);
      return {
        data: record,
        human: formatFields([
          ['Node ID', String(record.node_id)],
          ['Address', record.address],
          ['Hostname', record.hostname === '' ? undefined : printable(record.hostname)],
          ['Visible', record.public ? 'public' : 'private'],
          ['Public key', record.public_key],
          ['Endpoint', record.real_addr],
          [
            'Version',
            record.version === undefined || record.version === '' ? undefined : printable(record.version),
          ],
        ]),
      };
    } catch (thrown) {
      const error = asPilotError(thrown);
      throw error.code === 'not_found' ? notFound(args.node, error) : error;
    }
  },
});
