import { PilotError } from '../../../api/errors.ts';
import { utf8 } from '../../../base/bytes.ts';
import { defineCommand } from '../../command.ts';
import { needPayload, PAYLOAD_FLAGS } from '../../payload.ts';
import { findPeer } from '../../peers.ts';
import { formatSize, formatSpan } from '../../text.ts';
import { duration, peer, text } from '../../values.ts';
import { askData, askPeer, receiptData } from './asking.ts';
import { checkType, messageType } from './payload-type.ts';
import { replyToOf } from './reply-to.ts';

export const sendMessage = defineCommand({
  name: 'send-message',
  group: 'Messages and files',
  summary: 'Put a message into the inbox of a peer',
  details:
    'Succeeds only when the peer has confirmed that it has the message. With --wait, the reply goes to standard output: ' +
    'it comes on the stream of the message when the peer can do that, else as a message of its own.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    message: { value: text, summary: 'the same as --data', optional: true },
  },
  flags: {
    ...PAYLOAD_FLAGS,
    type: {
      value: messageType,
      summary: 'text, json or binary',
      fallback: 'text',
    },
    wait: { value: duration, summary: 'wait for the reply, this long after the delivery', bare: '30s' },
    replyTo: {
      value: text,
      summary: 'the message this answers: a message id, or a message of the inbox that has one',
    },
  },
  timeout: '60s',
  returns:
    '{target, type, bytes, ack, message_id, tagged, reply_to?, retried?}; with --wait also {reply: {type, from, bytes, data | data_b64, message_id?, reply_to?, via, id?}, reply_after_ms}',
  examples: [
    { line: 'pilotctl send-message node-b --data "hello"', about: 'Say hello' },
    { line: 'pilotctl send-message node-b --type json --data-file task.json', about: 'Send a JSON document' },
    {
      line: 'pilotctl send-message node-b "/help" --wait',
      about: 'Ask, and wait up to 30 seconds for the reply',
    },
    {
      line: 'pilotctl send-message node-b "done" --reply-to 000003',
      about: 'Reply to a message of the inbox',
    },
    { line: 'make 2>&1 | pilotctl send-message node-b --data -', about: 'Send the output of a program' },
  ],
  async run(context, { args, flags }) {
    if (args.message !== undefined && (flags.data !== undefined || flags.dataFile !== undefined)) {
      throw new PilotError('invalid_argument', 'The message is given twice', {
        hint: 'give it as argument, --data or --data-file',
      });
    }
    const data =
      args.message === undefined ? await needPayload(context, flags, 'send-message') : utf8(args.message);
    checkType(flags.type, data);
    const found = await findPeer(context, args.peer);
    const replyTo = flags.replyTo === undefined ? undefined : await replyToOf(context, flags.replyTo);
    const message = { type: flags.type, data, replyTo };
    if (flags.wait !== undefined) {
      const asked = await askPeer(context, found, message, flags.wait);
      const took = formatSpan(Math.max(1, asked.replyAfter));
      context.output.note(`reply from ${found.label} after ${took}:`);
      context.output.received(asked.reply.data);
      return { data: askData(asked), human: '' };
    }
    const client = await context.client();
    const sent = await client.sendMessage(found.address, message, {
      signal: context.signal,
      ...context.stepTimeout,
    });
    const human = `delivered to ${found.label}: ${formatSize(sent.bytes)} (${sent.ack})`;
    return { data: receiptData(sent), human };
  },
});
