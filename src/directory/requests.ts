import { PilotError } from '../api/errors.ts';
import type { Clock } from '../runtime/ports.ts';
import type { JsonObject } from '../wire/json.ts';
import { type Connection, REQUEST_TIMEOUT, type Session } from './connection.ts';
import { refusedBy } from './refused.ts';
import type { RequestSigner } from './signer.ts';

/** One request to the registry. */
export interface Ask {
  readonly type: string;
  readonly fields?: JsonObject;
  /** What the request does, for error messages: "resolve node 7". */
  readonly action: string;
  /** The old challenge string, or '' where old servers take it unsigned. Absent: never signed. */
  readonly signed?: string;
  /** Sending it twice does no harm, so a lost connection is tried again. */
  readonly repeatable?: boolean;
}

/** Sends requests, signed as the server at hand wants them, and again where that is safe. */
export class Requests {
  readonly #connection: Connection;
  readonly #signer: RequestSigner;
  readonly #clock: Clock;

  constructor(connection: Connection, signer: RequestSigner, clock: Clock) {
    this.#connection = connection;
    this.#signer = signer;
    this.#clock = clock;
  }

  session(): Promise<Session> {
    return this.#connection.ready(REQUEST_TIMEOUT);
  }

  /** On whatever connection there is. */
  async ask(ask: Ask): Promise<JsonObject> {
    const session = await this.session();
    try {
      return await this.askOn(session, ask);
    } catch (error) {
      if (ask.repeatable !== true || !lostConnection(error)) throw error;
      return this.askOn(await this.session(), ask);
    }
  }

  /** On this connection; a second time when the server says that our clock is off, and what the time is. */
  async askOn({ link, traits }: Session, ask: Ask): Promise<JsonObject> {
    for (let attempt = 0; ; attempt++) {
      const id = link.reserve();
      const bare = { ...ask.fields, type: ask.type, request_id: id };
      const legacy = ask.signed === '' ? undefined : ask.signed;
      const message = ask.signed === undefined ? bare : this.#signer.sign(bare, legacy, traits);
      const reply = await link.exchange(message, id, REQUEST_TIMEOUT);
      const refused = refusedBy(reply, ask.action);
      if (refused === undefined) return reply;
      if (ask.signed === undefined || typeof reply.time !== 'number' || !/expired/.test(refused.message))
        throw refused;
      traits.offset = reply.time - this.#clock.wallNow();
      if (attempt > 0) throw refused;
    }
  }
}

export function lostConnection(error: unknown): boolean {
  return error instanceof PilotError && error.code === 'registry_unreachable';
}
