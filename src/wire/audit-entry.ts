/**
 * One entry of the audit log, and the chain they form: each hash covers the entry and the hash before it, so that
 * nothing can be changed, left out or put in without every later hash being another.
 *
 * hash = SHA-256(ASCII `pilot-audit-v1` LF ‖ previous hash, lower-case hex ‖ LF ‖ canonical JSON of the entry without
 * `prev` and `hash`). The hash before the first entry is 64 zeros. As a line of an export, an entry is its canonical
 * JSON with `prev` and `hash`.
 */
import { toHex, utf8 } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { NetworkId, NodeId, UnixMillis } from '../base/units.ts';
import { canonicalJson, isJsonObject, type JsonObject, parseJson } from './json.ts';

/** The hash before the first entry. */
export const CHAIN_START = '0'.repeat(64);
/** UTF-8 bytes of one line. */
export const AUDIT_LINE_LIMIT = 8192;

export type AuditDetail = string | number | boolean | readonly string[] | readonly number[];

/** What is recorded of a change. */
export interface AuditFacts {
  readonly at: UnixMillis;
  readonly action: string;
  /** `node:ID`, `token:ID`, `operator` (the operator's token), `local` (on the registry's machine) or `registry`. */
  readonly by: string;
  readonly node?: NodeId;
  readonly target?: NodeId;
  readonly network?: NetworkId;
  /** Network address the request came from. */
  readonly source?: string;
  readonly details?: Readonly<Record<string, AuditDetail>>;
}

export interface AuditEntry extends AuditFacts {
  /** Counts from 1, without gaps. */
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
}

/** A place in the chain. */
export interface ChainPoint {
  readonly seq: number;
  readonly hash: string;
}

const MEMBERS: ReadonlySet<string> = new Set([
  'seq',
  'at',
  'action',
  'by',
  'node',
  'target',
  'network',
  'source',
  'details',
  'prev',
  'hash',
]);

export function auditHash(
  crypto: Pick<Crypto, 'sha256'>,
  seq: number,
  facts: AuditFacts,
  prev: string,
): string {
  const { at, action, by, node, target, network, source, details } = facts;
  const text = canonicalJson({ seq, at, action, by, node, target, network, source, details });
  return toHex(crypto.sha256(utf8(`pilot-audit-v1\n${prev}\n${text}`)));
}

export function encodeAuditLine(entry: AuditEntry): string {
  return canonicalJson(entry);
}

export type AuditLineError = 'too_long' | 'not_json' | 'not_canonical' | 'not_an_entry';

/** Reads a line of an export. There is one text for an entry: the same content written otherwise is refused. */
export function decodeAuditLine(line: string): AuditEntry | AuditLineError {
  if (line.length > AUDIT_LINE_LIMIT) return 'too_long';
  const parsed = parseJson(utf8(line));
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return 'not_json';
  if (canonicalJson(parsed.value) !== line) return 'not_canonical';
  return isEntry(parsed.value) ? parsed.value : 'not_an_entry';
}

function isEntry(value: JsonObject): value is JsonObject & AuditEntry {
  const { seq, at, action, by, node, target, network, source, details, prev, hash } = value;
  return (
    Object.keys(value).every((name) => MEMBERS.has(name)) &&
    isCount(seq) &&
    seq > 0 &&
    isCount(at) &&
    typeof action === 'string' &&
    typeof by === 'string' &&
    [node, target, network].every((id) => id === undefined || isCount(id)) &&
    (source === undefined || typeof source === 'string') &&
    (details === undefined || isJsonObject(details)) &&
    [prev, hash].every((text) => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text))
  );
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** What is wrong with a chain, at an entry. */
export interface ChainFault {
  readonly seq: number;
  /**
   * `edited`: the entry is not what its hash covers. `missing`: entries before it are not there. `broken`: its hash
   * rests on another entry than the one before it. `rewritten`: at a known point of the chain there is another hash.
   */
  readonly problem: 'edited' | 'missing' | 'broken' | 'rewritten';
}

/** Checks entries in their order. */
export class ChainVerifier {
  readonly #crypto: Pick<Crypto, 'sha256'>;
  readonly #known: ReadonlyMap<number, string>;
  #head: ChainPoint | undefined;
  #count = 0;

  /**
   * `after` is where the entries begin: without it the first entry may be any, and vouches for its own `prev`.
   * `known` are points of the chain noted earlier; entries there must have these hashes.
   */
  constructor(
    crypto: Pick<Crypto, 'sha256'>,
    options: { readonly after?: ChainPoint; readonly known?: readonly ChainPoint[] } = {},
  ) {
    this.#crypto = crypto;
    this.#head = options.after;
    this.#known = new Map(options.known?.map(({ seq, hash }) => [seq, hash]));
  }

  /** The last entry that was right. */
  get head(): ChainPoint | undefined {
    return this.#head;
  }
  /** Entries that were right. */
  get count(): number {
    return this.#count;
  }

  /** undefined when the entry continues the chain. Nothing may be added after a fault. */
  add(entry: AuditEntry): ChainFault | undefined {
    const { seq, prev, hash } = entry;
    const head = this.#head ?? { seq: seq - 1, hash: seq === 1 ? CHAIN_START : prev };
    if (seq !== head.seq + 1) return { seq, problem: 'missing' };
    if (prev !== head.hash) return { seq, problem: 'broken' };
    if (auditHash(this.#crypto, seq, entry, prev) !== hash) return { seq, problem: 'edited' };
    const known = this.#known.get(seq);
    if (known !== undefined && known !== hash) return { seq, problem: 'rewritten' };
    this.#head = { seq, hash };
    this.#count++;
    return undefined;
  }

  /** Points noted earlier that the entries do not reach: the end of the log was cut off. */
  get unreached(): ChainPoint[] {
    const end = this.#head?.seq ?? 0;
    return [...this.#known].filter(([seq]) => seq > end).map(([seq, hash]) => ({ seq, hash }));
  }
}
