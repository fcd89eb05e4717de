import { PilotError } from '../api/errors.ts';
import type { Conn } from '../api/stream.ts';
import type { Address, NodeId, Port } from '../base/units.ts';
import type { LocalStream, MessageBackend } from '../ipc/backend.ts';
import { DATA_EXCHANGE_PORT } from '../services/data-exchange/client.ts';
import type { MessagePrograms } from '../services/data-exchange/programs.ts';
import type { DataExchange } from '../services/data-exchange/server.ts';
import { DATA_TYPE, type DataFrame, encodeDataFrame } from '../wire/data-exchange.ts';
import { encodeJson } from '../wire/json.ts';
import { localPair } from './local-pair.ts';
import { connOf } from './stream-host.ts';

/** Ids of streams within this machine; the node counts its own from 1. */
const FIRST_ID = 0x8000_0000;
/** Copies on their way to programs that wait; more are not made, and the message is found in the inbox. */
const COPY_LIMIT = 256;

type OnStream = (stream: LocalStream) => void;

/** Where messages of the node meet the programs of this machine. docs/decisions/0015 */
export class MessageDesk implements MessagePrograms, MessageBackend {
  readonly #address: () => Address;
  readonly #watches = new Map<NodeId, Set<OnStream>>();
  #exchange: DataExchange | undefined;
  #server: OnStream | undefined;
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
