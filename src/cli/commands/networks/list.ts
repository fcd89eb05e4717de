import { asPilotError } from '../../../api/errors.ts';
import type { ListedNetworkRow, NetworkRow } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import { formatTable, plural, printable } from '../../text.ts';
import { wholeNumber } from '../../values.ts';
import { describeTags } from './values.ts';

export const networkList = defineCommand({
  name: 'network list',
  group: 'Networks',
  summary: 'List the networks of this node, and those anybody may join',
  details: 'While the registry is away, only those of this node, as last known.',
  flags: {
    after: { value: wholeNumber('number', 0, 65_535), summary: 'go on after this network' },
    limit: {
      value: wholeNumber('count', 1, 200),
      fallback: '100',
      summary: 'networks of others to show',
    },
  },
  timeout: '15s',
  returns:
    '{networks: [{network_id, name, address, role, join_rule, members, tags, policy, policy_error?, description, since}], open: [{network_id, name, join_rule, members, created, joined}], invites, cursor?}; invites: how many wait for an answer',
  examples: [{ line: 'pilotctl network list', about: 'Which networks am I in?' }],
  async run(context, { flags }) {
    const client = await context.client();
    const networks = await client.networks.own(context.signal);
    const page = { limit: flags.limit, signal: context.signal };
    const { networks: listed, cursor } = await client.networks
      .list({ ...page, ...(flags.after !== undefined && { after: flags.after }) })
      .catch((thrown: unknown) => whenAway(thrown, networks));
    const open = listed.filter((network) => !network.joined);
    // Worth a line, not a failure.
    const invites = await client.networks.invites().catch(() => []);
    const waiting =
      invites.length === 0 ? '' : `\n${plural(invites.length, 'invitation')}: pilotctl network invites`;
    const more = cursor === undefined ? '' : `\nmore with: pilotctl network list --after ${cursor}`;
    return {
      data: { networks, open, invites: invites.length, ...(cursor !== undefined && { cursor }) },
      human: `${describeOwn(networks)}${describeOpen(open)}${more}${waiting}`,
    };
  },
});

function describeOwn(networks: readonly NetworkRow[]): string {
  if (networks.length === 0) return 'in no network\njoin one with: pilotctl network join NETWORK';
  const rows = networks.map((network) => [
    String(network.network_id),
    printable(network.name),
    network.address,
    network.role,
    printable(network.join_rule),
    String(network.members),
    describeTags(network.tags),
    network.policy_error === undefined ? network.policy : 'broken',
  ]);
  const broken = networks
    .filter((network) => network.policy_error !== undefined)
    .map(
      (network) => `\nnothing passes in ${printable(network.name)}: ${printable(network.policy_error ?? '')}`,
    );
  const head = ['ID', 'NAME', 'ADDRESS', 'ROLE', 'JOINING', 'MEMBERS', 'TAGS', 'POLICY'];
  return `${formatTable(head, rows)}${broken.join('')}`;
}

function describeOpen(open: readonly ListedNetworkRow[]): string {
  if (open.length === 0) return '';
  const rows = open.map((network) => [
    String(network.network_id),
    printable(network.name),
    printable(network.join_rule),
    String(network.members),
  ]);
  return `\n\n${formatTable(['ID', 'NOT JOINED', 'JOINING', 'MEMBERS'], rows)}`;
}

/** Without the registry our own networks are still worth showing. */
function whenAway(
  thrown: unknown,
  own: readonly NetworkRow[],
): { networks: readonly ListedNetworkRow[]; cursor?: number } {
  if (own.length > 0 && asPilotError(thrown).code === 'registry_unreachable') return { networks: [] };
  throw thrown;
}
