import type { Conn } from '../../api/stream.ts';
import { utf8 } from '../../base/bytes.ts';
import { DATA_TYPE, type DataFrame, encodeDataFrame } from '../../wire/data-exchange.ts';
import { canonicalJson } from '../../wire/json.ts';
import { encodeTagged, type MessageTags } from '../../wire/tagged.ts';
import { FrameBoundary } from './programs.ts';

/**
 * Hands a message to a program and passes what it answers on to the peer, as it comes. `not_taken`: the program
 * ended before it acknowledged, and the peer has heard nothing. `broken`: the stream to the peer is of no more use.
 */
export async function handOver(options: {
  readonly program: Conn;
  readonly peer: Pick<Conn, 'write'>;
  readonly frame: DataFrame;
  readonly tags: MessageTags | undefined;
  /** Called once the frame is no longer needed here. */
  readonly onTaken: () => void;
}): Promise<'answered' | 'not_taken' | 'broken'> {
  const { program, peer, frame, tags, onTaken } = options;
  const boundary = new FrameBoundary();
  let failure: unknown;
  const written = program.write(encodeDataFrame(frame.type, frame.payload)).finally(onTaken);
  written.catch(() => {});
  for (;;) {
    let chunk: Uint8Array | undefined;
    try {
      chunk = await program.read();
    } catch (thrown) {
      failure = thrown;
    }
    if (chunk === undefined) break;
    boundary.passed(chunk);
    try {
      await peer.write(chunk);
    } catch {
      program.abort();
      return 'broken';
    }
  }
  if (failure === undefined) program.close().catch(() => program.abort());
  else program.abort();
  if (!boundary.isBetween) return 'broken';
  if (boundary.frames === 0) return 'not_taken';
  const isOwed = tags?.reply === 'stream' && tags.messageId !== undefined && boundary.frames < 2;
  if (isOwed)
    await peer.write(failedAnswer(tags.messageId!, 'unavailable', 'the program that answers has ended'));
  return 'answered';
}

/** A frame that tells the sender of a message why there is no answer. Old programs show its text. */
export function failedAnswer(replyTo: string, code: string, message: string): Uint8Array {
  const payload = utf8(canonicalJson({ error: { code, message } }));
  return encodeDataFrame(
    DATA_TYPE.tagged,
    encodeTagged({ replyTo, error: code }, { type: DATA_TYPE.json, payload }),
  );
}
