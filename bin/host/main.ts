import { runCli } from '../../src/cli/main.ts';
import { nodeHost } from './node-host.ts';

/** Runs a command line and ends the process once everything printed has been taken. */
export async function main(argv: readonly string[]): Promise<never> {
  const status = await runCli(nodeHost(), argv);
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((done) => {
      stream.write('', () => done());
    });
  }
  process.exit(status);
}
