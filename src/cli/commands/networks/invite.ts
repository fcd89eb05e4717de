import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkInvite = defineCommand({
  name: 'network invite',
  group: 'Networks',
  summary: 'Invite a node to a network',
  details: 'For owners and admins. An invitation that is not answered ends after 30 days.',
  args: { network: NETWORK_ARG, peer: { value: peer, summary: 'whom to invite' } },
  timeout: '30s',
  returns: '{network_id, node_id, status}; status is invited or already_invited',
  examples: [
    { line: 'pilotctl network invite lab node-b', about: 'Ask node-b to come' },
    { line: 'pilotctl network accept-invite lab', about: 'There: accept' },
  ],
  async run(context, { args }) {
    const client = await context.client();
    const invited = await client.networks.invite(args.network, args.peer);
    const what = invited.status === 'invited' ? 'invited' : 'had already invited';
    return {
      data: invited,
      human: `${what} ${args.peer} to network ${args.network}\nthere: pilotctl network accept-invite ${args.network}`,
    };
  },
});
