import { PilotError } from '../../api/errors.ts';
import type { Files } from '../host.ts';
import { nearest } from '../suggest.ts';
import { FOREIGN_KEYS, isKeyName, KEY_NAMES, KEYS, type KeyName } from './keys.ts';

const decoder = new TextDecoder();
/** config.json as it stands: keys in file order, values unchecked. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** {} when there is no file. Errors: `state_corrupt`, `io_error`. */
export async function readConfigFile(files: Files, path: string): Promise<RawConfig> {
  const bytes = await files.read(path, 1 << 20);
  if (bytes === undefined) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new PilotError('state_corrupt', `Cannot read ${path}: not valid JSON`, {
      cause,
      hint: `correct the file, or start afresh with: mv ${path} ${path}.bad`,
    });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new PilotError('state_corrupt', `Cannot read ${path}: expected a JSON object`, {
      hint: `correct the file, or start afresh with: mv ${path} ${path}.bad`,
    });
  }
  return parsed as RawConfig;
}

/** Mode 0600: the file may name what only its owner should know. */
export async function writeConfigFile(files: Files, path: string, raw: RawConfig): Promise<void> {
  await files.replace(path, `${JSON.stringify(raw, null, 2)}\n`);
}

/** Throws `invalid_argument` for a key nobody knows. */
export function knownKey(name: string, where: string): KeyName {
  if (isKeyName(name)) return name;
  const near = nearest(name, KEY_NAMES);
  throw new PilotError('invalid_argument', `Unknown key "${name}" ${where}`, {
    hint:
      near === undefined
        ? 'list the keys with: pilotctl config'
        : `did you mean "${near}"? list the keys with: pilotctl config`,
  });
}

/** A key's value from text or JSON. Throws `invalid_argument` naming the key and a command that puts it right. */
export function readKey<K extends KeyName>(
  key: K,
  value: unknown,
  where: string,
): ReturnType<(typeof KEYS)[K]['schema']['parse']> {
  const result = KEYS[key].schema.safeParse(value);
  if (!result.success) {
    const spec: { shown?(text: string): string } = KEYS[key];
    const safe = typeof value === 'string' && spec.shown !== undefined ? spec.shown(value) : value;
    const shown = typeof safe === 'string' ? `"${safe}"` : JSON.stringify(safe);
    const reason = result.error.issues[0]?.message ?? `expected ${KEYS[key].wants}`;
    throw new PilotError('invalid_argument', `Invalid value ${shown} for "${key}" ${where}: ${reason}`, {
      hint: `set it with: pilotctl config --set ${key}=${exampleOf(key)}, or drop it with: pilotctl config --unset ${key}`,
    });
  }
  return result.data as never;
}

function exampleOf(key: KeyName): string {
  const spec: { fallback?: string | number | boolean; wants: string } = KEYS[key];
  return spec.fallback === undefined ? 'VALUE' : String(spec.fallback);
}

/** Refuses unknown keys and wrong values. Keys of other Pilot daemons pass unread. */
export function checkConfigFile(raw: RawConfig, path: string): void {
  for (const [name, value] of Object.entries(raw)) {
    if (FOREIGN_KEYS.has(name)) continue;
    if (!isKeyName(name)) {
      const near = nearest(name, KEY_NAMES);
      throw new PilotError('invalid_argument', `Unknown key "${name}" in ${path}`, {
        hint: `${near === undefined ? '' : `did you mean "${near}"? `}remove it with: pilotctl config --unset ${name}`,
      });
    }
    readKey(name, value, `in ${path}`);
  }
}
