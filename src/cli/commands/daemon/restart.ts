import type { DaemonFacts } from '../../background/launch.ts';
import { runningDaemon } from '../../background/run-file.ts';
import { stopProgram } from '../../background/stop.ts';
import { defineCommand } from '../../command.ts';
import { startDaemon } from './start.ts';

export const daemonRestart = defineCommand({
  name: 'daemon restart',
  group: 'Daemon',
  summary: 'Stop the daemon if it runs, and start it with the same flags',
  timeout: '45s',
  returns: 'as `daemon start`',
  examples: [{ line: 'pilotctl daemon restart', about: 'Apply changes of the configuration' }],
  async run(context) {
    const running = await runningDaemon(context.host, context.home);
    const facts = running?.facts as Partial<DaemonFacts> | undefined;
    // Mistakes in the configuration show before anything is stopped.
    await context.settings(facts?.flags ?? {});
    if (running !== undefined) {
      await stopProgram(context, running);
      context.output.note(`daemon stopped (pid ${running.pid})`);
    }
    return startDaemon(context, facts?.flags ?? {}, false);
  },
});
