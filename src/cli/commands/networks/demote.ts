import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkDemote = defineCommand({
  name: 'network demote',
  group: 'Networks',
  summary: 'Make an admin of a network a plain member',
  details: 'For the owner.',
  args: { network: NETWORK_ARG, peer: { value: peer, summary: 'admin' } },
  timeout: '30s',
  returns: '{network_id, node_id, role}',
  examples: [{ line: 'pilotctl network demote lab node-b', about: 'node-b is a member like others' }],
  async run(context, { args }) {
    const client = await context.client();
    const changed = await client.networks.demote(args.network, args.peer);
    return { data: changed, human: `${args.peer} is a member of network ${args.network}` };
  },
});
