import { defineCommand } from '../../command.ts';
import { NETWORK_ARG } from './values.ts';

export const networkLeave = defineCommand({
  name: 'network leave',
  group: 'Networks',
  summary: 'Leave a network',
  details:
    'What rested on the membership ends at once. The owner hands the network over or deletes it instead.',
  args: { network: NETWORK_ARG },
  timeout: '30s',
  returns: '{network_id}',
  examples: [{ line: 'pilotctl network leave lab', about: 'Leave the network lab' }],
  async run(context, { args }) {
    const client = await context.client();
    const left = await client.networks.leave(args.network);
    return { data: left, human: `left network ${args.network}` };
  },
});
