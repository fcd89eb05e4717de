import { defineCommand } from '../../command.ts';
import { describeAll } from '../../docs.ts';

export const contextCommand = defineCommand({
  name: 'context',
  group: 'About',
  summary: 'Describe every command, error code and variable, for programs and agents',
  returns:
    '{version, commands: {NAME: {summary, args, flags, returns, examples}}, error_codes, global_flags, environment, config_keys, config_file}',
  examples: [{ line: 'pilotctl context --json', about: 'The catalogue in one line' }],
  async run(context) {
    return { data: describeAll(context.catalogue, context.host.version, context.home.config) };
  },
});
