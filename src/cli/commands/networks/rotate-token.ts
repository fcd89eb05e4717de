import { defineCommand } from '../../command.ts';
import { printable } from '../../text.ts';
import { text } from '../../values.ts';
import { NETWORK_ARG } from './values.ts';

export const networkRotateToken = defineCommand({
  name: 'network rotate-token',
  group: 'Networks',
  summary: 'Change the token that lets nodes join a network',
  details:
    'For owners and admins. The old token ceases to work; members stay. The new one is shown this once.',
  args: { network: NETWORK_ARG },
  flags: { token: { value: text, summary: 'the new token; without it one is made' } },
  timeout: '30s',
  returns: '{network_id, token}',
  examples: [{ line: 'pilotctl network rotate-token lab', about: 'A new token for the network lab' }],
  async run(context, { args, flags }) {
    const client = await context.client();
    const rotated = await client.networks.rotateToken(args.network, flags.token);
    const token = printable(rotated.token);
    return {
      data: rotated,
      human: `${token}\nothers join with: pilotctl network join ${args.network} --token ${token}`,
    };
  },
});
