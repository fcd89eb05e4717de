import { defineCommand } from '../../command.ts';
import { formatTable, printable } from '../../text.ts';
import { wholeNumber } from '../../values.ts';
import { describeTags, NETWORK_ARG } from './values.ts';

export const networkMembers = defineCommand({
  name: 'network members',
  group: 'Networks',
  summary: 'List the members of a network',
  details: 'Only members see who the others are.',
  args: { network: NETWORK_ARG },
  flags: {
    after: { value: wholeNumber('node', 0, 0xffff_ffff), summary: 'go on after this node' },
    limit: { value: wholeNumber('count', 1, 200), fallback: '100', summary: 'members to show' },
  },
  timeout: '15s',
  returns:
    '{network_id, members: [{node_id, address, hostname, role, tags, public, online, since}], cursor?}',
  examples: [
    { line: 'pilotctl network members lab', about: 'Who is in the network lab?' },
    { line: 'pilotctl send-message 1:0001.0000.0002 --data hi', about: 'Write to one of them' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const page = await client.networks.members(args.network, {
      limit: flags.limit,
      signal: context.signal,
      ...(flags.after !== undefined && { after: flags.after }),
    });
    const rows = page.members.map((member) => [
      String(member.node_id),
      member.address,
      printable(member.hostname),
      member.role,
      describeTags(member.tags),
      member.online ? 'yes' : 'no',
      member.public ? 'public' : 'private',
    ]);
    const head = ['NODE ID', 'ADDRESS', 'HOSTNAME', 'ROLE', 'TAGS', 'ONLINE', 'VISIBLE'];
    const more =
      page.cursor === undefined
        ? ''
        : `\nmore with: pilotctl network members ${args.network} --after ${page.cursor}`;
    return { data: page, human: `${formatTable(head, rows)}${more}` };
  },
});
