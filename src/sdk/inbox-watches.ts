import type { Conn } from '../api/stream.ts';
import type { NodeId } from '../base/units.ts';
import type { IpcClient } from '../ipc/client.ts';
import { AnswerReader } from '../services/data-exchange/answer-reader.ts';
import type { AnswerWatch } from '../services/data-exchange/ask.ts';
import { DATA_FRAME_LIMIT, type DataFrame } from '../wire/data-exchange.ts';
import { isJsonObject, parseJson } from '../wire/json.ts';

type Receiver = (frame: DataFrame, inboxId: string) => void;

interface Watched {
  readonly facts: Promise<{ readonly isKnown: boolean; readonly echoes: boolean }>;
  readonly receivers: Set<Receiver>;
}

/** Hears of messages that peers put into our inbox while somebody here waits for them. */
export class InboxWatches {
  readonly #ipc: IpcClient;
  readonly #watched = new Map<NodeId, Watched>();

  constructor(ipc: IpcClient) {
    this.#ipc = ipc;
    ipc.onMessage((copy) => void this.#receive(copy));
  }

  /** Errors: `unavailable`. */
  async watch(node: NodeId): Promise<AnswerWatch & { close(): void }> {
    const watched = this.#watched.get(node) ?? this.#begin(node);
    const early: Parameters<Receiver>[] = [];
    let receiver: Receiver = (...copy) => early.push(copy);
    const receive: Receiver = (...copy) => receiver(...copy);
    watched.receivers.add(receive);
    const close = (): void => {
      watched.receivers.delete(receive);
      if (watched.receivers.size > 0 || this.#watched.get(node) !== watched) return;
      this.#watched.delete(node);
      this.#ipc.call('messages_unwatch', { node_id: node }).catch(() => {});
    };
    try {
      const facts = await watched.facts;
      return {
        ...facts,
        onMessage: (next) => {
          receiver = next;
          for (const copy of early.splice(0)) next(...copy);
        },
        close,
      };
    } catch (error) {
      close();
      throw error;
    }
  }

  #begin(node: NodeId): Watched {
    const facts = this.#ipc
      .call('messages_watch', { node_id: node })
      .then(({ known, echoes }) => ({ isKnown: known, echoes }));
    const watched = { facts, receivers: new Set<Receiver>() };
    this.#watched.set(node, watched);
    return watched;
  }

  async #receive(copy: Conn): Promise<void> {
    const frames = new AnswerReader(copy, DATA_FRAME_LIMIT);
    try {
      const head = await frames.next();
      const frame = await frames.next();
      copy.close().catch(() => copy.abort());
      const parsed = head === undefined ? 'invalid_json' : parseJson(head.payload);
      if (frame === undefined || typeof parsed === 'string' || !isJsonObject(parsed.value)) return;
      const { id } = parsed.value;
      const receivers = this.#watched.get(copy.remote.address.node)?.receivers ?? [];
      for (const receive of [...receivers]) receive(frame, typeof id === 'string' ? id : '');
    } catch {
      // The message is in the inbox all the same.
      copy.abort();
    }
  }
}
