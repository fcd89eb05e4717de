import { defineCommand } from '../../command.ts';
import { followInConfig } from '../../config/follow.ts';

export const setPublic = defineCommand({
  name: 'set-public',
  group: 'Names and visibility',
  summary: 'Let anyone on the network find and reach this node',
  timeout: '15s',
  returns: '{node_id, visibility: "public", type: "set_visibility_ok"}',
  examples: [{ line: 'pilotctl set-public', about: 'Become public' }],
  async run(context) {
    const client = await context.client();
    const changed = await client.setVisibility(true);
    await followInConfig(context, 'public', true);
    return { data: { ...changed, type: 'set_visibility_ok' }, human: `visibility: ${changed.visibility}` };
  },
});
