import { PilotError } from '../../../api/errors.ts';
import { defineCommand } from '../../command.ts';
import { printable } from '../../text.ts';
import { path, text, wholeNumber } from '../../values.ts';
import { describePolicy } from './policy.ts';
import { NETWORK_ARG, networkPorts, readPolicyFile } from './values.ts';

export const networkSetPolicy = defineCommand({
  name: 'network set-policy',
  group: 'Networks',
  summary: 'Change what a network lets its members do',
  details:
    'For owners and admins. An expression policy replaces the list of ports, and members enforce it on both ends. Try ' +
    'one first with `network test-policy`. What is not given stays.',
  args: { network: NETWORK_ARG },
  flags: {
    ports: {
      value: networkPorts,
      summary: 'ports that may be reached, such as 80,messages; all for no limit',
    },
    file: { value: path, summary: 'file with an expression policy' },
    clear: { summary: 'remove the expression policy' },
    maxMembers: { value: wholeNumber('count', 0, 10_000), summary: 'most members; 0 for no limit' },
    description: { value: text, summary: 'what the network is for' },
  },
  timeout: '30s',
  returns:
    '{network_id, name, allowed_ports, max_members, description, expr_policy, tags, notes}; notes name what has no effect',
  examples: [
    { line: 'pilotctl network set-policy lab --ports echo,messages', about: 'Only echo and messages' },
    { line: 'pilotctl network set-policy lab --file policy.json', about: 'Let rules decide' },
    { line: 'pilotctl network set-policy lab --clear --ports all', about: 'No limits' },
  ],
  async run(context, { args, flags }) {
    if (flags.clear && flags.file !== undefined) {
      throw new PilotError('invalid_argument', 'Both --clear and --file are given', {
        hint: 'give one of them',
      });
    }
    const document = flags.file === undefined ? undefined : await readPolicyFile(context, flags.file);
    const client = await context.client();
    const policy = await client.networks.setPolicy(args.network, {
      ...(flags.ports !== undefined && { allowed_ports: flags.ports }),
      ...(flags.maxMembers !== undefined && { max_members: flags.maxMembers }),
      ...(flags.description !== undefined && { description: flags.description }),
      ...(document !== undefined && { expr_policy: document }),
      ...(flags.clear && { expr_policy: null }),
    });
    const notes = policy.notes.map((note) => `\nnote: ${printable(note)}`).join('');
    return { data: policy, human: `${describePolicy(policy)}${notes}` };
  },
});
