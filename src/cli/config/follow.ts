import type { Context } from '../context.ts';
import { writeConfigFile } from './file.ts';
import type { KeyName } from './keys.ts';

/**
 * The daemon itself remembers what a command changed. config.json is touched only where it names the key already:
 * its old value would win at the next start and undo the change. `undefined` removes the key.
 */
export async function followInConfig(
  context: Context,
  key: KeyName,
  value: string | boolean | undefined,
): Promise<void> {
  const raw = await context.rawConfig();
  if (!Object.hasOwn(raw, key) || raw[key] === value) return;
  const { [key]: _old, ...rest } = raw;
  await writeConfigFile(
    context.host.files,
    context.home.config,
    value === undefined ? rest : { ...raw, [key]: value },
  );
}
