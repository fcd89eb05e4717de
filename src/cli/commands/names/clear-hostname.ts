import { defineCommand } from '../../command.ts';
import { followInConfig } from '../../config/follow.ts';

export const clearHostname = defineCommand({
  name: 'clear-hostname',
  group: 'Names and visibility',
  summary: 'Give up the name of this node',
  timeout: '15s',
  returns: '{hostname: ""}',
  examples: [{ line: 'pilotctl clear-hostname', about: 'Be known by address only' }],
  async run(context) {
    const client = await context.client();
    await client.setHostname('');
    await followInConfig(context, 'hostname', undefined);
    return { data: { hostname: '' }, human: 'hostname cleared' };
  },
});
