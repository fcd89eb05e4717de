/**
 * Pilot for TypeScript: talk to the node on this machine.
 *
 * ```ts
 * const pilot = await connectPilot();
 * await pilot.sendMessage('node-b', { type: 'text', data: new TextEncoder().encode('hello') });
 * pilot.close();
 * ```
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { nodeClock, nodeCrypto, nodeFileReading, nodeNet, nodeRandom } from './platform/index.ts';
import { type FileSource, PilotClient } from './sdk/index.ts';

export * from './sdk/index.ts';

/**
 * Connects to the daemon. The socket is `socketPath`, else `$PILOT_SOCKET`, else `pilot.sock` in `$PILOT_HOME` or in
 * `~/.pilot`. Errors: `not_running`.
 */
export function connectPilot(options: { socketPath?: string; client?: string } = {}): Promise<PilotClient> {
  const { PILOT_SOCKET, PILOT_HOME } = process.env;
  const socketPath =
    options.socketPath ?? PILOT_SOCKET ?? join(PILOT_HOME ?? join(homedir(), '.pilot'), 'pilot.sock');
  return PilotClient.connect({
    net: nodeNet(),
    clock: nodeClock(),
    crypto: nodeCrypto(),
    random: nodeRandom(),
    socketPath,
    ...(options.client !== undefined && { client: options.client }),
  });
}

/** A file for `sendFile`; close it afterwards. Errors: `io_error`, `permission_denied`, `invalid_argument`. */
export function openFile(path: string): Promise<FileSource> {
  return nodeFileReading(path);
}
