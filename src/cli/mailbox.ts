import { fromUtf8 } from '../base/bytes.ts';
import type { UnixMillis } from '../base/units.ts';
import type { Files } from './host.ts';

/** A message as stored by the daemon. spec/21 §2.3, spec/23 §3 */
export interface StoredMessage {
  /** File name without `.json`. */
  readonly id: string;
  readonly type: string;
  readonly from: string;
  readonly bytes: number;
  readonly received_at: string;
  /** Text, where the content is text. */
  readonly data?: string;
  readonly data_b64?: string;
  readonly [key: string]: unknown;
}

export interface Mailbox {
  /** Oldest first. */
  readonly messages: readonly StoredMessage[];
  /** Files that could not be read as messages. */
  readonly unreadable: readonly string[];
}

/** Larger files in the inbox are not messages: a frame is at most 16 MiB, and base64 adds a third. */
const MESSAGE_LIMIT = 32 * 1024 * 1024;

export async function readMailbox(files: Files, directory: string): Promise<Mailbox> {
  const messages: StoredMessage[] = [];
  const unreadable: string[] = [];
  for (const name of await files.list(directory)) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    const message = await readStored(files, directory, name);
    if (message === undefined) unreadable.push(name);
    else messages.push(message);
  }
  messages.sort((a, b) => order(a) - order(b) || (sequenceOf(a.id) < sequenceOf(b.id) ? -1 : 1));
  return { messages, unreadable };
}

async function readStored(files: Files, directory: string, name: string): Promise<StoredMessage | undefined> {
  const bytes = await files.read(`${directory}/${name}`, MESSAGE_LIMIT);
  if (bytes === undefined) return undefined;
  try {
    const parsed = JSON.parse(fromUtf8(bytes)) as StoredMessage;
    if (typeof parsed?.type !== 'string' || typeof parsed.from !== 'string') return undefined;
    return { ...parsed, id: name.slice(0, -'.json'.length) };
  } catch {
    return undefined;
  }
}

export function receivedAt(message: StoredMessage): UnixMillis {
  const time = Date.parse(message.received_at);
  return Number.isNaN(time) ? 0 : time;
}

function order(message: StoredMessage): number {
  return receivedAt(message);
}

/** The part of the id after the type orders messages that arrived at the same time. */
function sequenceOf(id: string): string {
  return id.slice(id.indexOf('-') + 1);
}

/** The shortest ending of each id that names one message only; at least the last group of digits. */
export function shortIds(messages: readonly StoredMessage[]): Map<string, string> {
  const short = new Map<string, string>();
  for (const { id } of messages) {
    const parts = id.split('-');
    let ending = '';
    for (let take = 1; take <= parts.length; take++) {
      ending = parts.slice(-take).join('-');
      if (messages.filter((other) => endsWithPart(other.id, ending)).length === 1) break;
    }
    short.set(id, ending);
  }
  return short;
}

/** Messages whose id is, or ends in, `wanted`; `latest` names the newest. */
export function matching(messages: readonly StoredMessage[], wanted: string): readonly StoredMessage[] {
  if (wanted === 'latest') return messages.slice(-1);
  const bare = wanted.endsWith('.json') ? wanted.slice(0, -'.json'.length) : wanted;
  return messages.filter(({ id }) => endsWithPart(id, bare));
}

function endsWithPart(id: string, ending: string): boolean {
  return id === ending || id.endsWith(`-${ending}`);
}

/** What a person sees of the content. */
export function contentOf(message: StoredMessage): string {
  if (typeof message.data === 'string') return message.data === '' ? '(empty)' : message.data;
  return typeof message.data_b64 === 'string' ? `(${message.bytes} bytes of binary data)` : '';
}
