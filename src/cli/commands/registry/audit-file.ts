/** Files of audit entries, one a line, as they are exported. */
import { PilotError } from '../../../api/errors.ts';
import { fromUtf8Strict } from '../../../base/bytes.ts';
import {
  AUDIT_LINE_LIMIT,
  type AuditEntry,
  type ChainFault,
  type ChainVerifier,
  decodeAuditLine,
} from '../../../wire/audit-entry.ts';

const LINE_FEED = 10;

/** Reads lines from chunks. */
export class LineReader {
  #rest: Uint8Array[] = [];
  #length = 0;

  /** Calls `onLine` for each line that is complete. Errors: `state_corrupt` for one that is too long or no text. */
  push(chunk: Uint8Array, onLine: (line: string) => void): void {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      onLine(this.#line(chunk.subarray(from, at)));
      from = at + 1;
    }
    this.#rest.push(chunk.slice(from));
    this.#length += chunk.length - from;
    // A character of the text has at most three bytes.
    if (this.#length > 3 * AUDIT_LINE_LIMIT) throw damaged('a line is too long');
  }
  /** True when the last line has no end. */
  get torn(): boolean {
    return this.#length > 0;
  }

  #line(end: Uint8Array): string {
    const whole = new Uint8Array(this.#length + end.length);
    let at = 0;
    for (const part of [...this.#rest, end]) {
      whole.set(part, at);
      at += part.length;
    }
    this.#rest = [];
    this.#length = 0;
    const line = fromUtf8Strict(whole);
    if (line === undefined) throw damaged('a line is no text');
    return line;
  }
}

/** Adds a line to the chain. Errors: `state_corrupt`, with what is wrong and where. */
export function addLine(verifier: ChainVerifier, line: string): void {
  const entry = decodeAuditLine(line);
  if (typeof entry === 'string') {
    const after =
      verifier.head === undefined ? 'the first line' : `the line after entry ${verifier.head.seq}`;
    throw damaged(`${after} is no entry (${entry})`);
  }
  addEntry(verifier, entry);
}

export function addEntry(verifier: ChainVerifier, entry: AuditEntry): void {
  const fault = verifier.add(entry);
  if (fault !== undefined) throw damaged(describe(fault));
}

function describe({ seq, problem }: ChainFault): string {
  switch (problem) {
    case 'edited':
      return `entry ${seq} was changed`;
    case 'missing':
      return `entries are missing or out of order before entry ${seq}`;
    case 'broken':
      return `entry ${seq} does not follow the one before it`;
    case 'rewritten':
      return `entry ${seq} has another hash than the one noted`;
    default:
      return problem satisfies never;
  }
}

export function damaged(what: string): PilotError {
  return new PilotError('state_corrupt', `The audit log is not what it was: ${what}`, {
    hint: 'compare with an earlier export: pilotctl registry audit verify FILE',
  });
}
