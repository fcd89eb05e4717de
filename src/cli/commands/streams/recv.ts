import { asPilotError, PilotError } from '../../../api/errors.ts';
import { formatAddress } from '../../../wire/address.ts';
import { defineCommand } from '../../command.ts';
import { dataFields, readMessage } from '../../exchange.ts';
import { PartialFailure } from '../../output.ts';
import { PAYLOAD_LIMIT } from '../../payload.ts';
import { formatSpan, plural } from '../../text.ts';
import { port, wholeNumber } from '../../values.ts';

export const recv = defineCommand({
  name: 'recv',
  group: 'Streams',
  summary: 'Listen on a port and print what peers send',
  args: { port: { value: port, summary: 'port to listen on; 0 chooses a free one' } },
  flags: {
    count: {
      value: wholeNumber('number', 1, 1_000_000),
      summary: 'how many messages to wait for',
      fallback: '1',
    },
  },
  timeout: '30s',
  returns: '{port, messages: [{seq, from, port, bytes, data | data_b64}], timeout: false}',
  examples: [
    { line: 'pilotctl recv 1000', about: 'Wait for one message on port 1000' },
    { line: 'pilotctl recv 1000 --count 10 --timeout 5m', about: 'Wait up to five minutes for ten' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const listener = await client.listen(args.port);
    context.onEnd(() => listener.close());
    const messages: object[] = [];
    const stop = (): void => listener.close();
    context.signal.addEventListener('abort', stop);
    if (args.port === 0) context.output.note(`listening on port ${listener.port}`);
    while (messages.length < flags.count) {
      const conn = await listener.accept();
      if (conn === undefined) break;
      context.signal.addEventListener('abort', () => conn.abort());
      const from = formatAddress(conn.remote.address);
      const common = { seq: messages.length, from, port: listener.port };
      try {
        const bytes = await readMessage(conn, context.host.clock, PAYLOAD_LIMIT);
        await conn.close().catch(() => conn.abort());
        messages.push({ ...common, bytes: bytes.length, ...dataFields('data', bytes) });
        if (flags.count > 1) context.output.note(`[${from}] ${plural(bytes.length, 'byte')}`);
        context.output.received(bytes);
      } catch (thrown) {
        if (context.signal.aborted) break;
        const error = asPilotError(thrown);
        messages.push({ ...common, error: error.message });
        context.output.note(`[${from}] ${error.message}`);
      }
    }
    const data = { port: listener.port, messages };
    if (messages.length === flags.count) return { data: { ...data, timeout: false }, human: '' };
    throw new PartialFailure(
      whyShort(context.signal.reason, messages.length, flags.count, context.timeoutGiven),
      {
        ...data,
        timeout: true,
      },
    );
  },
});

function whyShort(reason: unknown, got: number, wanted: number, time: number | undefined): PilotError {
  const error = asPilotError(reason);
  if (error.code !== 'timeout') return error;
  const within = formatSpan(time ?? 0);
  return new PilotError('timeout', `Received ${got} of ${plural(wanted, 'message')} within ${within}`, {
    hint: 'wait longer with --timeout',
  });
}
