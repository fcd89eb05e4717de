import { defineCommand } from '../../command.ts';
import { followInConfig } from '../../config/follow.ts';

export const setPrivate = defineCommand({
  name: 'set-private',
  group: 'Names and visibility',
  summary: 'Let only trusted peers find and reach this node',
  timeout: '15s',
  returns: '{node_id, visibility: "private", type: "set_visibility_ok"}',
  examples: [{ line: 'pilotctl set-private', about: 'Become private' }],
  async run(context) {
    const client = await context.client();
    const changed = await client.setVisibility(false);
    await followInConfig(context, 'public', false);
    return { data: { ...changed, type: 'set_visibility_ok' }, human: `visibility: ${changed.visibility}` };
  },
});
