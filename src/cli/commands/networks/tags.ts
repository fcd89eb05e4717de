import { defineCommand } from '../../command.ts';
import { peer } from '../../values.ts';
import { describeTags, NETWORK_ARG, tagList } from './values.ts';

export const networkTags = defineCommand({
  name: 'network tags',
  group: 'Networks',
  summary: 'Show or set the tags of a member',
  details:
    'Policies look at member tags. Owners and admins set them, which is why they say more than the tags a node gives ' +
    'itself with `set-tags`. They end with the membership.',
  args: { network: NETWORK_ARG, peer: { value: peer, summary: 'member' } },
  flags: {
    set: { value: tagList, summary: 'tags it has from now on, such as service,eu' },
    clear: { summary: 'take all tags away' },
  },
  timeout: '30s',
  returns: '{network_id, node_id, tags}',
  examples: [
    { line: 'pilotctl network tags lab node-b', about: 'What tags has node-b?' },
    { line: 'pilotctl network tags lab node-b --set service', about: 'Make it a service' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const wanted = flags.clear ? [] : flags.set;
    const tags = await client.networks.tags(args.network, args.peer, wanted);
    return { data: tags, human: describeTags(tags.tags) };
  },
});
