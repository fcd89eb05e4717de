/** The command line of the programs here: `--name value`, `--flag`, and words. */
export interface RunOptions {
  /** Rounds over all contenders. */
  readonly runs: number;
  /** How long one bulk transfer should take. */
  readonly seconds: number;
  /** Everything as small as it can be: does it work, not how fast is it. */
  readonly short: boolean;
}

export function text(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

export function number(name: string, fallback: number): number {
  const given = text(name);
  if (given === undefined) return fallback;
  const value = Number(given);
  if (!Number.isFinite(value)) throw new RangeError(`--${name} takes a number, not ${given}`);
  return value;
}

export function flag(name: string): boolean {
  return process.argv.includes(`--${name}`);
}

export function runOptions(): RunOptions {
  const short = flag('short');
  return { short, runs: number('runs', short ? 1 : 5), seconds: number('seconds', short ? 0.2 : 1.5) };
}
