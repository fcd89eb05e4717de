import { execFile } from 'node:child_process';
import { PilotError } from '../../src/api/errors.ts';

const TIMEOUT = 10_000;
const MAX_OUTPUT = 65_536;

/** What a shell command prints. Neither that nor its errors are repeated: both may hold credentials. */
export function shell(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'sh',
      ['-c', command],
      { timeout: TIMEOUT, maxBuffer: MAX_OUTPUT, killSignal: 'SIGKILL' },
      (error, stdout) => {
        if (error === null) resolve(stdout);
        else {
          const how = error.killed ? 'it took too long or printed too much' : `exit status ${error.code}`;
          reject(new PilotError('unavailable', `The command for the proxy failed: ${how}`));
        }
      },
    );
    child.stdin?.end();
  });
}
