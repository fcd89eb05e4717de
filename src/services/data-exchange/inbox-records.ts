import { utf8 } from '../../base/bytes.ts';
import type { Address, Bytes, UnixMillis } from '../../base/units.ts';
import type { Storage } from '../../runtime/ports.ts';
import { parseAddress } from '../../wire/address.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import { DATA_TYPE } from '../../wire/data-exchange.ts';
import { isJsonObject, parseJson } from '../../wire/json.ts';
import { isMessageId, type MessageTags } from '../../wire/tagged.ts';
import { INBOX_FOLDER, type InboxMessage } from './inbox.ts';

/** Larger records tell nothing that is worth reading them again. Chosen. */
const RECORD_LIMIT: Bytes = 1024 * 1024;

const TYPES: Readonly<Record<string, number>> = {
  TEXT: DATA_TYPE.text,
  JSON: DATA_TYPE.json,
  BINARY: DATA_TYPE.binary,
};

/** The newest records of the inbox, newest first, at most `count` and none older than `since`. Never rejects. */
export async function recentRecords(
  storage: Storage,
  options: { readonly count: number; readonly since?: UnixMillis },
): Promise<InboxMessage[]> {
  const { count, since = 0 } = options;
  const found: InboxMessage[] = [];
  try {
    const listed = (await storage.list(INBOX_FOLDER))
      .filter(({ modified, bytes }) => modified >= since && bytes <= RECORD_LIMIT)
      .sort((a, b) => b.modified - a.modified)
      .slice(0, count);
    for (const { name } of listed) {
      const bytes = await storage.read(`${INBOX_FOLDER}/${name}`);
      const message = bytes === undefined ? undefined : decodeInboxRecord(bytes);
      if (message !== undefined) found.push(message);
    }
  } catch {
    // What could not be read is not known, as after a loss of the folder.
  }
  return found;
}

/** The inverse of `encodeInboxRecord`; undefined for anything else. */
export function decodeInboxRecord(bytes: Uint8Array): InboxMessage | undefined {
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return undefined;
  const { type, from, data, data_b64, message_id, reply_to } = parsed.value;
  const sender = typeof from === 'string' ? parseAddress(from) : undefined;
  const number = typeof type === 'string' ? TYPES[type] : undefined;
  if (number === undefined || sender === undefined || typeof sender === 'string') return undefined;
  const payload =
    typeof data_b64 === 'string' ? decodeBase64(data_b64) : typeof data === 'string' ? utf8(data) : undefined;
  if (payload === undefined) return undefined;
  const tags: MessageTags = {
    ...(typeof message_id === 'string' && isMessageId(message_id) && { messageId: message_id }),
    ...(typeof reply_to === 'string' && isMessageId(reply_to) && { replyTo: reply_to }),
  };
  const isTagged = tags.messageId !== undefined || tags.replyTo !== undefined;
  return { type: number, from: sender satisfies Address, payload, ...(isTagged && { tags }) };
}
