/** Values and words that the network commands share. */
import { PilotError } from '../../../api/errors.ts';
import { fromUtf8Strict } from '../../../base/bytes.ts';
import { isJsonObject, type JsonObject } from '../../../wire/json.ts';
import { MAX_POLICY_BYTES } from '../../../wire/policy/document.ts';
import { parsePorts } from '../../../wire/ports.ts';
import type { Context } from '../../context.ts';
import { fileNotFound } from '../../payload.ts';
import { portList } from '../../terms.ts';
import { printable } from '../../text.ts';
import type { Value } from '../../values.ts';

/** Ports one policy may list. spec/12 §3 */
const MAX_PORTS = 100;
/** Member tags of one node. spec/12 §3 */
const MAX_TAGS = 10;
/** White space makes a file longer than the document in it. */
const FILE_LIMIT = 16 * MAX_POLICY_BYTES;

/** Number or name; the daemon resolves it. */
export const network: Value<string> = {
  label: 'network',
  parse(input) {
    const name = input.trim().toLowerCase();
    if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) return name;
    throw new RangeError('expected the number or the name of a network');
  },
};

export const NETWORK_ARG = { value: network, summary: 'number or name of the network' } as const;

/** Ports as a list; empty for all. */
export const networkPorts: Value<readonly number[]> = {
  label: 'ports',
  parse(input) {
    const ports = portList.parse(input);
    if (ports === '*') return [];
    if (ports === '')
      throw new RangeError('a list of no ports means all; to refuse everything set an expression');
    const list = (parsePorts(ports)?.ranges ?? []).flatMap(({ first, last }) =>
      last - first >= MAX_PORTS
        ? rangeTooLong()
        : Array.from({ length: last - first + 1 }, (_, i) => first + i),
    );
    if (list.length > MAX_PORTS || list.includes(0)) return rangeTooLong();
    return list;
  },
};

function rangeTooLong(): never {
  throw new RangeError(`expected at most ${MAX_PORTS} ports of 1 to 65535, or all`);
}

/** `a,b`; empty for none. */
export const tagList: Value<readonly string[]> = {
  label: 'tags',
  parse(input) {
    const tags = input
      .split(',')
      .map((tag) => tag.trim().replace(/^#/, ''))
      .filter((tag) => tag !== '');
    if (tags.length <= MAX_TAGS && tags.every((tag) => /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(tag)))
      return tags;
    throw new RangeError(`expected at most ${MAX_TAGS} tags of lower-case letters, digits and hyphens`);
  },
};

/** A policy document as it stands in a file. Errors: `not_found`, `invalid_argument`, `too_large`. */
export async function readPolicyFile(context: Context, file: string): Promise<JsonObject> {
  const bytes = await context.host.files.read(file, FILE_LIMIT);
  if (bytes === undefined) throw fileNotFound(file);
  let document: unknown;
  try {
    document = JSON.parse(fromUtf8Strict(bytes) ?? '');
  } catch (thrown) {
    throw new PilotError('invalid_argument', `Cannot read ${file}: it is not JSON`, {
      hint: 'see examples/policies/data-exchange.json',
      cause: thrown,
    });
  }
  if (isJsonObject(document)) return document;
  throw new PilotError('invalid_argument', `Cannot read ${file}: it is not a JSON object`, {
    hint: 'see examples/policies/data-exchange.json',
  });
}

/** The text of a file without the white space around it. */
export async function readTokenFile(context: Context, file: string): Promise<string> {
  const bytes = await context.host.files.read(file, FILE_LIMIT);
  if (bytes === undefined) throw fileNotFound(file);
  return (fromUtf8Strict(bytes) ?? '').trim();
}

export function describeTags(tags: readonly string[]): string {
  return tags.length === 0 ? '-' : tags.map((tag) => printable(tag)).join(',');
}

export function describePolicyPorts(ports: readonly number[]): string {
  return ports.length === 0 ? 'all' : ports.join(', ');
}
