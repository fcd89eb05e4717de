import { defineCommand } from '../../command.ts';
import { formatTable, printable } from '../../text.ts';

export const networkInvites = defineCommand({
  name: 'network invites',
  group: 'Networks',
  summary: 'List invitations to networks that wait for an answer',
  timeout: '15s',
  returns: '{invites: [{network_id, name, inviter_id, inviter, timestamp, expires}]}',
  examples: [
    { line: 'pilotctl network invites', about: 'Who has invited this node?' },
    { line: 'pilotctl network accept-invite lab', about: 'Accept one' },
  ],
  async run(context) {
    const client = await context.client();
    const invites = await client.networks.invites();
    if (invites.length === 0) return { data: { invites }, human: 'no invitations' };
    const rows = invites.map((invite) => [
      String(invite.network_id),
      printable(invite.name),
      invite.inviter === '' ? String(invite.inviter_id) : printable(invite.inviter),
      context.host.localTime(invite.timestamp * 1000),
      context.host.localTime(invite.expires * 1000),
    ]);
    return {
      data: { invites },
      human: formatTable(['NETWORK', 'NAME', 'INVITED BY', 'SINCE', 'UNTIL'], rows),
    };
  },
});
