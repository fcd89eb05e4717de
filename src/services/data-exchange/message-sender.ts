import { asPilotError, PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { toHex } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import type { Abort } from '../../runtime/ports.ts';
import { DATA_FRAME_LIMIT, DATA_TYPE, type DataFrame } from '../../wire/data-exchange.ts';
import type { MessageTags } from '../../wire/tagged.ts';
import { type FrameContext, sendFrame } from './frame-sender.ts';
import { type Line, type Lines, openLine } from './lines.ts';

export type MessageType = 'text' | 'json' | 'binary';

export interface OutgoingMessage {
  readonly type: MessageType;
  readonly data: Uint8Array;
  /** Lets the message be sent again without being stored twice, and answers name it. */
  readonly messageId?: string | undefined;
  /** The message this answers. */
  readonly replyTo?: string | undefined;
}

export interface MessageContext extends FrameContext {
  /** Opens a stream to port 1001 of the peer. */
  readonly dial: (signal?: Abort) => Promise<Conn>;
  /** Streams to the peer that are used again. Absent: each message has its own. */
  readonly lines?: Lines | undefined;
}

export interface MessageSent {
  readonly ack: string;
  /** The peer knows message ids. */
  readonly tagged: boolean;
  /** The first acknowledgement was lost, and the message was sent again under the same id. */
  readonly retried: boolean;
}

/** A delivered message whose stream is still open. */
export interface OpenMessage extends MessageSent {
  readonly promised: boolean;
  readonly line: Line;
}

const TYPES: Readonly<Record<MessageType, number>> = {
  text: DATA_TYPE.text,
  json: DATA_TYPE.json,
  binary: DATA_TYPE.binary,
};

export function messageTypeOf(type: number): MessageType | undefined {
  return (Object.keys(TYPES) as MessageType[]).find((name) => TYPES[name] === type);
}

export function messageFrame(type: MessageType, payload: Uint8Array): DataFrame {
  return { type: TYPES[type], payload };
}

/** 32 lower-case hex digits. spec/23 §3 */
export function freshMessageId(random: Random): string {
  return toHex(random.bytes(16));
}

/** Sends one message and waits for its acknowledgement. Errors: `transfer_failed`, `timeout`, `too_large`, `cancelled`. */
export async function sendMessage(context: MessageContext, message: OutgoingMessage): Promise<MessageSent> {
  const { line, ack, tagged, retried } = await deliver({ ...context, lines: undefined }, message);
  const { conn } = line;
  // The peer has it: how the stream ends changes nothing.
  conn.close().catch(() => conn.abort());
  return { ack, tagged, retried };
}

/**
 * Delivers a message and leaves the stream open, for the answer when `reply` asks for one. A message with an id is
 * sent once more when the acknowledgement is lost.
 */
export async function deliver(
  context: MessageContext,
  message: OutgoingMessage,
  reply?: MessageTags['reply'],
): Promise<OpenMessage> {
  if (message.data.length > DATA_FRAME_LIMIT) {
    throw new PilotError(
      'too_large',
      `Cannot send a message of ${message.data.length} bytes: the limit is ${DATA_FRAME_LIMIT}`,
      { hint: 'send it as a file: pilotctl send-file <target> <path>' },
    );
  }
  const { messageId, replyTo } = message;
  const tags = messageId === undefined && replyTo === undefined ? undefined : { messageId, replyTo, reply };
  const first = await attempt(context, message, tags as MessageTags | undefined, {
    forgiving: messageId !== undefined,
    fresh: false,
  });
  if (first !== undefined) return { ...first, retried: false };
  if (messageId !== undefined) {
    const second = await attempt(context, message, tags as MessageTags, { forgiving: false, fresh: true });
    if (second !== undefined) return { ...second, retried: true };
  }
  throw new PilotError('transfer_failed', 'The peer ended the stream without an answer');
}

/** Undefined when the acknowledgement did not come; `forgiving` counts a broken stream as that. */
async function attempt(
  context: MessageContext,
  message: OutgoingMessage,
  tags: MessageTags | undefined,
  { forgiving, fresh }: { readonly forgiving: boolean; readonly fresh: boolean },
): Promise<Omit<OpenMessage, 'retried'> | undefined> {
  const { dial, lines, signal } = context;
  const line = lines === undefined ? await openLine(dial, signal) : await lines.take(dial, signal, fresh);
  const drop = (): void => (lines === undefined ? line.conn.abort() : lines.drop(line));
  try {
    const frame = messageFrame(message.type, message.data);
    const sent = await sendFrame(context, line.conn, frame, { tags, answers: line.answers });
    if (sent !== undefined) return { ...sent, line };
    drop();
    return undefined;
  } catch (thrown) {
    drop();
    const { code } = asPilotError(thrown);
    if (forgiving && (code === 'connection_failed' || code === 'timeout')) return undefined;
    throw thrown;
  }
}
