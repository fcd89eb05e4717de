import { PilotError } from '../../../api/errors.ts';
import { utf8 } from '../../../base/bytes.ts';
import { decodeBase64 } from '../../../wire/base64.ts';
import { defineCommand } from '../../command.ts';
import { matching, readMailbox, receivedAt, type StoredMessage } from '../../mailbox.ts';
import { printable } from '../../text.ts';
import { text } from '../../values.ts';
import { namesByAddress } from './names.ts';

export const inboxRead = defineCommand({
  name: 'inbox read',
  group: 'Messages and files',
  summary: 'Print one message in full',
  details:
    'The content goes to standard output, sender and time to standard error. Binary content is printed as it is.',
  args: {
    id: { value: text, summary: 'id from `pilotctl inbox`, or its ending, or `latest`', optional: true },
  },
  flags: { latest: { summary: 'the newest message' } },
  timeout: '30s',
  returns: '{id, type, from, bytes, received_at, data | data_b64, message_id?, reply_to?}',
  examples: [
    { line: 'pilotctl inbox read latest', about: 'The newest message' },
    { line: 'pilotctl inbox read 000003 > answer.json', about: 'Keep the content of a message' },
  ],
  async run(context, { args, flags }) {
    if ((args.id === undefined) !== flags.latest) {
      throw new PilotError('invalid_argument', 'Give either the id of a message or --latest', {
        hint: 'list them with: pilotctl inbox',
      });
    }
    const wanted = args.id ?? 'latest';
    const { messages } = await readMailbox(context.host.files, context.home.inbox);
    const found = matching(messages, wanted);
    const [message] = found;
    if (message === undefined) {
      throw new PilotError('not_found', `No message "${wanted}" in the inbox`, {
        hint: 'list them with: pilotctl inbox',
      });
    }
    if (found.length > 1) {
      throw new PilotError('invalid_argument', `"${wanted}" names ${found.length} messages`, {
        hint: `give more of the id, such as: ${message.id}`,
      });
    }
    if (!context.output.json) {
      const names = await namesByAddress(context);
      const from = names.get(message.from);
      const sender = from === undefined ? message.from : `${from} (${message.from})`;
      context.output.note(
        `from ${printable(sender)}, ${context.host.localTime(receivedAt(message))}, ${printable(message.type)}${idsOf(message)}`,
      );
      const content =
        message.data_b64 === undefined ? utf8(message.data ?? '') : decodeBase64(message.data_b64);
      context.output.received(content ?? utf8(''));
    }
    return { data: message, human: '' };
  },
});

function idsOf(message: StoredMessage): string {
  const { message_id: id, reply_to: replyTo } = message;
  const shown = typeof id === 'string' ? `, message ${printable(id)}` : '';
  return typeof replyTo === 'string' ? `${shown}, reply to ${printable(replyTo)}` : shown;
}
