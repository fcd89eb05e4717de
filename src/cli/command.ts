import type { Context } from './context.ts';
import type { Value } from './values.ts';

/** A positional argument. With a default or `optional`, it may be left out. */
export interface Argument<T = unknown> {
  readonly value: Value<T>;
  readonly summary: string;
  readonly optional?: true;
  readonly fallback?: string;
}

/** A flag. Without `value` it is a switch. */
export interface Flag<T = unknown> {
  readonly value?: Value<T>;
  readonly summary: string;
  /** Text parsed when the flag is absent; shown in help. */
  readonly fallback?: string;
  /** Text parsed when the flag is given without a value, `--flag`; a value that follows must be a valid one. */
  readonly bare?: string;
  /** One-letter form, without the dash. */
  readonly short?: string;
  /** A switch that is on unless `--no-NAME` is given. */
  readonly negated?: true;
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

type ArgumentResult<A> =
  A extends Argument<infer T> ? (A extends { optional: true } ? T | undefined : T) : never;
type FlagResult<F> = F extends { value: Value<infer T> }
  ? F extends { fallback: string }
    ? T
    : T | undefined
  : boolean;

export type ArgumentsOf<A> = { readonly [K in keyof A]: ArgumentResult<A[K]> };
export type FlagsOf<F> = { readonly [K in keyof F]: FlagResult<F[K]> };

/** What a command answers. Human output is `human` when given, else the data as indented JSON. */
export interface Result {
  readonly data: unknown;
  /** Printed on stdout in human mode; '' prints nothing. */
  readonly human?: string;
}

/** A command as data: the parser, `--help`, `pilotctl context` and docs/commands.md all derive from it. */
export interface Command {
  /** Words after `pilotctl`, such as `daemon start`. */
  readonly name: string;
  readonly group: Group;
  /** One line, imperative, no full stop. */
  readonly summary: string;
  readonly details?: string;
  readonly args: Readonly<Record<string, Argument>>;
  readonly flags: Readonly<Record<string, Flag>>;
  readonly examples: readonly Example[];
  /** Shape of `data` with --json, in words. */
  readonly returns: string;
  /** Default length of the whole command, or `none`; `--timeout` overrides it. Absent: the command has no --timeout. */
  readonly timeout?: string;
  run(context: Context, input: CommandInput): Promise<Result>;
}

export interface CommandInput {
  readonly args: Readonly<Record<string, unknown>>;
  readonly flags: Readonly<Record<string, unknown>>;
}

export const GROUPS = [
  'Set-up',
  'Daemon',
  'Names and visibility',
  'Identity',
  'Trust',
  'Networks',
  'Messages and files',
  'Agents',
  'Streams',
  'Diagnostics',
  'Registry and beacon',
  'About',
] as const;
export type Group = (typeof GROUPS)[number];

type Spec<A, F> = Omit<Command, 'args' | 'flags' | 'run'> & {
  readonly args?: A;
  readonly flags?: F;
  run(
    context: Context,
    input: { readonly args: ArgumentsOf<A>; readonly flags: FlagsOf<F> },
  ): Promise<Result>;
};

/** Gives `run` the types of the arguments and flags it declares. */
export function defineCommand<
  // biome-ignore lint/complexity/noBannedTypes: a command without arguments has none
  const A extends Readonly<Record<string, Argument>> = {},
  // biome-ignore lint/complexity/noBannedTypes: a command without flags has none
  const F extends Readonly<Record<string, Flag>> = {},
>(spec: Spec<A, F>): Command {
  return {
    ...spec,
    args: spec.args ?? {},
    flags: spec.flags ?? {},
    run: (context, input) =>
      spec.run(context, { args: input.args as ArgumentsOf<A>, flags: input.flags as FlagsOf<F> }),
  };
}
