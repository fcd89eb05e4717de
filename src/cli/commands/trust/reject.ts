import { defineCommand } from '../../command.ts';
import { peer, text } from '../../values.ts';
import { notAsked } from './not-asked.ts';

export const reject = defineCommand({
  name: 'reject',
  group: 'Trust',
  summary: 'Refuse a pending request for trust',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id that asked' },
    reason: { value: text, summary: 'told to the peer', fallback: '' },
  },
  timeout: '15s',
  returns: '{status: "rejected", node_id}',
  examples: [{ line: 'pilotctl reject 7 "unknown to us"', about: 'Refuse node 7, and say why' }],
  async run(context, { args }) {
    const client = await context.client();
    const rejected = await client.reject(args.peer, args.reason).catch(notAsked);
    return { data: rejected, human: `rejected the request of node ${rejected.node_id}` };
  },
});
