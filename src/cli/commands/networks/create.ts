import { defineCommand } from '../../command.ts';
import { formatFields, printable } from '../../text.ts';
import { hostname, oneOf, path, text } from '../../values.ts';
import { readPolicyFile, readTokenFile } from './values.ts';

export const networkCreate = defineCommand({
  name: 'network create',
  group: 'Networks',
  summary: 'Create a network, and be its owner',
  details:
    'Members of a network may reach each other without asking for trust, as far as its policy allows and while they ' +
    'are members. Anybody may join an open network; with the rule token those who know the token; with invite those ' +
    'who accept an invitation. A token is shown this once: the registry keeps only its hash.',
  args: { name: { value: hostname, summary: 'what the network is called; unique at the registry' } },
  flags: {
    joinRule: {
      value: oneOf('rule', ['open', 'token', 'invite']),
      fallback: 'open',
      summary: 'who may join: open, token or invite',
    },
    token: { value: text, summary: 'the token to ask for; without it one is made' },
    policy: { value: path, summary: 'file with an expression policy' },
    operatorTokenFile: {
      value: path,
      summary: 'file with the token of the operator, where only the operator makes networks',
    },
  },
  timeout: '30s',
  returns: '{network_id, name, address, join_rule, token?}',
  examples: [
    { line: 'pilotctl network create lab --join-rule token', about: 'A network for those who get the token' },
    { line: 'pilotctl network create data --policy data-exchange.json', about: 'An open one with a policy' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const policy = flags.policy === undefined ? undefined : await readPolicyFile(context, flags.policy);
    const joinRule = flags.token !== undefined && flags.joinRule === 'open' ? 'token' : flags.joinRule;
    const made = await client.networks.create({
      name: args.name,
      joinRule,
      ...(flags.token !== undefined && { token: flags.token }),
      ...(policy !== undefined && { policy }),
      ...(flags.operatorTokenFile !== undefined && {
        operatorToken: await readTokenFile(context, flags.operatorTokenFile),
      }),
    });
    const token = made.token ?? flags.token;
    const next =
      made.join_rule === 'invite'
        ? `invite a node with: pilotctl network invite ${made.name} PEER`
        : `others join with: pilotctl network join ${made.name}${token === undefined ? '' : ` --token ${printable(token)}`}`;
    const fields = formatFields([
      ['Network', `${made.name} (${made.network_id})`],
      ['Address', made.address],
      ['Joining', made.join_rule],
      ['Token', made.token === undefined ? undefined : printable(made.token)],
    ]);
    return { data: made, human: `${fields}\n${next}` };
  },
});
