import { defineCommand } from '../../command.ts';
import { needPayload, PAYLOAD_FLAGS } from '../../payload.ts';
import { plural } from '../../text.ts';
import { peer, port } from '../../values.ts';

export const dgram = defineCommand({
  name: 'dgram',
  group: 'Streams',
  summary: 'Send one datagram to a port of a peer, or of everybody in a network; succeeds once it has left',
  args: {
    peer: {
      value: peer,
      summary: 'hostname, address or node id; N:NNNN.FFFF.FFFF is everybody in network N',
    },
    port: { value: port, summary: 'port at the peer' },
  },
  flags: PAYLOAD_FLAGS,
  timeout: '15s',
  returns: '{target, port, bytes, recipients, skipped}; skipped: members whom the policy leaves out',
  examples: [
    { line: 'pilotctl dgram node-b 5000 --data "tick"', about: 'Send one packet, which may get lost' },
    {
      line: 'pilotctl dgram 5:0005.FFFF.FFFF 5000 --data "tick"',
      about: 'Send it to everybody in network 5',
    },
  ],
  async run(context, { args, flags }) {
    const payload = await needPayload(context, flags, 'dgram');
    const client = await context.client();
    const { signal } = context;
    const sent = await client.sendDatagram(args.peer, args.port, payload, { confirm: true, signal });
    return {
      data: { target: args.peer, port: args.port, bytes: payload.length, ...sent },
      human: `sent ${plural(payload.length, 'byte')} to ${plural(sent.recipients, 'node')}`,
    };
  },
});
