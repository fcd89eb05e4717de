import { defineCommand } from '../../command.ts';

export const clearTags = defineCommand({
  name: 'clear-tags',
  group: 'Names and visibility',
  summary: 'Remove the tags of this node',
  timeout: '15s',
  returns: '{node_id, tags: []}',
  examples: [{ line: 'pilotctl clear-tags', about: 'Be found by name alone' }],
  async run(context) {
    const client = await context.client();
    return { data: await client.setTags([]), human: 'tags cleared' };
  },
});
