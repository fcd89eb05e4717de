import { defineCommand } from '../../command.ts';

export const version = defineCommand({
  name: 'version',
  group: 'About',
  summary: 'Print the version',
  returns: '{version, wire_version: 1}',
  examples: [{ line: 'pilotctl version', about: 'Which version is this?' }],
  async run(context) {
    const { version } = context.host;
    return { data: { version, wire_version: 1 }, human: version };
  },
});
