import { PilotError } from '../../../api/errors.ts';
import { runningDaemon } from '../../background/run-file.ts';
import { stopProgram } from '../../background/stop.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';

export const daemonStop = defineCommand({
  name: 'daemon stop',
  group: 'Daemon',
  summary: 'Stop the daemon and wait until it is gone',
  timeout: '30s',
  returns: '{pid, forced}',
  examples: [
    { line: 'pilotctl daemon stop', about: 'Stop it; address, name and trust stay for the next start' },
  ],
  async run(context) {
    const running = await runningDaemon(context.host, context.home);
    if (running === undefined) throw await notRunning(context);
    const forced = await stopProgram(context, running);
    return {
      data: { pid: running.pid, forced },
      human: `daemon ${forced ? 'force-stopped' : 'stopped'} (pid ${running.pid})`,
    };
  },
});

/** Tells a daemon of another home, which answers on our socket, from none at all. */
async function notRunning(context: Context): Promise<PilotError> {
  const { settings } = await context.settings();
  const socket = await context.host.files.info(settings.socket);
  if (socket !== undefined && (await answers(context, settings.socket))) {
    return new PilotError(
      'not_running',
      `A daemon answers on ${settings.socket}, but it was not started from ${context.home.root}`,
      {
        hint: 'stop it with the PILOT_HOME it was started with',
      },
    );
  }
  return new PilotError('not_running', 'The daemon is not running', {
    hint: 'start the daemon with: pilotctl daemon start',
  });
}

export async function answers(context: Context, socket: string): Promise<boolean> {
  try {
    (await context.host.net.connectLocal(socket)).destroy();
    return true;
  } catch {
    return false;
  }
}
