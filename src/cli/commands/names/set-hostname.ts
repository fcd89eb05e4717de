import { defineCommand } from '../../command.ts';
import { followInConfig } from '../../config/follow.ts';
import { hostname } from '../../values.ts';

export const setHostname = defineCommand({
  name: 'set-hostname',
  group: 'Names and visibility',
  summary: 'Give this node a name',
  details: 'The name stays after restarts. Peers that this node trusts can use it at once.',
  args: { hostname: { value: hostname, summary: 'lower-case letters, digits and hyphens' } },
  timeout: '15s',
  returns: '{hostname, node_id}',
  examples: [{ line: 'pilotctl set-hostname build-agent', about: 'Be found as build-agent' }],
  async run(context, { args }) {
    const client = await context.client();
    const { node_id, hostname: name } = await client.setHostname(args.hostname);
    await followInConfig(context, 'hostname', name);
    return { data: { hostname: name, node_id }, human: `hostname set: ${name}` };
  },
});
