import { defineCommand } from '../../command.ts';
import { printable } from '../../text.ts';
import { text } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkJoin = defineCommand({
  name: 'network join',
  group: 'Networks',
  summary: 'Join a network',
  details:
    'Its members can then reach this node, and this node them, as far as the policy of the network allows.',
  args: { network: NETWORK_ARG },
  flags: { token: { value: text, summary: 'token of the network, when it asks for one' } },
  timeout: '30s',
  returns: '{network_id, name, address}',
  examples: [
    { line: 'pilotctl network join lab --token SECRET', about: 'Join a network that asks for a token' },
    { line: 'pilotctl network members lab', about: 'Then see who is there' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const joined = await client.networks.join(args.network, flags.token);
    const label = joined.name === '' ? args.network : joined.name;
    return {
      data: joined,
      human: `joined network ${printable(label)} (${joined.network_id})\nthis node is ${joined.address} there`,
    };
  },
});
