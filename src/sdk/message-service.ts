import { asPilotError } from '../api/errors.ts';
import type { Conn } from '../api/stream.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Instant, Millis, NodeId, Port } from '../base/units.ts';
import type { Abort, Clock } from '../runtime/ports.ts';
import type { MessageType } from '../services/data-exchange/message-sender.ts';
import {
  MessageServer,
  type MessageServerLimits,
  type Question,
  type ServedEvent,
} from '../services/data-exchange/message-server.ts';
import { formatAddress } from '../wire/address.ts';
import type { PilotClient } from './client.ts';

/** A message that wants an answer. `from` and `node` are authenticated by the tunnel. */
export interface IncomingMessage {
  /** Address of the sender. */
  readonly from: string;
  readonly node: NodeId;
  /** Hostname this daemon knows the sender by; "" when none. A name the registry gave out, not a proof. */
  readonly name: string;
  readonly type: MessageType;
  readonly data: Uint8Array;
  /** The content as text. */
  readonly text: string;
  readonly messageId?: string | undefined;
  readonly replyTo?: string | undefined;
}

/** Text, or content of another type, or nothing. */
export type HandlerReply = string | { readonly type: MessageType; readonly data: Uint8Array } | undefined;

/** The signal fires when the time for the answer is over. What it throws as PilotError is told to the sender. */
export type MessageHandler = (
  message: IncomingMessage,
  signal: Abort,
) => HandlerReply | Promise<HandlerReply>;

export interface ServiceOptions extends MessageServerLimits {
  /** Port to serve on. Absent: the messages of the node (port 1001), instead of its inbox. */
  readonly port?: Port | undefined;
  readonly onEvent?: ((event: ServedEvent) => void) | undefined;
}

const NAME_LIFE: Millis = 30_000;
const NAME_LIMIT = 1024;
/** Between attempts to find the daemon again, least and most. */
const RECONNECT: readonly [Millis, Millis] = [100, 3_000];

/** Answers messages through whatever daemon connection there is; what is under way outlives it. */
export class MessageService {
  readonly #clock: Clock;
  readonly #server: MessageServer;
  readonly #port: Port | undefined;
  readonly #names = new Map<NodeId, { readonly name: string; readonly until: Instant }>();
  readonly #stopped = new AbortController();
  #stopping: Promise<void> | undefined;
  #client: PilotClient | undefined;
  #unlisten: (() => void) | undefined;

  constructor(
    ports: { readonly clock: Clock; readonly crypto: Crypto; readonly random: Random },
    handler: MessageHandler,
    options: ServiceOptions = {},
  ) {
    this.#clock = ports.clock;
    this.#port = options.port;
    this.#server = new MessageServer({
      ...ports,
      answer: async (question, signal) => {
        const reply = await handler(await this.#incoming(question), signal);
        return typeof reply === 'string' ? { type: 'text', data: utf8(reply) } : reply;
      },
      send: async (to, message) => {
        await this.#client?.sendMessage(to, message);
      },
      limits: options,
      onEvent: options.onEvent,
    });
  }

  /** Serves until the daemon goes away or `close`. Errors: `port_in_use`, `unavailable`. */
  async attach(client: PilotClient): Promise<{ readonly port: Port; readonly ended: Promise<void> }> {
    const listener =
      this.#port === undefined ? await client.ipc.serveMessages() : await client.listen(this.#port);
    this.#client = client;
    this.#unlisten = () => listener.close();
    if (this.#stopped.signal.aborted) listener.close();
    const single = this.#port === undefined;
    const accept = async (): Promise<void> => {
      for (let conn: Conn | undefined; (conn = await listener.accept()) !== undefined; ) {
        void this.#server.serve(conn, { single });
      }
    };
    return { port: listener.port, ended: accept() };
  }

  /**
   * Serves through every daemon that `connect` finds, until `close`. Resolves then; rejects when the first attempt
   * fails, or a later one for another reason than that the daemon is away.
   */
  async run(connect: () => Promise<PilotClient>, onAttached: (port: Port) => void): Promise<void> {
    const { signal } = this.#stopped;
    let pause = RECONNECT[0];
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      try {
        const client = await connect();
        try {
          const { port, ended } = await this.attach(client);
          pause = RECONNECT[0];
          onAttached(port);
          await ended;
          // Answers under way still need the connection.
          await this.#stopping;
        } finally {
          client.close();
        }
      } catch (thrown) {
        const { code } = asPilotError(thrown);
        const isAway = code === 'not_running' || code === 'unavailable' || code === 'connection_failed';
        if (isFirst || !isAway) throw thrown;
      }
      if (signal.aborted) return;
      await this.#clock.sleep(pause, signal).catch(() => {});
      pause = Math.min(2 * pause, RECONNECT[1]);
    }
  }

  /** Takes no more questions, and gives those being answered `grace` to end. */
  close(grace: Millis = 5_000): Promise<void> {
    const stopping = this.#server.stop(grace).then(() => this.#stopped.abort());
    this.#stopping ??= stopping;
    this.#unlisten?.();
    return stopping;
  }

  async #incoming(question: Question): Promise<IncomingMessage> {
    const { from, data } = question;
    return {
      ...question,
      from: formatAddress(from),
      node: from.node,
      name: await this.#nameOf(from.node),
      text: fromUtf8(data),
    };
  }

  async #nameOf(node: NodeId): Promise<string> {
    const now = this.#clock.now();
    const known = this.#names.get(node);
    if (known !== undefined && known.until > now) return known.name;
    const name = (await this.#client?.peerName(node).catch(() => '')) ?? '';
    this.#names.delete(node);
    this.#names.set(node, { name, until: now + NAME_LIFE });
    for (const oldest of this.#names.keys()) {
      if (this.#names.size <= NAME_LIMIT) break;
      this.#names.delete(oldest);
    }
    return name;
  }
}
