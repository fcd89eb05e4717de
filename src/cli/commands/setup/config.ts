import { PilotError } from '../../../api/errors.ts';
import { runningDaemon } from '../../background/run-file.ts';
import { defineCommand, type Result } from '../../command.ts';
import { knownKey, readKey, writeConfigFile } from '../../config/file.ts';
import {
  type FileValue,
  FOREIGN_KEYS,
  KEY_NAMES,
  KEYS,
  type KeyName,
  variableOf,
} from '../../config/keys.ts';
import type { Context } from '../../context.ts';
import { formatTable } from '../../text.ts';
import { text } from '../../values.ts';

export const config = defineCommand({
  name: 'config',
  group: 'Set-up',
  summary: 'Show every setting and where its value comes from, or change one',
  details: 'Changes take effect when the daemon starts the next time.',
  flags: {
    set: { value: text, summary: 'store key=value in config.json' },
    unset: { value: text, summary: 'remove a key from config.json' },
  },
  returns:
    '{config_path, home, pid_file, log_file, registry, socket, settings: {KEY: {value, origin}}, ignored}; with --set {key, value}; with --unset {key}',
  examples: [
    { line: 'pilotctl config', about: 'What is in force, and why?' },
    { line: 'pilotctl config --set log_level=debug', about: 'Log more from the next start on' },
    {
      line: `pilotctl config --set 'auto_approve=[{"name":"data","everyone":true,"ports":"messages","limit":"100/day"}]'`,
      about: 'Let anyone send messages to this node, a hundred new peers a day',
    },
    { line: 'pilotctl config --unset registry', about: 'Go back to the network of this machine' },
  ],
  async run(context, { flags }) {
    if (flags.set !== undefined && flags.unset !== undefined) {
      throw new PilotError('invalid_argument', 'Both --set and --unset are given', {
        hint: 'use one at a time',
      });
    }
    if (flags.set !== undefined) return setKey(context, flags.set);
    if (flags.unset !== undefined) return unsetKey(context, flags.unset);
    return show(context);
  },
});

/** What goes with a registry and is wrong for another. */
const BELONG_TO_REGISTRY: readonly KeyName[] = [
  'registry_fallbacks',
  'registry_fingerprint',
  'registry_tls',
  'registry_trust',
  'beacon',
  'compat_beacon',
  'compat_fingerprint',
];

async function setKey(context: Context, assignment: string): Promise<Result> {
  const equals = assignment.indexOf('=');
  if (equals <= 0) {
    throw new PilotError('invalid_argument', `"${assignment}" is not of the form key=value`, {
      hint: 'pilotctl config --set key=value',
    });
  }
  const key = knownKey(assignment.slice(0, equals).trim(), 'on the command line');
  const read = readKey(key, assignment.slice(equals + 1).trim(), 'on the command line');
  const value = (KEYS[key].toFile as (value: unknown) => FileValue)(read);
  const raw: Record<string, unknown> = { ...(await context.rawConfig()) };
  if (key === 'registry' && raw.registry !== value) for (const other of BELONG_TO_REGISTRY) delete raw[other];
  // Older daemons refuse a file that says so, and here it is the default.
  if (key === 'transport' && value === 'auto') delete raw[key];
  else raw[key] = value;
  await writeConfigFile(context.host.files, context.home.config, raw);
  return {
    data: { key, value: safe(key, value) },
    human: [`${key} = ${shownValue(safe(key, value))}`, ...(await whenApplied(context))].join('\n'),
  };
}

/** Without credentials. */
function safe(key: KeyName, value: FileValue): FileValue {
  const spec: { shown?(text: string): string } = KEYS[key];
  return typeof value === 'string' && spec.shown !== undefined ? spec.shown(value) : value;
}

function shownValue(value: FileValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

async function unsetKey(context: Context, name: string): Promise<Result> {
  const raw: Record<string, unknown> = { ...(await context.rawConfig()) };
  if (!Object.hasOwn(raw, name)) {
    const shown = FOREIGN_KEYS.has(name) ? name : knownKey(name, 'on the command line');
    throw new PilotError('not_found', `${context.home.config} does not set "${shown}"`, {
      hint: 'see: pilotctl config',
    });
  }
  delete raw[name];
  if (name === 'registry') for (const other of BELONG_TO_REGISTRY) delete raw[other];
  await writeConfigFile(context.host.files, context.home.config, raw);
  return { data: { key: name }, human: [`${name} removed`, ...(await whenApplied(context))].join('\n') };
}

async function whenApplied(context: Context): Promise<string[]> {
  const running = await runningDaemon(context.host, context.home);
  return running === undefined ? [] : ['apply it with: pilotctl daemon restart'];
}

async function show(context: Context): Promise<Result> {
  const { home } = context;
  const { settings, origins } = await context.settings();
  const ignored = Object.keys(await context.rawConfig()).filter((key) => FOREIGN_KEYS.has(key));
  const values = KEY_NAMES.map((key) => {
    const value: unknown = settings[key];
    const shown = value === undefined ? null : (KEYS[key].toFile as (value: unknown) => FileValue)(value);
    return { key, value: shown === null ? null : safe(key, shown), origin: origins[key] };
  });
  const data = {
    home: home.root,
    config_path: home.config,
    pid_file: home.daemon.pid,
    log_file: home.daemon.log,
    registry: values.find(({ key }) => key === 'registry')?.value ?? '',
    socket: settings.socket,
    settings: Object.fromEntries(values.map(({ key, value, origin }) => [key, { value, origin }])),
    ignored,
  };
  const rows = values.map(({ key, value, origin }) => [
    key,
    value === null ? '-' : shownValue(value),
    origin === 'environment' ? variableOf(key) : origin === 'file' ? 'config.json' : origin,
  ]);
  const notes = ignored.length === 0 ? [] : [`without effect here: ${ignored.join(', ')}`];
  return {
    data,
    human: [formatTable(['KEY', 'VALUE', 'FROM'], rows), ...notes, `file: ${home.config}`].join('\n'),
  };
}
