import type { Log } from '../../src/runtime/ports.ts';

/**
 * Resolves at SIGTERM or SIGINT. Until then a failure nobody caught is logged and ends the process: going on in an
 * unknown state could break promises made to peers, and a supervisor or the next start finds everything on disk.
 */
export function untilStopped(log: Log): Promise<void> {
  const fatal = (error: unknown): void => {
    log.event('error', 'process.failed', { error });
    process.exit(1);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  process.on('SIGHUP', () => {});
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.event('info', 'process.stopping', { signal });
        resolve();
      });
    }
  });
}
