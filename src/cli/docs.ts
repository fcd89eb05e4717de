import { ERRORS } from '../api/errors.ts';
import { type Command, GROUPS } from './command.ts';
import { KEY_NAMES, KEYS, variableOf } from './config/keys.ts';
import { flagName } from './program.ts';

/** Variables that are not config keys. */
export const VARIABLES: Readonly<Record<string, string>> = {
  PILOT_HOME:
    'Directory of the node’s state. By default `~/.pilot`. Several nodes on one machine need one each',
  PILOT_RUNTIME_DIR: 'Where daemons of one machine find each other’s registry when none is configured',
};

interface ParameterInfo {
  readonly name: string;
  readonly value?: string;
  readonly summary: string;
  readonly default?: string;
  readonly required?: boolean;
}

/** One command, for programs. */
export interface CommandInfo {
  readonly name: string;
  readonly group: string;
  readonly description: string;
  readonly usage: string;
  readonly args: readonly ParameterInfo[];
  readonly flags: readonly ParameterInfo[];
  readonly returns: string;
  readonly examples: readonly { line: string; about: string }[];
}

export function describeCommand(command: Command): CommandInfo {
  const args = Object.entries(command.args).map(([name, argument]) => ({
    name,
    value: argument.value.label,
    summary: argument.summary,
    required: argument.optional !== true && argument.fallback === undefined,
    ...(argument.fallback === undefined || argument.fallback === '' ? {} : { default: argument.fallback }),
  }));
  const flags = Object.entries(command.flags).map(([key, flag]) => ({
    name: `--${flag.negated === true ? 'no-' : ''}${flagName(key)}`,
    ...(flag.value === undefined ? {} : { value: flag.value.label }),
    summary: flag.summary,
    ...(flag.bare === undefined ? {} : { alone: flag.bare }),
    ...(flag.fallback === undefined ? {} : { default: flag.fallback }),
  }));
  const limit =
    command.timeout === undefined
      ? []
      : [
          {
            name: '--timeout',
            value: 'duration',
            summary: 'give up when the whole command takes longer',
            default: command.timeout,
          },
        ];
  const words = args.map(({ name, required }) => (required ? `<${name}>` : `[${name}]`));
  return {
    name: command.name,
    group: command.group,
    description: command.details === undefined ? command.summary : `${command.summary}. ${command.details}`,
    usage: ['pilotctl', command.name, ...words, ...(flags.length + limit.length > 0 ? ['[flags]'] : [])].join(
      ' ',
    ),
    args,
    flags: [...flags, ...limit],
    returns: command.returns,
    examples: command.examples,
  };
}

/** What `pilotctl context` prints. Keys of spec/22 §2.1, and more. */
export function describeAll(catalogue: readonly Command[], version: string, configFile: string): object {
  return {
    version,
    commands: Object.fromEntries(catalogue.map((command) => [command.name, describeCommand(command)])),
    error_codes: Object.fromEntries(
      Object.entries(ERRORS).map(([code, { exit, retryable, hint }]) => [code, { exit, retryable, hint }]),
    ),
    global_flags: {
      '--json': 'one line of JSON on stdout; errors as JSON on stderr',
      '--help': 'how to use a command',
    },
    environment: {
      ...VARIABLES,
      ...Object.fromEntries(KEY_NAMES.map((key) => [variableOf(key), `sets "${key}"`])),
    },
    config_keys: Object.fromEntries(
      KEY_NAMES.map((key) => [key, { wants: KEYS[key].wants, summary: KEYS[key].summary }]),
    ),
    config_file: configFile,
  };
}

/** docs/commands.md */
export function commandsMarkdown(catalogue: readonly Command[]): string {
  const sections = GROUPS.map((group) => {
    const members = catalogue.filter((command) => command.group === group);
    return [`## ${group}`, ...members.map(commandSection)].join('\n\n');
  });
  return `${[
    '# Commands',
    'Written by `npm run docs` from the catalogue in `src/cli`; a test compares the two.',
    'Peers are named by hostname, address (`0:0000.0000.0002`) or node id everywhere. Every command takes `--json` ' +
      '(one line `{"data":…,"status":"ok"}` on standard output, or `{"code":…,"hint":…,"message":…,"status":"error"}` on ' +
      'standard error) and `--help`. `--timeout` covers the whole command. The exit status is 0 only when what was asked ' +
      'has happened; 2 when no command, or an unknown one, was named; else 1. Error codes: [errors.md](errors.md). ' +
      'Configuration: [config.md](config.md).',
    ...sections,
  ].join('\n\n')}\n`;
}

function commandSection(command: Command): string {
  const info = describeCommand(command);
  const parameters = [
    ...info.args.map((argument) => ({ ...argument, name: `<${argument.name}>` })),
    ...info.flags,
  ];
  const lines = parameters.map((parameter) => {
    const value =
      parameter.name.startsWith('--') && parameter.value !== undefined ? ` <${parameter.value}>` : '';
    const fallback = parameter.default === undefined ? '' : ` (default \`${parameter.default}\`)`;
    return `- \`${parameter.name}${value}\` ${parameter.summary}${fallback}`;
  });
  return [
    `### pilotctl ${command.name}`,
    `${info.description}.`.replace(/\.\.$/, '.'),
    `\`${info.usage}\``,
    ...(lines.length === 0 ? [] : [lines.join('\n')]),
    `Data: \`${info.returns}\``,
    `\`\`\`\n${info.examples.map(({ line, about }) => `# ${about}\n${line}`).join('\n')}\n\`\`\``,
  ].join('\n\n');
}

/** docs/config.md */
export function configMarkdown(): string {
  const rows = KEY_NAMES.map((key) => {
    const spec: { wants: string; summary: string; fallback?: string | number | boolean } = KEYS[key];
    const fallback = spec.fallback === undefined ? '' : `\`${String(spec.fallback)}\``;
    return `| \`${key}\` | \`${variableOf(key)}\` | ${spec.wants} | ${fallback} | ${spec.summary} |`;
  });
  const variables = Object.entries(VARIABLES).map(([name, about]) => `| \`${name}\` | ${about} |`);
  return `${[
    '# Configuration',
    'Written by `npm run docs` from the catalogue in `src/cli`; a test compares the two.',
    'A value is taken from the first of: command-line flag, environment variable, `config.json`, default. `pilotctl config` ' +
      'shows every value in force and where it comes from. `pilotctl config --set key=value` and `--unset key` change the ' +
      'file; unknown keys and wrong values are refused. The file is `$PILOT_HOME/config.json`, mode 0600.',
    `| key | variable | value | default | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}`,
    'Keys that other Pilot daemons keep in the same file (spec/22 §4.1, spec/23 §4) are left alone and have no effect.',
    `## Other variables\n\n| variable | meaning |\n|---|---|\n${variables.join('\n')}`,
  ].join('\n\n')}\n`;
}
