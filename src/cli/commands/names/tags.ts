import { defineCommand } from '../../command.ts';
import { tagText } from './tag-values.ts';

export const tags = defineCommand({
  name: 'tags',
  group: 'Names and visibility',
  summary: 'Show the tags of this node',
  timeout: '15s',
  returns: '{node_id, tags}',
  examples: [{ line: 'pilotctl tags', about: 'What can others find this node by?' }],
  async run(context) {
    const client = await context.client();
    const { node_id, tags } = await client.info();
    return { data: { node_id, tags }, human: tags.length === 0 ? 'no tags' : tagText(tags) };
  },
});
