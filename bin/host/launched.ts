import { asPilotError } from '../../src/api/errors.ts';
import type { StartReport } from '../../src/cli/host.ts';

type Run = (settings: unknown, report: (report: StartReport) => void) => Promise<void>;

/** The process side of `Processes.launch`: takes the settings, runs, and reports over the channel until ready. */
export function runLaunched(run: Run): void {
  const report = (message: StartReport): void => {
    if (process.connected) process.send?.(message);
  };
  process.once('message', ({ settings }: { settings: unknown }) => {
    run(settings, report).then(
      () => process.exit(0),
      (thrown) => {
        const { code, message, hint } = asPilotError(thrown);
        report({ type: 'failed', code, message, hint });
        console.error(thrown);
        process.exit(1);
      },
    );
  });
}
