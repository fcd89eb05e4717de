import { PilotError } from '../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { Flag } from './command.ts';
import type { Context } from './context.ts';
import { fileNotFound } from './payload.ts';
import { path } from './values.ts';

const VARIABLE = 'PILOT_PASSPHRASE';
const LIMIT = 4096;
const LEAST = 8;

export const PASSPHRASE_FLAGS = {
  passphraseFile: {
    value: path,
    summary: `file that holds the passphrase; \`-\` reads standard input; else ${VARIABLE} counts`,
  },
} as const satisfies Record<string, Flag>;

/** Never asks: it has to work in scripts, and nothing secret belongs on a command line. Errors: `invalid_argument`, `not_found`. */
export async function readPassphrase(context: Context, file: string | undefined): Promise<Uint8Array> {
  const text = file === undefined ? context.host.env[VARIABLE] : await readFile(context, file);
  if (text === undefined || text === '') {
    throw new PilotError('invalid_argument', 'No passphrase given', {
      hint: `set ${VARIABLE}, or give --passphrase-file FILE`,
    });
  }
  if (text.length < LEAST) {
    throw new PilotError('invalid_argument', `A passphrase has at least ${LEAST} characters`);
  }
  return utf8(text);
}

/** Without the end of the line that editors add. */
async function readFile(context: Context, file: string): Promise<string> {
  const { host } = context;
  const bytes = file === '-' ? await host.stdin.readAll(LIMIT) : await host.files.read(file, LIMIT);
  if (bytes === undefined) throw fileNotFound(file);
  const text = fromUtf8Strict(bytes);
  if (text === undefined) throw new PilotError('invalid_argument', `${file} is not text`);
  return text.replace(/\r?\n$/, '');
}
