import type { Bus, BusMessage } from '../store.ts';
import type { Asks, Sql } from './sql.ts';

/** PostgreSQL carries a little less than 8,000 bytes. */
const MAX_PAYLOAD = 7800;
/** Messages that wait to be sent; with more, the others are told that they missed some. */
const MAX_WAITING = 20_000;

interface Envelope {
  readonly by: string;
  readonly messages: readonly BusMessage[];
  readonly missed?: boolean;
}

/** LISTEN and NOTIFY: what waits goes out together, one notification after the other. */
export class NotifyBus implements Bus {
  readonly #channel: string;
  #self = '';
  #client: Asks | undefined;
  #sending = false;
  #waiting: BusMessage[] = [];
  #lost = false;
  #receiver: (message: BusMessage) => void = () => undefined;
  #missed: () => void = () => undefined;

  constructor(schema: string) {
    this.#channel = `pilot ${schema}`;
  }

  receive(receiver: (message: BusMessage) => void, missed: () => void): void {
    this.#receiver = receiver;
    this.#missed = missed;
  }
  publish(message: BusMessage): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting = [];
      this.#lost = true;
    }
    this.#waiting.push(message);
    void this.#send();
  }

  /** Listens on a client of its own, again by itself when that connection breaks. */
  async listen(client: Sql): Promise<void> {
    const [row] = await client.unsafe('SELECT gen_random_uuid()::text AS self');
    this.#self = String(row!.self);
    let times = 0;
    await client.listen(
      this.#channel,
      (payload) => this.#take(payload),
      () => {
        if (times++ > 0) this.#missed();
      },
    );
  }
  /** From now on messages go out over `client`; without one they wait. */
  connect(client: Asks | undefined): void {
    this.#client = client;
    void this.#send();
  }

  async #send(): Promise<void> {
    const client = this.#client;
    if (this.#sending || client === undefined) return;
    this.#sending = true;
    try {
      // What else happens in this turn goes along.
      await Promise.resolve();
      while (this.#client === client && (this.#waiting.length > 0 || this.#lost)) {
        const payload = this.#next();
        try {
          await client.unsafe('SELECT pg_notify($1, $2)', [this.#channel, payload], { prepare: true });
        } catch {
          // The connection is gone or about to be: whoever is told next is told to look.
          this.#lost = true;
          break;
        }
      }
    } finally {
      this.#sending = false;
    }
    if (this.#client !== client) void this.#send();
  }

  #next(): string {
    const envelope = { by: this.#self, ...(this.#lost && { missed: true }) };
    this.#lost = false;
    const parts: string[] = [];
    let size = 200;
    while (this.#waiting.length > 0) {
      const text = JSON.stringify(this.#waiting[0]);
      size += text.length + 1;
      if (parts.length > 0 && size > MAX_PAYLOAD) break;
      parts.push(text);
      this.#waiting.shift();
    }
    return `${JSON.stringify(envelope).slice(0, -1)},"messages":[${parts.join()}]}`;
  }

  #take(payload: string): void {
    let envelope: Envelope;
    try {
      envelope = JSON.parse(payload) as Envelope;
    } catch {
      // Somebody else uses the channel.
      return;
    }
    if (envelope.by === this.#self || !Array.isArray(envelope.messages)) return;
    if (envelope.missed === true) this.#missed();
    for (const message of envelope.messages) this.#receiver(message);
  }
}
