import { asPilotError, PilotError } from '../../../api/errors.ts';
import type { Conn } from '../../../api/stream.ts';
import type { Result } from '../../command.ts';
import type { Context } from '../../context.ts';
import { dataFields, readMessage } from '../../exchange.ts';
import { PAYLOAD_LIMIT } from '../../payload.ts';
import { type FoundPeer, findPeer } from '../../peers.ts';
import { formatSpan } from '../../text.ts';

/** Opens a stream to a peer named on the command line. */
export async function dialPeer(
  context: Context,
  target: string,
  port: number,
): Promise<{ found: FoundPeer; conn: Conn }> {
  const found = await findPeer(context, target);
  const client = await context.client();
  try {
    const conn = await client.dial(found.address, port, {
      ...context.stepTimeout,
      signal: context.signal,
    });
    context.signal.addEventListener('abort', () => conn.abort());
    return { found, conn };
  } catch (thrown) {
    const error = asPilotError(thrown);
    if (error.code !== 'connection_refused') throw error;
    throw new PilotError('connection_refused', `${found.label} does not listen on port ${port}`, {
      hint: `there, listen with: pilotctl recv ${port}`,
      cause: error,
    });
  }
}

/** Dials, sends, and waits for one message back. */
export async function sendAndReceive(
  context: Context,
  target: string,
  port: number,
  payload: Uint8Array,
): Promise<Result> {
  const started = context.host.clock.now();
  const { found, conn } = await dialPeer(context, target, port);
  await conn.write(payload);
  let answer: Uint8Array;
  try {
    answer = await readMessage(conn, context.host.clock, PAYLOAD_LIMIT);
  } catch (thrown) {
    if (!context.signal.aborted) throw thrown;
    const waited = formatSpan(context.host.clock.now() - started);
    throw new PilotError('timeout', `No response from ${found.label} port ${port} within ${waited}`, {
      hint: 'allow more time with --timeout, or check what listens on that port',
      cause: thrown,
    });
  }
  await conn.close().catch(() => conn.abort());
  if (answer.length === 0) context.output.note(`sent ${payload.length} bytes (no response)`);
  context.output.received(answer);
  return {
    data: { target: found.shown, port, sent: payload.length, ...dataFields('response', answer) },
    human: '',
  };
}
