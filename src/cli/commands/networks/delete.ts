import { defineCommand } from '../../command.ts';
import { NETWORK_ARG } from './values.ts';

export const networkDelete = defineCommand({
  name: 'network delete',
  group: 'Networks',
  summary: 'Delete a network',
  details: 'For the owner. All memberships end with it, and its number is never used again.',
  args: { network: NETWORK_ARG },
  timeout: '30s',
  returns: '{network_id}',
  examples: [{ line: 'pilotctl network delete lab', about: 'Delete the network lab' }],
  async run(context, { args }) {
    const client = await context.client();
    const deleted = await client.networks.delete(args.network);
    return { data: deleted, human: `deleted network ${args.network}` };
  },
});
