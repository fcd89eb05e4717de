import { PilotError } from '../api/errors.ts';
import { utf8 } from '../base/bytes.ts';
import type { Flag } from './command.ts';
import type { Context } from './context.ts';
import { path, text } from './values.ts';

/** Largest payload read into memory; larger ones are files for send-file. spec/21 §2.1 */
export const PAYLOAD_LIMIT = 16 * 1024 * 1024;

/** Flags of every command that sends data. */
export const PAYLOAD_FLAGS = {
  data: { value: text, summary: 'what to send; `-` reads standard input' },
  dataFile: { value: path, summary: 'send the content of this file' },
} as const satisfies Record<string, Flag>;

/** The data named by --data or --data-file; undefined when neither is given. Errors: `invalid_argument`, `not_found`, `too_large`. */
export async function readPayload(
  context: Context,
  flags: { readonly data: string | undefined; readonly dataFile: string | undefined },
): Promise<Uint8Array | undefined> {
  if (flags.data !== undefined && flags.dataFile !== undefined) {
    throw new PilotError('invalid_argument', 'Both --data and --data-file are given', {
      hint: 'give one of them',
    });
  }
  if (flags.data === '-') return await context.host.stdin.readAll(PAYLOAD_LIMIT);
  if (flags.data !== undefined) return utf8(flags.data);
  if (flags.dataFile === undefined) return undefined;
  const bytes = await context.host.files.read(flags.dataFile, PAYLOAD_LIMIT).catch(tooLarge);
  if (bytes === undefined) throw fileNotFound(flags.dataFile);
  return bytes;
}

/** Like `readPayload`, for commands that need data. */
export async function needPayload(
  context: Context,
  flags: { readonly data: string | undefined; readonly dataFile: string | undefined },
  command: string,
): Promise<Uint8Array> {
  const payload = await readPayload(context, flags);
  if (payload !== undefined) return payload;
  throw new PilotError('invalid_argument', 'Nothing to send: --data is missing', {
    hint: `give --data TEXT, --data - or --data-file FILE; see: pilotctl ${command} --help`,
  });
}

export function fileNotFound(file: string): PilotError {
  return new PilotError('not_found', `File not found: ${file}`, { hint: 'check the path' });
}

function tooLarge(thrown: unknown): never {
  if (!(thrown instanceof PilotError) || thrown.code !== 'too_large') throw thrown;
  throw new PilotError('too_large', thrown.message, {
    hint: 'send large data as a file: pilotctl send-file',
    cause: thrown,
  });
}
