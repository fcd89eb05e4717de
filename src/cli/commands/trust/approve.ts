import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';
import { notAsked } from './not-asked.ts';

export const approve = defineCommand({
  name: 'approve',
  group: 'Trust',
  summary: 'Grant a pending request for trust',
  args: { peer: { value: peer, summary: 'hostname, address or node id that asked' } },
  timeout: '15s',
  returns: '{status: "approved", node_id}',
  examples: [{ line: 'pilotctl approve node-a', about: 'Trust node-a, which has asked' }],
  async run(context, { args }) {
    const client = await context.client();
    const approved = await client.approve(args.peer).catch(notAsked);
    return {
      data: approved,
      human: `trust established with node ${approved.node_id}\ntry: pilotctl ping ${args.peer}`,
    };
  },
});
