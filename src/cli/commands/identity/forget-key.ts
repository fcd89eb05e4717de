import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';

export const forgetKey = defineCommand({
  name: 'forget-key',
  group: 'Identity',
  summary: 'Let go of the key this node holds a peer to',
  details:
    'Keys of nodes without trust are pinned at first use, and a silent change is refused. When the owner has confirmed the new key, forget the old one: the next use pins what the registry presents then. Trust has to be withdrawn first.',
  args: { peer: { value: peer, summary: 'hostname, address or node id' } },
  timeout: '15s',
  returns: '{node_id, fingerprint}; the fingerprint that was forgotten',
  examples: [{ line: 'pilotctl forget-key weather', about: 'The service was set up anew' }],
  async run(context, { args }) {
    const client = await context.client();
    const data = await client.identity.forgetKey(args.peer, context.signal);
    return { data, human: `forgot the key ${data.fingerprint} of node ${data.node_id}` };
  },
});
