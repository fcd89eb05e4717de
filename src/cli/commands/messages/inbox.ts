import { defineCommand } from '../../command.ts';
import { contentOf, readMailbox, receivedAt, shortIds } from '../../mailbox.ts';
import { plural, preview, printable } from '../../text.ts';
import { wholeNumber } from '../../values.ts';
import { namesByAddress } from './names.ts';

export const inbox = defineCommand({
  name: 'inbox',
  group: 'Messages and files',
  summary: 'List received messages, oldest first',
  details: 'Works without a running daemon.',
  flags: {
    clear: { summary: 'delete all messages' },
    limit: { value: wholeNumber('number', 1, 1_000_000), summary: 'only the newest ones' },
  },
  timeout: '30s',
  returns:
    '{messages: [{id, type, from, bytes, received_at, data | data_b64, message_id?, reply_to?}], total, dir}; with --clear {cleared}',
  examples: [
    { line: 'pilotctl inbox', about: 'What has arrived?' },
    { line: 'pilotctl inbox read latest', about: 'The newest message in full' },
    { line: 'pilotctl inbox --clear', about: 'Delete all messages' },
  ],
  async run(context, { flags }) {
    const { files } = context.host;
    const dir = context.home.inbox;
    const { messages, unreadable } = await readMailbox(files, dir);
    if (flags.clear) {
      for (const { id } of messages) await files.remove(`${dir}/${id}.json`);
      return { data: { cleared: messages.length }, human: `cleared ${plural(messages.length, 'message')}` };
    }
    for (const name of unreadable) context.output.note(`not a message: ${dir}/${name}`);
    const shown = flags.limit === undefined ? messages : messages.slice(-flags.limit);
    const data = { messages: shown, total: messages.length, dir };
    if (messages.length === 0) return { data, human: 'inbox is empty' };
    if (context.output.json) return { data };
    const names = await namesByAddress(context);
    const ids = shortIds(messages);
    const lines = shown.map((message) => {
      const from = names.get(message.from) ?? message.from;
      const when = context.host.localTime(receivedAt(message));
      const answers = typeof message.reply_to === 'string' ? ` reply-to=${printable(message.reply_to)}` : '';
      return `[${when}] from ${printable(from)} type=${printable(message.type)} id=${ids.get(message.id)}${answers}\n  ${preview(contentOf(message), 80)}`;
    });
    return {
      data,
      human: [
        `Inbox (${plural(messages.length, 'message')}):`,
        ...lines,
        'read one with: pilotctl inbox read ID; clear with: pilotctl inbox --clear',
      ].join('\n'),
    };
  },
});
