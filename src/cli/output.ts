import { asPilotError, PilotError } from '../api/errors.ts';
import type { Result } from './command.ts';
import type { Sink } from './host.ts';
import { printable } from './text.ts';

/** JSON with the keys of every object in order, so that output can be compared and diffed. */
export function stableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, inner: unknown) => sorted(inner), indent);
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries);
}

/** The answer of a command that failed half way, for programs: what did happen. */
export class PartialFailure extends Error {
  readonly error: PilotError;
  readonly data: unknown;

  constructor(error: PilotError, data: unknown) {
    super(error.message, { cause: error });
    this.error = error;
    this.data = data;
  }
}

/** A check that failed: people asked for the exit status only. */
export class QuietFailure extends PilotError {}

/**
 * Everything a command prints. stdout carries the answer, stderr all else. spec/22 §1.1
 * With JSON on, stdout gets one line at the end and stderr one line on failure; notes and lines are dropped.
 */
export class Output {
  readonly json: boolean;
  readonly #stdout: Sink;
  readonly #stderr: Sink;

  constructor(json: boolean, stdout: Sink, stderr: Sink) {
    this.json = json;
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /** Part of the human answer, as soon as it is known. */
  line(text: string): void {
    if (!this.json) this.#stdout.write(`${text}\n`);
  }

  /** What a peer sent, byte for byte when it goes to a file or program, made safe when a person reads it. */
  received(data: Uint8Array): void {
    if (this.json || data.length === 0) return;
    if (!this.#stdout.isTerminal) {
      this.#stdout.write(data);
      return;
    }
    const text = printable(new TextDecoder().decode(data));
    this.#stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** Progress and remarks, on stderr. */
  note(text: string): void {
    if (!this.json) this.#stderr.write(`${text}\n`);
  }

  /** Unterminated progress, on stderr. */
  fragment(text: string): void {
    if (!this.json) this.#stderr.write(text);
  }

  result(result: Result): void {
    if (this.json) {
      this.#stdout.write(`${stableJson({ data: result.data, status: 'ok' })}\n`);
      return;
    }
    const text = result.human ?? stableJson(result.data, 2);
    if (text !== '') this.#stdout.write(`${text}\n`);
  }

  failure(thrown: unknown): void {
    const partial = thrown instanceof PartialFailure ? thrown : undefined;
    const error = partial?.error ?? asPilotError(thrown);
    if (this.json) {
      const envelope = { code: error.code, hint: error.hint, message: error.message, status: 'error' };
      this.#stderr.write(
        `${stableJson(partial === undefined ? envelope : { ...envelope, data: partial.data })}\n`,
      );
      return;
    }
    if (error instanceof QuietFailure) return;
    this.#stderr.write(`error: ${printable(error.message)}\n`);
    if (error.hint !== '') this.#stderr.write(`hint:  ${printable(error.hint)}\n`);
  }
}
