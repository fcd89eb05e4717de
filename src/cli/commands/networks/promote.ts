import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkPromote = defineCommand({
  name: 'network promote',
  group: 'Networks',
  summary: 'Make a member an admin of a network',
  details: 'For the owner. Admins invite, put out, tag and set policies.',
  args: { network: NETWORK_ARG, peer: { value: peer, summary: 'member' } },
  timeout: '30s',
  returns: '{network_id, node_id, role}',
  examples: [{ line: 'pilotctl network promote lab node-b', about: 'node-b helps to run the network lab' }],
  async run(context, { args }) {
    const client = await context.client();
    const changed = await client.networks.promote(args.network, args.peer);
    return { data: changed, human: `${args.peer} is an admin of network ${args.network}` };
  },
});
