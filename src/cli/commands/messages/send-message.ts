import { PilotError } from '../../../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../../../base/bytes.ts';
import { defineCommand } from '../../command.ts';
import { needPayload, PAYLOAD_FLAGS } from '../../payload.ts';
import { findPeer } from '../../peers.ts';
import { formatSize } from '../../text.ts';
import { oneOf, peer, text } from '../../values.ts';

export const sendMessage = defineCommand({
  name: 'send-message',
  group: 'Messages and files',
  summary: 'Put a message into the inbox of a peer',
  details: 'Succeeds only when the peer has confirmed that the message is stored.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    message: { value: text, summary: 'the same as --data', optional: true },
  },
  flags: {
    ...PAYLOAD_FLAGS,
    type: {
      value: oneOf('type', ['text', 'json', 'binary']),
      summary: 'text, json or binary',
      fallback: 'text',
    },
  },
  timeout: '60s',
  returns: '{target, type, bytes, ack}',
  examples: [
    { line: 'pilotctl send-message node-b --data "hello"', about: 'Say hello' },
    { line: 'pilotctl send-message node-b --type json --data-file task.json', about: 'Send a JSON document' },
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
    const client = await context.client();
    const sent = await client.sendMessage(
      found.address,
      { type: flags.type, data },
      { signal: context.signal, ...context.stepTimeout },
    );
    return { data: sent, human: `delivered to ${found.label}: ${formatSize(sent.bytes)} (${sent.ack})` };
  },
});

function checkType(type: 'text' | 'json' | 'binary', data: Uint8Array): void {
  if (type === 'binary') return;
  const content = fromUtf8Strict(data);
  if (content === undefined) {
    throw new PilotError('invalid_argument', 'The data is not valid UTF-8', {
      hint: 'send it with --type binary',
    });
  }
  if (type === 'text') return;
  try {
    JSON.parse(content);
  } catch (cause) {
    throw new PilotError('invalid_argument', 'The data is not valid JSON', {
      hint: 'send it with --type text',
      cause,
    });
  }
}
