import { PilotError } from '../../../api/errors.ts';
import { fromUtf8Strict } from '../../../base/bytes.ts';
import type { MessageType } from '../../../services/data-exchange/message-sender.ts';
import { oneOf } from '../../values.ts';

export const messageType = oneOf('type', ['text', 'json', 'binary']);

/** Errors: `invalid_argument` when the data is not what its type says. */
export function checkType(type: MessageType, data: Uint8Array): void {
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
