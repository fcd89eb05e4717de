import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkTransfer = defineCommand({
  name: 'network transfer',
  group: 'Networks',
  summary: 'Hand a network over to another member',
  details: 'For the owner, who stays as an admin.',
  args: { network: NETWORK_ARG, peer: { value: peer, summary: 'member that becomes owner' } },
  timeout: '30s',
  returns: '{network_id, node_id, role}',
  examples: [{ line: 'pilotctl network transfer lab node-b', about: 'node-b owns the network lab' }],
  async run(context, { args }) {
    const client = await context.client();
    const changed = await client.networks.transfer(args.network, args.peer);
    return { data: changed, human: `${args.peer} owns network ${args.network}; this node is an admin of it` };
  },
});
