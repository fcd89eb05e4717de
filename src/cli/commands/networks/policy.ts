import type { NetworkPolicyRow } from '../../../sdk/index.ts';
import { isJsonObject } from '../../../wire/json.ts';
import { defineCommand } from '../../command.ts';
import { formatFields, formatTable, printable } from '../../text.ts';
import { describePolicyPorts, NETWORK_ARG } from './values.ts';

export const networkPolicy = defineCommand({
  name: 'network policy',
  group: 'Networks',
  summary: 'Show what a network lets its members do',
  args: { network: NETWORK_ARG },
  timeout: '15s',
  returns: '{network_id, name, allowed_ports, max_members, description, expr_policy, tags}',
  examples: [
    { line: 'pilotctl network policy lab', about: 'What passes in the network lab?' },
    { line: 'pilotctl network set-policy lab --ports messages,80', about: 'Let only these ports pass' },
  ],
  async run(context, { args }) {
    const client = await context.client();
    const policy = await client.networks.policy(args.network, context.signal);
    return { data: policy, human: describePolicy(policy) };
  },
});

export function describePolicy(policy: NetworkPolicyRow): string {
  const { expr_policy: document, allowed_ports: ports } = policy;
  const fields = formatFields([
    [
      'Network',
      policy.name === '' ? String(policy.network_id) : `${printable(policy.name)} (${policy.network_id})`,
    ],
    ['Description', policy.description === '' ? undefined : printable(policy.description)],
    ['Members', policy.max_members === 0 ? undefined : `at most ${policy.max_members}`],
    ['Ports', document === null ? describePolicyPorts(ports) : 'the rules below decide'],
  ]);
  if (document === null) return fields;
  const rules = Array.isArray(document.rules) ? document.rules.filter(isJsonObject) : [];
  const rows = rules.map(({ name, on, match, actions }) => [
    printable(String(name)),
    printable(String(on)),
    verdictOf(actions),
    printable(String(match)),
  ]);
  return `${fields}\n\n${formatTable(['RULE', 'ON', 'DOES', 'WHEN'], rows)}`;
}

function verdictOf(actions: unknown): string {
  const types = Array.isArray(actions)
    ? actions.filter(isJsonObject).map((action) => String(action.type))
    : [];
  return printable(types.find((type) => type === 'allow' || type === 'deny') ?? '-');
}
