import {
  Argument as CommanderArgument,
  Command as CommanderCommand,
  CommanderError,
  Option,
} from 'commander';
import { PilotError } from '../api/errors.ts';
import type { Command, CommandInput } from './command.ts';
import { GROUPS } from './command.ts';
import { nearest } from './suggest.ts';
import { duration, type Value } from './values.ts';

/** What the arguments ask for. */
export type Invocation =
  | {
      readonly kind: 'run';
      readonly command: Command;
      readonly input: CommandInput;
      readonly timeout: number | undefined;
      readonly json: boolean;
    }
  /** Help or version, asked for. */
  | { readonly kind: 'answer'; readonly text: string; readonly command: Command | undefined }
  /** Nothing to do was named: usage for stderr. */
  | { readonly kind: 'usage'; readonly text: string }
  | { readonly kind: 'refused'; readonly error: PilotError; readonly exit: number };

/** Words of `pilotctl` flags in kebab case from the camel-case names of the catalogue. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** True when --json stands among the arguments as a flag; errors found while parsing follow it too. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

/** Reads the arguments against the catalogue. Never throws. */
export function parseArguments(
  catalogue: readonly Command[],
  argv: readonly string[],
  version: string,
): Invocation {
  const printed: string[] = [];
  let chosen: { command: Command; texts: Chosen } | undefined;
  const root = buildProgram(catalogue, version, printed, (command, texts) => {
    chosen = { command, texts };
  });
  const asked = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
  const words = withBareFlags(catalogue, asked);
  try {
    root.parse([...words], { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError) return explain(thrown, catalogue, words, printed.join(''));
    throw thrown;
  }
  if (chosen === undefined) return { kind: 'usage', text: printed.join('') };
  return readValues(chosen.command, chosen.texts);
}

/** Gives flags that may stand alone their value, unless a valid one follows. */
function withBareFlags(catalogue: readonly Command[], argv: readonly string[]): readonly string[] {
  const flags = find(catalogue, namedCommand(catalogue, argv))?.flags ?? {};
  const end = argv.indexOf('--');
  return argv.map((word, at) => {
    const entry = Object.entries(flags).find(([key]) => word === `--${flagName(key)}`);
    const flag = entry?.[1];
    if (flag?.value === undefined || flag.bare === undefined || (end >= 0 && at > end)) return word;
    return isValid(flag.value, argv[at + 1]) ? word : `${word}=${flag.bare}`;
  });
}

function isValid(value: Value<unknown>, input: string | undefined): boolean {
  try {
    if (input !== undefined) value.parse(input);
    return input !== undefined;
  } catch {
    return false;
  }
}

interface Chosen {
  readonly args: readonly (string | undefined)[];
  readonly flags: Readonly<Record<string, unknown>>;
}

type OnChosen = (command: Command, texts: Chosen) => void;

function buildProgram(
  catalogue: readonly Command[],
  version: string,
  printed: string[],
  onChosen: OnChosen,
): CommanderCommand {
  const root = configure(new CommanderCommand('pilotctl'), printed)
    .description('Find, trust and talk to other agents over the Pilot network.')
    .usage('COMMAND [arguments] [--json]')
    .version(version, '-V, --version', 'print the version')
    .addHelpCommand(
      new CommanderCommand('help')
        .argument('[command]')
        .description('Show how to use a command')
        .helpGroup('About:'),
    )
    .addHelpText(
      'after',
      '\nPeers are named by hostname, address (0:0000.0000.0002) or node id.\nEvery command has --help with examples, and --json.\n\nStart with:\n  $ pilotctl daemon start',
    );
  const parents = new Map<string, CommanderCommand>([['', root]]);
  for (const group of GROUPS) {
    for (const command of catalogue.filter((entry) => entry.group === group))
      addCommand(parents, command, printed, onChosen);
  }
  return root;
}

function configure(command: CommanderCommand, printed: string[]): CommanderCommand {
  return command
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .allowExcessArguments(false)
    .helpOption('-h, --help', 'show this help')
    .addOption(new Option('--json', 'print one line of JSON'))
    .configureHelp({
      helpWidth: 100,
      subcommandTerm: (entry) => `${entry.name()} ${entry.usage().replace(/\[options\] ?/, '')}`.trim(),
    })
    .configureOutput({
      writeOut: (text) => printed.push(text),
      writeErr: (text) => printed.push(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
      outputError: () => {},
    });
}

function addCommand(
  parents: Map<string, CommanderCommand>,
  command: Command,
  printed: string[],
  onChosen: OnChosen,
): void {
  const words = command.name.split(' ');
  const last = words.pop() ?? '';
  const parent = parentOf(parents, words, command.group, printed);
  const own = configure(new CommanderCommand(last), printed)
    .summary(command.summary)
    .description(
      command.details === undefined ? `${command.summary}.` : `${command.summary}.\n\n${command.details}`,
    )
    .helpCommand(false)
    .helpGroup(`${command.group}:`);
  for (const [name, argument] of Object.entries(command.args)) {
    const optional = argument.optional === true || argument.fallback !== undefined;
    const shown = new CommanderArgument(optional ? `[${name}]` : `<${name}>`, argument.summary);
    own.addArgument(argument.fallback === undefined ? shown : shown.default(argument.fallback));
  }
  for (const [key, flag] of Object.entries(command.flags)) {
    const long = `--${flag.negated === true ? 'no-' : ''}${flagName(key)}`;
    const value = flag.value === undefined ? '' : valueShown(flag.value.label, flag.bare);
    const option = new Option(
      `${flag.short === undefined ? '' : `-${flag.short}, `}${long}${value}`,
      flag.summary,
    );
    own.addOption(flag.fallback === undefined ? option : option.default(flag.fallback, flag.fallback));
  }
  if (command.timeout !== undefined) {
    own.addOption(
      new Option('--timeout <duration>', 'give up when the whole command takes longer').default(
        command.timeout,
      ),
    );
  }
  own.addHelpText(
    'after',
    `\nExamples:\n${command.examples.map((entry) => `  # ${entry.about}\n  $ ${entry.line}`).join('\n')}`,
  );
  own.action((...passed: unknown[]) => {
    const args = passed.slice(0, Object.keys(command.args).length) as (string | undefined)[];
    onChosen(command, { args, flags: own.optsWithGlobals() });
  });
  parents.set(command.name, own);
  parent.addCommand(own);
}

function valueShown(label: string, bare: string | undefined): string {
  return bare === undefined ? ` <${label}>` : ` [${label}]`;
}

function parentOf(
  parents: Map<string, CommanderCommand>,
  words: readonly string[],
  group: string,
  printed: string[],
): CommanderCommand {
  const name = words.join(' ');
  const known = parents.get(name);
  if (known !== undefined) return known;
  const above = parentOf(parents, words.slice(0, -1), group, printed);
  const noun = configure(new CommanderCommand(words.at(-1) ?? ''), printed)
    .description(NOUNS[name] ?? name)
    .helpCommand(false)
    .helpGroup(`${group}:`);
  parents.set(name, noun);
  above.addCommand(noun);
  return noun;
}

/** Words that only group commands. */
export const NOUNS: Readonly<Record<string, string>> = {
  daemon: 'The background process that is this node: start, stop, status, logs, restart',
  identity: 'The identity of this node: backup, restore',
  service: 'What this node offers in its signed record: add, remove, list',
  agent: 'Programs that answer messages',
  rendezvous: 'A registry and beacon of your own: start, stop, status, logs',
  registry: 'What the operator of a registry does: backup, restore, token, audit, webhook',
  'registry token': 'Admin tokens: create, list, revoke',
  'registry audit': 'The audit log: export, verify, head',
  'registry webhook': 'Webhooks: add, list, change, remove, test, dead, redeliver',
};

function readValues(command: Command, texts: Chosen): Invocation {
  try {
    const args = Object.entries(command.args).map(([name, argument], at) => {
      const given = texts.args[at];
      return [name, given === undefined ? undefined : read(argument.value, given, `<${name}>`)] as const;
    });
    const flags = Object.entries(command.flags).map(([key, flag]) => {
      const given = texts.flags[key];
      if (flag.value === undefined) return [key, given === undefined ? false : given] as const;
      return [
        key,
        typeof given === 'string' ? read(flag.value, given, `--${flagName(key)}`) : undefined,
      ] as const;
    });
    const limit = texts.flags.timeout;
    const timeout =
      typeof limit !== 'string' || limit === 'none' ? undefined : read(duration, limit, '--timeout');
    return {
      kind: 'run',
      command,
      input: { args: Object.fromEntries(args), flags: Object.fromEntries(flags) },
      timeout,
      json: texts.flags.json === true,
    };
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    const error = new PilotError('invalid_argument', thrown.message, {
      hint: `see: pilotctl ${command.name} --help`,
    });
    return { kind: 'refused', error, exit: 1 };
  }
}

function read<T>(value: Value<T>, input: string, what: string): T {
  try {
    return value.parse(input);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new RangeError(`Invalid value "${input}" for ${what}: ${thrown.message}`);
  }
}

/** Turns the parser's complaint into ours: what is wrong, and what to type instead. */
function explain(
  thrown: CommanderError,
  catalogue: readonly Command[],
  argv: readonly string[],
  printed: string,
): Invocation {
  const named = namedCommand(catalogue, argv);
  if (thrown.code === 'commander.version') {
    return { kind: 'answer', text: printed.trimEnd(), command: find(catalogue, 'version') };
  }
  if (thrown.code === 'commander.helpDisplayed') {
    const word = argv.find((entry) => !entry.startsWith('-'));
    if (named === '' && word !== undefined) return refused(unknownCommand(catalogue, word), argv);
    return { kind: 'answer', text: printed.trimEnd(), command: find(catalogue, named) };
  }
  if (thrown.code === 'commander.help') {
    const choices = subcommands(catalogue, named);
    if (choices.length === 0) return { kind: 'usage', text: printed };
    const hint = `choose one of: ${choices.map((name) => `pilotctl ${named} ${name}`).join(', ')}`;
    return { kind: 'refused', error: refusal(`Missing command after "${named}"`, hint), exit: 1 };
  }
  if (thrown.code === 'commander.unknownCommand')
    return refused(unknownSubcommand(catalogue, named, argv), argv);
  if (thrown.code === 'commander.excessArguments' && subcommands(catalogue, named).length > 0) {
    return refused(unknownSubcommand(catalogue, named, argv), argv);
  }
  const [first = '', second] = thrown.message.split('\n');
  const message = first
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .replaceAll("'", '"');
  const suggestion = second?.replace(/^\(D/, 'd').replace(/\?\)$/, '? ') ?? '';
  const hint = `${suggestion}see: pilotctl ${named === '' ? '' : `${named} `}--help`;
  return {
    kind: 'refused',
    error: refusal(`${message.charAt(0).toUpperCase()}${message.slice(1)}`, hint),
    exit: 1,
  };
}

function refusal(message: string, hint: string): PilotError {
  return new PilotError('invalid_argument', message, { hint });
}

/** An unknown command is a usage error to a shell; programs that ask for JSON get the one status of all errors. */
function refused(error: PilotError, argv: readonly string[]): Invocation {
  return { kind: 'refused', error, exit: wantsJson(argv) ? 1 : 2 };
}

function unknownCommand(catalogue: readonly Command[], word: string): PilotError {
  const near = nearest(word, new Set(catalogue.map((entry) => entry.name.split(' ')[0] ?? '')));
  const hint = `${near === undefined ? '' : `did you mean "pilotctl ${near}"? `}see the list with: pilotctl --help`;
  return refusal(`Unknown command "${word}"`, hint);
}

function unknownSubcommand(catalogue: readonly Command[], noun: string, argv: readonly string[]): PilotError {
  const words = argv.filter((entry) => !entry.startsWith('-'));
  const word = words[noun === '' ? 0 : noun.split(' ').length] ?? '';
  if (noun === '') return unknownCommand(catalogue, word);
  const choices = subcommands(catalogue, noun);
  const near = nearest(word, new Set([...choices, ...choices.map((name) => name.split(' ')[0] ?? '')]));
  const hint = `${near === undefined ? '' : `did you mean "pilotctl ${noun} ${near}"? `}see: pilotctl ${noun} --help`;
  return refusal(`Unknown command "${noun} ${word}"`, hint);
}

function subcommands(catalogue: readonly Command[], noun: string): string[] {
  if (noun === '') return [];
  return catalogue
    .filter((entry) => entry.name.startsWith(`${noun} `))
    .map((entry) => entry.name.slice(noun.length + 1));
}

function find(catalogue: readonly Command[], name: string): Command | undefined {
  return catalogue.find((entry) => entry.name === name);
}

/** The command or group the first words name, as far as they name one. */
function namedCommand(catalogue: readonly Command[], argv: readonly string[]): string {
  const words = argv.filter((word) => !word.startsWith('-'));
  if (words[0] === 'help') words.shift();
  for (let count = Math.min(3, words.length); count > 0; count--) {
    const name = words.slice(0, count).join(' ');
    if (catalogue.some((entry) => entry.name === name || entry.name.startsWith(`${name} `))) return name;
  }
  return '';
}
