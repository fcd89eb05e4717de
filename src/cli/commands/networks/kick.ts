import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkKick = defineCommand({
  name: 'network kick',
  group: 'Networks',
  summary: 'Put a member out of a network',
  details:
    'For owners and admins. Streams that rested on the membership are reset at once. Who knows the token can join ' +
    'again: change it with `network rotate-token`.',
  args: { network: NETWORK_ARG, peer: { value: peer, summary: 'member to put out' } },
  timeout: '30s',
  returns: '{network_id, node_id, status}',
  examples: [
    { line: 'pilotctl network kick lab node-b', about: 'Put node-b out' },
    { line: 'pilotctl network rotate-token lab', about: 'Keep it out' },
  ],
  async run(context, { args }) {
    const client = await context.client();
    const kicked = await client.networks.kick(args.network, args.peer);
    return { data: kicked, human: `put ${args.peer} out of network ${args.network}` };
  },
});
