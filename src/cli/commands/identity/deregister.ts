import { defineCommand } from '../../command.ts';

export const deregister = defineCommand({
  name: 'deregister',
  group: 'Identity',
  summary: 'Take this node out of the registry',
  details:
    'Nobody finds the node until the daemon is started again; with the same identity it then gets the same address. The node id is never given to anybody else.',
  timeout: '15s',
  returns: '{node_id, type: "deregister_ok"}',
  examples: [{ line: 'pilotctl deregister', about: 'Before the machine is given away' }],
  async run(context) {
    const client = await context.client();
    const { node_id } = await client.deregister();
    return {
      data: { node_id, type: 'deregister_ok' },
      human: `node ${node_id} is out of the registry until the daemon starts again`,
    };
  },
});
