import { PilotError } from '../api/errors.ts';

type Given = Readonly<Record<string, unknown>>;

/** A string parameter of a call. Without `fallback` it must be there. Errors: `invalid_argument`. */
export function textParam(params: Given, name: string, fallback?: string): string {
  const value = params[name];
  if (typeof value === 'string') return value;
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  throw new PilotError('invalid_argument', `Parameter ${name} must be a string`);
}

/** A whole number of `least` to `most`. Errors: `invalid_argument`. */
export function intParam(
  params: Given,
  name: string,
  least: number,
  most: number,
  fallback?: number,
): number {
  const value = params[name];
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PilotError('invalid_argument', `Parameter ${name} must be a whole number of ${least} to ${most}`);
}

/** One of the words. Errors: `invalid_argument`. */
export function choiceParam<W extends string>(
  params: Given,
  name: string,
  words: readonly W[],
  fallback: W,
): W {
  const value = params[name];
  if (value === undefined || value === null) return fallback;
  const word = words.find((each) => each === value);
  if (word !== undefined) return word;
  throw new PilotError('invalid_argument', `Parameter ${name} must be one of: ${words.join(', ')}`);
}

/** Errors: `invalid_argument`. */
export function flagParam(params: Given, name: string, fallback?: boolean): boolean {
  const value = params[name];
  if (typeof value === 'boolean') return value;
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  throw new PilotError('invalid_argument', `Parameter ${name} must be true or false`);
}
