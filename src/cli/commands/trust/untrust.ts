import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';

export const untrust = defineCommand({
  name: 'untrust',
  group: 'Trust',
  summary: 'Withdraw trust from a peer',
  details:
    'Takes effect at once: open streams end, and the peer is told. New trust needs a new request and approval.',
  args: { peer: { value: peer, summary: 'hostname, address or node id' } },
  timeout: '15s',
  returns: '{status: "revoked", node_id}',
  examples: [{ line: 'pilotctl untrust node-b', about: 'No longer trust node-b' }],
  async run(context, { args }) {
    const client = await context.client();
    const revoked = await client.untrust(args.peer);
    return { data: revoked, human: `no longer trusting node ${revoked.node_id}` };
  },
});
