import type { Millis } from '../../../base/units.ts';
import type { AskReceipt, MessageReceipt, Reply } from '../../../sdk/messages.ts';
import type { MessageType } from '../../../services/data-exchange/message-sender.ts';
import type { Context } from '../../context.ts';
import { dataFields } from '../../exchange.ts';
import type { FoundPeer } from '../../peers.ts';

/** Asks a peer. The time for the reply counts from the delivery, which is bound by the time of the command. */
export async function askPeer(
  context: Context,
  peer: FoundPeer,
  message: { readonly type: MessageType; readonly data: Uint8Array; readonly replyTo?: string | undefined },
  wait: Millis,
): Promise<AskReceipt> {
  const { timeout: deliveryTimeout } = context.stepTimeout;
  context.unlimited();
  const client = await context.client();
  return client.ask(peer.address, message, {
    timeout: wait,
    signal: context.signal,
    deliveryTimeout,
    peer: peer.text,
  });
}

/** Result keys of spec/23 §4. */
export function receiptData(sent: MessageReceipt): Record<string, unknown> {
  const { messageId, replyTo, ...rest } = sent;
  return {
    ...rest,
    ...(messageId !== undefined && { message_id: messageId }),
    ...(replyTo !== undefined && { reply_to: replyTo }),
  };
}

export function askData({ reply, replyAfter, ...sent }: AskReceipt): Record<string, unknown> {
  return { ...receiptData(sent), reply: replyData(sent.target, reply), reply_after_ms: replyAfter };
}

function replyData(from: string, { type, data, messageId, replyTo, via, inboxId }: Reply): object {
  return {
    type: type.toUpperCase(),
    from,
    bytes: data.length,
    ...dataFields('data', data),
    ...(messageId !== undefined && { message_id: messageId }),
    ...(replyTo !== undefined && { reply_to: replyTo }),
    via,
    ...(inboxId !== undefined && { id: inboxId }),
  };
}
