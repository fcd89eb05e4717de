import { defineCommand } from '../../command.ts';
import { needPayload, PAYLOAD_FLAGS } from '../../payload.ts';
import { peer, port } from '../../values.ts';
import { sendAndReceive } from './talk.ts';

export const send = defineCommand({
  name: 'send',
  group: 'Streams',
  summary: 'Send data to a port of a peer and print what comes back',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    port: { value: port, summary: 'port at the peer' },
  },
  flags: PAYLOAD_FLAGS,
  timeout: '30s',
  returns: '{target, port, sent, response | response_b64}; response is "" when the peer closed without one',
  examples: [
    { line: 'pilotctl send node-b 1000 --data "status?"', about: 'Ask a service of node-b' },
    { line: 'pilotctl send node-b 1000 --data-file request.json', about: 'Send the content of a file' },
  ],
  async run(context, { args, flags }) {
    return sendAndReceive(context, args.peer, args.port, await needPayload(context, flags, 'send'));
  },
});
