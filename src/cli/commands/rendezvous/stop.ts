import { PilotError } from '../../../api/errors.ts';
import { holderOf } from '../../background/run-file.ts';
import { stopProgram } from '../../background/stop.ts';
import { defineCommand } from '../../command.ts';

export const rendezvousStop = defineCommand({
  name: 'rendezvous stop',
  group: 'Registry and beacon',
  summary: 'Stop the registry and beacon',
  details:
    'What is stored stays. Daemons keep their tunnels with direct paths and register again when it is back.',
  timeout: '30s',
  returns: '{pid, forced}',
  examples: [{ line: 'pilotctl rendezvous stop', about: 'Stop it' }],
  async run(context) {
    const running = await holderOf(context.host, context.home.rendezvous.run);
    if (running === undefined) {
      throw new PilotError('not_running', 'The rendezvous is not running', {
        hint: 'start it with: pilotctl rendezvous start',
      });
    }
    const forced = await stopProgram(context, running);
    return {
      data: { pid: running.pid, forced },
      human: `rendezvous ${forced ? 'force-stopped' : 'stopped'} (pid ${running.pid})`,
    };
  },
});
