import { asPilotError } from '../../../api/errors.ts';
import { defineCommand } from '../../command.ts';
import { notFound } from '../../peers.ts';
import { formatFields } from '../../text.ts';
import { peer } from '../../values.ts';

export const find = defineCommand({
  name: 'find',
  group: 'Names and visibility',
  summary: 'Find the address of a hostname',
  details: 'A private node is found only by nodes it trusts.',
  args: { hostname: { value: peer, summary: 'name to look up' } },
  timeout: '15s',
  returns: '{hostname, node_id, address, public}',
  examples: [{ line: 'pilotctl find node-b', about: 'Where is node-b?' }],
  async run(context, { args }) {
    const client = await context.client();
    try {
      const found = await client.find(args.hostname, context.signal);
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
      throw error.code === 'not_found' ? notFound(args.hostname, error) : error;
    }
  },
});
