import { defineCommand } from '../../command.ts';
import { tag, tagText } from './tag-values.ts';

export const setTags = defineCommand({
  name: 'set-tags',
  group: 'Names and visibility',
  summary: 'Replace the tags this node can be found by',
  details:
    'A public node is found by its tags with find --tag; a private one only by members of its networks.',
  args: {
    first: { value: tag, summary: 'a tag' },
    second: { value: tag, summary: 'another', optional: true },
    third: { value: tag, summary: 'and another', optional: true },
  },
  timeout: '15s',
  returns: '{node_id, tags}',
  examples: [{ line: 'pilotctl set-tags weather forecast', about: 'Two tags' }],
  async run(context, { args }) {
    const client = await context.client();
    const given = [args.first, args.second, args.third].filter((name) => name !== undefined);
    const data = await client.setTags([...new Set(given)]);
    return { data, human: `tags set: ${tagText(data.tags)}` };
  },
});
