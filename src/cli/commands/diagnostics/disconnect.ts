import { defineCommand } from '../../command.ts';
import { wholeNumber } from '../../values.ts';

export const disconnect = defineCommand({
  name: 'disconnect',
  group: 'Diagnostics',
  summary: 'Reset a stream',
  args: { id: { value: wholeNumber('id', 0, 0xffff_ffff), summary: 'id from `pilotctl connections`' } },
  timeout: '15s',
  returns: '{conn_id}',
  examples: [{ line: 'pilotctl disconnect 12', about: 'Reset stream 12' }],
  async run(context, { args }) {
    const client = await context.client();
    await client.disconnect(args.id);
    return { data: { conn_id: args.id }, human: `stream ${args.id} reset` };
  },
});
