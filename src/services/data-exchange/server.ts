import { asPilotError } from '../../api/errors.ts';
import type { Conn, Listener, StreamHost } from '../../api/stream.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Millis, NodeId } from '../../base/units.ts';
import type { Clock, Log, Storage } from '../../runtime/ports.ts';
import { DATA_EXCHANGE_PORT } from './client.ts';
import { type Correspondent, Correspondents } from './correspondents.ts';
import { Deliveries } from './deliveries.ts';
import type { LiveTransfers } from './file-receiver.ts';
import { Inbox, type InboxLimits } from './inbox.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { MessagePrograms } from './programs.ts';
import { ReceivedFiles, type ReceivedLimits } from './received.ts';
import { ReceivingSession } from './session.ts';

const INBOX_LIMITS: InboxLimits = { bytes: 256 * 1024 * 1024, files: 10_000 };
const RECEIVED_LIMITS: ReceivedLimits = { bytes: 2 * 1024 * 1024 * 1024 };
/** Connections at once, in all and of one peer; more are reset. Chosen: each question that waits for its answer is one; what they hold is bounded below. */
const CONNECTION_LIMIT = 1024;
const PEER_LIMIT = 256;
/** Frames held in memory over all connections. */
const MEMORY_LIMIT = 64 * 1024 * 1024;
/** A connection that says nothing for this long is reset. spec/23 §3 */
const IDLE_LIMIT: Millis = 120_000;

export interface DataExchangeOptions {
  readonly host: StreamHost;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Messages go to `inbox/`, files to `received/`. */
  readonly storage: Storage;
  /** Programs that answer messages, or wait for them. */
  readonly programs?: MessagePrograms;
  readonly limits?: {
    readonly inbox?: InboxLimits;
    readonly received?: ReceivedLimits;
    readonly idle?: Millis;
  };
}

/** Port 1001: takes messages and files from whoever the node lets in, and acknowledges what is durable. spec/21 §2 */
export class DataExchange {
  readonly #options: DataExchangeOptions;
  readonly #listener: Listener;
  readonly #inbox: Inbox;
  readonly #files: ReceivedFiles;
  readonly #deliveries: Deliveries;
  readonly #correspondents: Correspondents;
  readonly #memory = new MemoryBudget(MEMORY_LIMIT);
  readonly #live: LiveTransfers = new Map();
  readonly #sessions = new Map<Promise<void>, Conn>();
  readonly #perPeer = new Map<NodeId, number>();

  static start(options: DataExchangeOptions): DataExchange {
    return new DataExchange(options);
  }

  private constructor(options: DataExchangeOptions) {
    this.#options = options;
    const { storage, clock, crypto, log, limits } = options;
    this.#inbox = new Inbox({ storage, clock, log, limits: limits?.inbox ?? INBOX_LIMITS });
    this.#files = new ReceivedFiles({
      storage,
      clock,
      crypto,
      log,
      limits: limits?.received ?? RECEIVED_LIMITS,
    });
    this.#deliveries = new Deliveries(crypto, clock, storage);
    this.#correspondents = new Correspondents(storage);
    this.#listener = options.host.listen(DATA_EXCHANGE_PORT);
    this.#files.tidy().catch((thrown: unknown) => {
      log.event('warn', 'received.tidy_failed', { message: asPilotError(thrown).message });
    });
    void this.#acceptAll();
  }

  /** Stops accepting and resets what is open; partial files stay for the next attempt. */
  async stop(): Promise<void> {
    this.#listener.close();
    for (const conn of this.#sessions.values()) conn.abort();
    await Promise.allSettled(this.#sessions.keys());
  }

  /** What is known of a peer by the messages it sent. */
  correspondent(node: NodeId): Promise<Correspondent> {
    return this.#correspondents.of(node);
  }

  async #acceptAll(): Promise<void> {
    for (let conn = await this.#listener.accept(); conn !== undefined; conn = await this.#listener.accept()) {
      this.#admit(conn);
    }
  }

  #admit(conn: Conn): void {
    const { node } = conn.remote.address;
    const ofPeer = this.#perPeer.get(node) ?? 0;
    if (this.#sessions.size >= CONNECTION_LIMIT || ofPeer >= PEER_LIMIT) {
      this.#options.log.event('warn', 'dataexchange.busy', { peer: node });
      conn.abort();
      return;
    }
    this.#perPeer.set(node, ofPeer + 1);
    const { storage, clock, crypto, log, limits } = this.#options;
    const session = new ReceivingSession({
      conn,
      inbox: this.#inbox,
      files: this.#files,
      deliveries: this.#deliveries,
      correspondents: this.#correspondents,
      programs: this.#options.programs,
      memory: this.#memory,
      live: this.#live,
      storage,
      clock,
      crypto,
      log,
      idle: limits?.idle ?? IDLE_LIMIT,
    });
    const running = session.run().finally(() => {
      this.#sessions.delete(running);
      const left = (this.#perPeer.get(node) ?? 1) - 1;
      if (left === 0) this.#perPeer.delete(node);
      else this.#perPeer.set(node, left);
    });
    this.#sessions.set(running, conn);
  }
}
