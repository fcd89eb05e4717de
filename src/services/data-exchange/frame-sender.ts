import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import type { Bytes, Millis } from '../../base/units.ts';
import type { Abort, Clock } from '../../runtime/ports.ts';
import {
  DATA_FRAME_LIMIT,
  DATA_TYPE,
  type DataFrame,
  dataTypeName,
  encodeDataFrame,
  isUnknownTypeAnswer,
  parseAnswer,
} from '../../wire/data-exchange.ts';
import { decodeTagged, encodeTagged, type MessageTags } from '../../wire/tagged.ts';
import { AnswerReader } from './answer-reader.ts';
import { within } from './deadline.ts';

/** spec/23 §3 */
const ANSWER_LIMIT: Millis = 60_000;
/** Pieces in which a large frame is written, so that a cancelled one stops soon. */
const PIECE = 256 * 1024;

export interface FrameContext {
  readonly clock: Clock;
  readonly signal?: Abort | undefined;
  /** How long to wait for each acknowledgement. @default 60000 */
  readonly timeout?: Millis | undefined;
}

export interface FrameSent {
  readonly ack: string;
  /** The peer knows message ids; false also when none was sent. */
  readonly tagged: boolean;
  /** The peer has said that the answer comes on this stream. */
  readonly promised: boolean;
}

/**
 * Writes one frame and waits for its acknowledgement; the stream stays open. Undefined when the peer ended the
 * stream without one. A peer that does not know message ids gets the frame again without them, on the same stream.
 * Errors: `transfer_failed` (refused), `timeout`, `cancelled`, and those of the stream.
 */
export async function sendFrame(
  context: FrameContext,
  conn: Conn,
  frame: DataFrame,
  options: {
    readonly tags?: MessageTags | undefined;
    /** Reads the stream when it stays in use. */
    readonly answers?: AnswerReader | undefined;
    readonly onWritten?: ((bytes: Bytes) => void) | undefined;
  } = {},
): Promise<FrameSent | undefined> {
  const { tags, onWritten, answers = new AnswerReader(conn) } = options;
  const wrapped = tags === undefined ? undefined : wrap(tags, frame);
  if (wrapped !== undefined) {
    const answer = await exchange(context, conn, answers, wrapped, frame.type, onWritten);
    if (answer === undefined) return undefined;
    const promise = promiseOf(answer);
    const text = fromUtf8((promise ?? answer).payload);
    if (!isUnknownTypeAnswer(text, DATA_TYPE.tagged)) {
      check(text, (promise ?? answer).type, frame.type);
      return { ack: text, tagged: true, promised: promise !== undefined };
    }
  }
  const answer = await exchange(context, conn, answers, frame, frame.type, onWritten);
  if (answer === undefined) return undefined;
  const text = fromUtf8(answer.payload);
  check(text, answer.type, frame.type);
  return { ack: text, tagged: false, promised: false };
}

/** Undefined when the whole does not fit the cap of old readers: it then goes without ids. spec/23 §3 */
function wrap(tags: MessageTags, frame: DataFrame): DataFrame | undefined {
  const payload = encodeTagged(tags, frame);
  return payload.length > DATA_FRAME_LIMIT ? undefined : { type: DATA_TYPE.tagged, payload };
}

async function exchange(
  { clock, signal, timeout = ANSWER_LIMIT }: FrameContext,
  conn: Conn,
  answers: AnswerReader,
  frame: DataFrame,
  shownType: number,
  onWritten: ((bytes: Bytes) => void) | undefined,
): Promise<DataFrame | undefined> {
  const what = `the peer's answer to a ${dataTypeName(shownType)}`;
  // An answer may come before everything is written: a refusal.
  const answered = answers.next();
  answered.catch(() => {});
  const bytes = encodeDataFrame(frame.type, frame.payload);
  for (let at = 0; at < bytes.length; at += PIECE) {
    const written = conn.write(bytes.subarray(at, at + PIECE));
    await within(clock, timeout, Promise.race([written, answered]), what, signal);
    onWritten?.(Math.min(at + PIECE, bytes.length) - 8);
  }
  return within(clock, timeout, answered, what, signal);
}

/** The acknowledgement inside a frame that promises the answer on this stream. docs/decisions/0015 */
function promiseOf(answer: DataFrame): DataFrame | undefined {
  if (answer.type !== DATA_TYPE.tagged) return undefined;
  const tagged = decodeTagged(answer.payload);
  return typeof tagged !== 'string' && tagged.tags.reply === 'stream' ? tagged.inner : undefined;
}

function check(text: string, answerType: number, sentType: number): void {
  const parsed = answerType === DATA_TYPE.text ? parseAnswer(text) : undefined;
  if (parsed?.kind === 'ack' && parsed.typeName === dataTypeName(sentType)) return;
  const reason = parsed?.kind === 'err' ? parsed.reason : `it answered "${text.slice(0, 200)}"`;
  throw new PilotError('transfer_failed', `The peer did not store it: ${reason}`, {
    hint: 'try again later, or ask the owner of the peer',
  });
}
