import { PilotError } from '../api/errors.ts';
import type { Conn } from '../api/stream.ts';
import { utf8 } from '../base/bytes.ts';
import type { Address, NodeId, Port } from '../base/units.ts';
import type { LocalStream, MessageBackend } from '../ipc/backend.ts';
import { AnswerReader } from '../services/data-exchange/answer-reader.ts';
import { DATA_EXCHANGE_PORT } from '../services/data-exchange/client.ts';
import type { MessagePrograms } from '../services/data-exchange/programs.ts';
import type { DataExchange } from '../services/data-exchange/server.ts';
import {
  ackText,
  DATA_FRAME_LIMIT,
  DATA_TYPE,
  type DataFrame,
  encodeDataFrame,
} from '../wire/data-exchange.ts';
import { encodeJson } from '../wire/json.ts';
import { decodeTagged } from '../wire/tagged.ts';
import { localPair } from './local-pair.ts';
import { connOf } from './stream-host.ts';

/** Ids of streams within this machine; the node counts its own from 1. */
const FIRST_ID = 0x8000_0000;
/** Copies on their way to programs that wait; more are not made, and the message is found in the inbox. */
const COPY_LIMIT = 256;

/** Chosen; to those beyond it answers go as messages of their own. */
const ASKER_LIMIT = 4096;

type Tell = (frame: Uint8Array) => Promise<void>;
type OnStream = (stream: LocalStream) => void;

/** Where messages of the node meet the programs of this machine. docs/decisions/0015 */
export class MessageDesk implements MessagePrograms, MessageBackend {
  readonly #address: () => Address;
  readonly #watches = new Map<NodeId, Set<OnStream>>();
  #exchange: DataExchange | undefined;
  #server: OnStream | undefined;
  /** Senders of messages in the inbox that read an answer on their stream. */
  readonly #askers = new Map<string, Tell>();
  #nextId = FIRST_ID;
  #copies = 0;

  constructor(address: () => Address) {
    this.#address = address;
  }

  /** The service whose messages these are; without it nothing can be served. */
  attach(exchange: DataExchange): void {
    this.#exchange = exchange;
  }

  serve(onStream: OnStream): { readonly port: Port; close(): void } {
    this.#service();
    if (this.#server !== undefined) {
      throw new PilotError('port_in_use', 'Cannot answer messages: another program of this node does', {
        hint: 'stop that program, or serve on a port of your own with --port',
      });
    }
    this.#server = onStream;
    return {
      port: DATA_EXCHANGE_PORT,
      close: () => {
        if (this.#server === onStream) this.#server = undefined;
      },
    };
  }

  async watch(node: NodeId, onStream: OnStream): ReturnType<MessageBackend['watch']> {
    const exchange = this.#service();
    const watches = this.#watches.get(node) ?? new Set();
    this.#watches.set(node, watches.add(onStream));
    const close = (): void => {
      watches.delete(onStream);
      if (watches.size === 0 && this.#watches.get(node) === watches) this.#watches.delete(node);
    };
    return { ...(await exchange.correspondent(node)), close };
  }

  open(peer: Conn['remote']): Conn | undefined {
    const server = this.#server;
    return server && this.#connect(server, peer, DATA_EXCHANGE_PORT);
  }

  isWatched(node: NodeId): boolean {
    return this.#watches.has(node);
  }

  listens(peer: Conn['remote'], messageId: string, tell: Tell): () => void {
    const key = `${peer.address.node} ${messageId}`;
    if (this.#askers.size < ASKER_LIMIT) this.#askers.set(key, tell);
    return () => {
      if (this.#askers.get(key) === tell) this.#askers.delete(key);
    };
  }

  answer(node: NodeId, messageId: string): LocalStream | undefined {
    const key = `${node} ${messageId}`;
    const tell = this.#askers.get(key);
    if (tell === undefined) return undefined;
    this.#askers.delete(key);
    const [near, far] = localPair([this.#id(), this.#id()], {
      local: { address: this.#address(), port: 0 },
      remote: { address: { network: 0, node }, port: DATA_EXCHANGE_PORT },
    });
    void passAnswer(connOf(far), messageId, tell);
    return near;
  }

  stored(peer: Conn['remote'], frame: DataFrame, name: string): void {
    for (const watch of this.#watches.get(peer.address.node) ?? []) {
      if (this.#copies >= COPY_LIMIT) return;
      this.#copies++;
      void this.#copy(this.#connect(watch, peer, 0), frame, name).finally(() => this.#copies--);
    }
  }

  async #copy(conn: Conn, frame: DataFrame, name: string): Promise<void> {
    try {
      await conn.write(encodeDataFrame(DATA_TYPE.json, encodeJson({ id: name })));
      await conn.write(encodeDataFrame(frame.type, frame.payload));
      await conn.close();
    } catch {
      conn.abort();
    }
  }

  #connect(onStream: OnStream, remote: Conn['remote'], port: Port): Conn {
    const [near, far] = localPair([this.#id(), this.#id()], {
      local: { address: this.#address(), port },
      remote,
    });
    onStream(near);
    return connOf(far);
  }

  #id(): number {
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? FIRST_ID : id + 1;
    return id;
  }

  #service(): DataExchange {
    if (this.#exchange !== undefined) return this.#exchange;
    throw new PilotError('unavailable', 'This daemon takes no messages: the data exchange service is off');
  }
}

/** Takes one answer of a program, as the peer would, and writes it where the peer reads. */
async function passAnswer(program: Conn, messageId: string, tell: Tell): Promise<void> {
  try {
    const frame = await new AnswerReader(program, DATA_FRAME_LIMIT).next();
    const tagged = frame?.type === DATA_TYPE.tagged ? decodeTagged(frame.payload) : undefined;
    if (frame === undefined || typeof tagged !== 'object' || tagged.tags.replyTo !== messageId) {
      program.abort();
      return;
    }
    await tell(encodeDataFrame(frame.type, frame.payload));
    const ack = ackText(tagged.inner.type, tagged.inner.payload.length);
    await program.write(encodeDataFrame(DATA_TYPE.text, utf8(ack)));
    await program.close();
  } catch {
    // The peer has left: the answer is sent again, as a message.
    program.abort();
  }
}
