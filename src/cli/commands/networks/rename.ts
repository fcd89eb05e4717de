import { defineCommand } from '../../command.ts';
import { hostname } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkRename = defineCommand({
  name: 'network rename',
  group: 'Networks',
  summary: 'Change the name of a network',
  details: 'For owners and admins. Its number, and with it all addresses, stay.',
  args: { network: NETWORK_ARG, name: { value: hostname, summary: 'new name' } },
  timeout: '30s',
  returns: '{network_id, name}',
  examples: [{ line: 'pilotctl network rename lab workshop', about: 'The network lab is now workshop' }],
  async run(context, { args }) {
    const client = await context.client();
    const renamed = await client.networks.rename(args.network, args.name);
    return { data: renamed, human: `network ${args.network} is now ${renamed.name}` };
  },
});
