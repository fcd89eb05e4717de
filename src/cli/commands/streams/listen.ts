import { asPilotError, PilotError } from '../../../api/errors.ts';
import { formatAddress } from '../../../wire/address.ts';
import { defineCommand } from '../../command.ts';
import { dataFields } from '../../exchange.ts';
import { PartialFailure } from '../../output.ts';
import { formatSpan, plural } from '../../text.ts';
import { port, wholeNumber } from '../../values.ts';

export const listen = defineCommand({
  name: 'listen',
  group: 'Streams',
  summary: 'Receive datagrams on a port and print them',
  args: { port: { value: port, summary: 'port to receive on' } },
  flags: {
    count: {
      value: wholeNumber('number', 1, 1_000_000),
      summary: 'how many datagrams to wait for',
      fallback: '1',
    },
  },
  timeout: '30s',
  returns: '{port, messages: [{src_addr, src_port, bytes, data | data_b64}], timeout: false}',
  examples: [
    { line: 'pilotctl listen 5000', about: 'Wait for one datagram to port 5000' },
    { line: 'pilotctl listen 5000 --count 10 --timeout 5m', about: 'Wait up to five minutes for ten' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const messages: object[] = [];
    let done: () => void = () => {};
    const enough = new Promise<void>((resolve) => {
      done = resolve;
    });
    const receiving = await client.onDatagram(args.port, ({ from, fromPort, data }) => {
      if (messages.length >= flags.count) return;
      const source = formatAddress(from);
      messages.push({
        src_addr: source,
        src_port: fromPort,
        bytes: data.length,
        ...dataFields('data', data),
      });
      if (flags.count > 1) context.output.note(`[${source} port ${fromPort}] ${plural(data.length, 'byte')}`);
      context.output.received(data);
      if (messages.length >= flags.count) done();
    });
    context.onEnd(() => receiving.close());
    context.signal.addEventListener('abort', done);
    if (!context.signal.aborted) await enough;
    const data = { port: args.port, messages };
    if (messages.length >= flags.count) return { data: { ...data, timeout: false }, human: '' };
    throw new PartialFailure(
      whyShort(context.signal.reason, messages.length, flags.count, context.timeoutGiven),
      { ...data, timeout: true },
    );
  },
});

function whyShort(reason: unknown, got: number, wanted: number, time: number | undefined): PilotError {
  const error = asPilotError(reason);
  if (error.code !== 'timeout') return error;
  const within = formatSpan(time ?? 0);
  return new PilotError('timeout', `Received ${got} of ${plural(wanted, 'datagram')} within ${within}`, {
    hint: 'wait longer with --timeout',
  });
}
