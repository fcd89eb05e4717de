import { PilotError } from '../../../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../../../base/bytes.ts';
import type { Abort } from '../../../runtime/ports.ts';
import type { HandlerReply, IncomingMessage, MessageHandler } from '../../../sdk/message-service.ts';
import type { MessageType } from '../../../services/data-exchange/message-sender.ts';
import type { Answerers } from '../../host.ts';

export interface AnsweringLimits {
  /** Largest answer, bytes. */
  readonly output: number;
}

const CONTENT_TYPES: Readonly<Record<MessageType, string>> = {
  text: 'text/plain; charset=utf-8',
  json: 'application/json',
  binary: 'application/octet-stream',
};

/** A process for each message: the message is its standard input, the answer its standard output. */
export function answerByCommand(
  answerers: Answerers,
  command: string,
  limits: AnsweringLimits,
): MessageHandler {
  return async (message, signal) => {
    const { ending, output } = await answerers.run(command, {
      env: environmentOf(message),
      input: message.data,
      limit: limits.output,
      signal,
    });
    if (ending === 0) return contentOf(output);
    const how = typeof ending === 'number' ? `with status ${ending}` : `by ${ending}`;
    throw new PilotError('internal', `The command of the service ended ${how}`);
  };
}

/** A request for each message. A `/data {json}` message is posted as that JSON. */
export function answerByUrl(answerers: Answerers, url: string, limits: AnsweringLimits): MessageHandler {
  return async (message, signal) => {
    const { type, data } = questionOf(message);
    const { status, contentType, body } = await answerers.post(url, {
      headers: { ...headersOf(message), 'content-type': CONTENT_TYPES[type] },
      body: data,
      limit: limits.output,
      signal,
    });
    if (status < 200 || status > 299) {
      const code =
        status === 429 || status === 503 ? 'rate_limited' : status < 500 ? 'invalid_argument' : 'internal';
      throw new PilotError(code, `The service answered with HTTP status ${status}`);
    }
    if (/^application\/(.+\+)?json\b/.test(contentType)) return { type: 'json', data: body };
    return contentType.startsWith('text/') || contentType === ''
      ? contentOf(body)
      : { type: 'binary', data: body };
  };
}

/** Answers the two questions of the convention that need no program. spec/23 §6 */
export function withConventions(
  handler: MessageHandler,
  texts: { readonly help: string | undefined; readonly summary: string | undefined },
): MessageHandler {
  return (message, signal: Abort): HandlerReply | Promise<HandlerReply> => {
    const word = message.type === 'text' ? message.text.trim() : '';
    if (word === '/help' && texts.help !== undefined) return texts.help;
    if (word === '/summary' && texts.summary !== undefined) return texts.summary;
    return handler(message, signal);
  };
}

/** Text when it is that, without the line break that ends what most programs print. */
export function contentOf(output: Uint8Array): HandlerReply {
  const text = fromUtf8Strict(output);
  return text === undefined ? { type: 'binary', data: output } : text.replace(/\r?\n$/, '');
}

function questionOf(message: IncomingMessage): { type: MessageType; data: Uint8Array } {
  const json = message.type === 'text' ? /^\/data\s+([\s\S]+)$/.exec(message.text.trim())?.[1] : undefined;
  if (json === undefined) return message;
  try {
    JSON.parse(json);
    return { type: 'json', data: utf8(json) };
  } catch {
    throw new PilotError('invalid_argument', 'What follows /data is not JSON');
  }
}

function environmentOf({
  from,
  node,
  name,
  type,
  messageId,
  replyTo,
}: IncomingMessage): Record<string, string> {
  return {
    PILOT_PEER_ADDRESS: from,
    PILOT_PEER_NODE: String(node),
    PILOT_PEER_NAME: name,
    PILOT_MESSAGE_ID: messageId ?? '',
    PILOT_MESSAGE_TYPE: type,
    PILOT_REPLY_TO: replyTo ?? '',
  };
}

function headersOf({ from, node, name, messageId, replyTo }: IncomingMessage): Record<string, string> {
  return {
    'x-pilot-peer-address': from,
    'x-pilot-peer-node': String(node),
    // Hostnames are lower-case letters, digits and hyphens; whatever else a registry says is no header.
    ...(/^[a-z0-9-]{1,63}$/.test(name) && { 'x-pilot-peer-name': name }),
    ...(messageId !== undefined && { 'x-pilot-message-id': messageId }),
    ...(replyTo !== undefined && { 'x-pilot-reply-to': replyTo }),
  };
}
