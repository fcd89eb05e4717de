import { PilotError } from '../../../api/errors.ts';
import { isMessageId } from '../../../wire/tagged.ts';
import type { Context } from '../../context.ts';
import { matching, readMailbox } from '../../mailbox.ts';

/** The message id behind `--reply-to`: that of a message in the inbox, named as for `inbox read`, or the id itself. */
export async function replyToOf(context: Context, text: string): Promise<string> {
  const { messages } = await readMailbox(context.host.files, context.home.inbox);
  const [message, another] = matching(messages, text);
  if (message !== undefined && another === undefined) {
    if (typeof message.message_id === 'string') return message.message_id;
    throw new PilotError('invalid_argument', `The message "${text}" came without an id to reply to`, {
      hint: 'its sender is an older program: send a message without --reply-to',
    });
  }
  if (isMessageId(text)) return text;
  throw new PilotError('invalid_argument', `"${text}" is neither a message id nor a message in the inbox`, {
    hint: 'list them with: pilotctl inbox',
  });
}
