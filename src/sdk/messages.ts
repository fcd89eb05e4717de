import { isErrorCode, PilotError } from '../api/errors.ts';
import type { Random } from '../base/random.ts';
import type { Address, Millis } from '../base/units.ts';
import type { IpcClient } from '../ipc/client.ts';
import type { Abort } from '../runtime/ports.ts';
import { type Answer, ask } from '../services/data-exchange/ask.ts';
import { Lines } from '../services/data-exchange/lines.ts';
import {
  freshMessageId,
  type MessageContext,
  type MessageType,
  type OutgoingMessage,
  sendMessage,
} from '../services/data-exchange/message-sender.ts';
import { formatAddress } from '../wire/address.ts';
import { isMessageId } from '../wire/tagged.ts';
import { InboxWatches } from './inbox-watches.ts';

/** What a program sends. An id lets a message be sent twice without arriving twice; a fresh one is made when absent. */
export interface Message {
  readonly type: MessageType;
  readonly data: Uint8Array;
  readonly messageId?: string | undefined;
  /** Id of the message this answers. */
  readonly replyTo?: string | undefined;
}

export interface MessageReceipt {
  /** Address of the peer. */
  readonly target: string;
  readonly type: MessageType;
  readonly bytes: number;
  readonly ack: string;
  readonly messageId?: string;
  /** The peer keeps the id with the message; older peers do not know ids. */
  readonly tagged: boolean;
  readonly replyTo?: string;
  /** It was sent again under the same id. */
  readonly retried?: true;
}

export type Reply = Omit<Answer, 'error'>;

export interface AskReceipt extends MessageReceipt {
  readonly messageId: string;
  readonly reply: Reply;
  /** Milliseconds from the acknowledgement to the reply. */
  readonly replyAfter: Millis;
}

export interface AskOptions {
  /** How long to wait for the reply once the message is delivered. @default 30000 */
  readonly timeout?: Millis | undefined;
  readonly signal?: Abort | undefined;
  /** For the dial and the acknowledgement, as in `SendOptions`. */
  readonly deliveryTimeout?: Millis | undefined;
  /** Name of the peer in messages of failure. @default its address */
  readonly peer?: string | undefined;
}

const WAIT: Millis = 30_000;

/** Messages with ids, and questions. */
export class Messages {
  readonly #random: Random | undefined;
  readonly #watches: InboxWatches;
  readonly #lines = new Map<string, Lines>();

  constructor(ipc: IpcClient, random: Random | undefined) {
    this.#random = random;
    this.#watches = new InboxWatches(ipc);
  }

  async send(context: MessageContext, to: Address, message: Message): Promise<MessageReceipt> {
    const outgoing = this.#identified(message);
    const { ack, tagged, retried } = await sendMessage(context, outgoing);
    return receipt(to, outgoing, { ack, tagged, retried });
  }

  /** Errors: those of sending; `timeout`; what the peer answered when it could not. */
  async ask(
    context: MessageContext,
    to: Address,
    message: Message,
    options: AskOptions,
  ): Promise<AskReceipt> {
    const outgoing = this.#identified(message);
    const { messageId } = outgoing;
    if (messageId === undefined) throw new TypeError('Cannot ask without a message id or a source of them');
    const peer = options.peer ?? formatAddress(to);
    const watch = await this.#watches.watch(to.node);
    const key = formatAddress(to);
    const lines = this.#lines.get(key) ?? new Lines(context.clock);
    this.#lines.set(key, lines);
    try {
      const wait = options.timeout ?? WAIT;
      const asked = await ask({ ...context, lines }, { ...outgoing, messageId }, watch, { wait, peer });
      const { error, ...reply } = asked.answer;
      if (error !== undefined) throw answerError(peer, error);
      return { ...receipt(to, outgoing, asked), messageId, reply, replyAfter: Math.round(asked.after) };
    } finally {
      watch.close();
      for (const [peer, unused] of this.#lines) if (unused.isEmpty) this.#lines.delete(peer);
    }
  }

  #identified(message: Message): OutgoingMessage {
    for (const id of [message.messageId, message.replyTo]) {
      if (id === undefined || isMessageId(id)) continue;
      throw new PilotError('invalid_argument', `"${id}" is not a message id`, {
        hint: 'an id is 1 to 128 letters, digits and - _ . :',
      });
    }
    const messageId = message.messageId ?? (this.#random && freshMessageId(this.#random));
    return { ...message, messageId };
  }
}

function receipt(
  to: Address,
  { type, data, messageId, replyTo }: OutgoingMessage,
  { ack, tagged, retried }: { ack: string; tagged: boolean; retried: boolean },
): MessageReceipt {
  return {
    target: formatAddress(to),
    type,
    bytes: data.length,
    ack,
    ...(messageId !== undefined && { messageId }),
    tagged,
    ...(replyTo !== undefined && { replyTo }),
    ...(retried && { retried }),
  };
}

function answerError(peer: string, { code, message }: { code: string; message: string }): PilotError {
  return new PilotError(isErrorCode(code) ? code : 'internal', `"${peer}" could not answer: ${message}`, {
    hint: 'the message was delivered; see what the peer offers with: /help',
  });
}
