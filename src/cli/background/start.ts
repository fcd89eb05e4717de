import { isErrorCode, PilotError } from '../../api/errors.ts';
import type { Context } from '../context.ts';
import type { Program } from '../host.ts';
import { formatSpan } from '../text.ts';

/**
 * Starts a background program and waits until it says that it is ready; its remarks go to stderr.
 * Returns its pid and facts. Errors: what the program reports; `timeout`; `internal` when it dies without a word.
 */
export async function startProgram(
  context: Context,
  program: Program,
  settings: unknown,
  logFile: string,
): Promise<{ pid: number; facts: Readonly<Record<string, unknown>> }> {
  const { host, output, signal } = context;
  const started = host.clock.now();
  const launched = await host.processes.launch(program, settings, logFile);
  output.note(`starting ${program} (pid ${launched.pid})...`);
  const stop = (): void => {
    host.processes.signal(launched.pid, 'SIGTERM');
  };
  signal.addEventListener('abort', stop);
  try {
    for (;;) {
      const report = await launched.next();
      if (signal.aborted) throw abandoned(program, signal.reason, host.clock.now() - started, logFile);
      if (report === undefined) {
        throw new PilotError(
          'internal',
          `The ${program} ended while it started: ${launched.ending() ?? 'unknown'}`,
          {
            hint: `see the log: tail ${logFile}`,
          },
        );
      }
      if (report.type === 'ready') return { pid: launched.pid, facts: report.facts };
      if (report.type === 'failed') {
        const code = isErrorCode(report.code) ? report.code : 'internal';
        throw new PilotError(code, report.message, { hint: report.hint });
      }
      output.note(report.text);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    launched.release();
  }
}

function abandoned(program: Program, reason: unknown, elapsed: number, logFile: string): PilotError {
  if (reason instanceof PilotError && reason.code === 'timeout') {
    return new PilotError(
      'timeout',
      `The ${program} was not ready within ${formatSpan(elapsed)} and was stopped`,
      {
        hint: `see the log: tail ${logFile}`,
      },
    );
  }
  return new PilotError('cancelled', `Stopped starting the ${program}`);
}
