import { PilotError } from '../api/errors.ts';
import type { SigningKey } from '../base/crypto.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { NodeId } from '../base/units.ts';
import type { Clock, Log } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import type { JsonObject } from '../wire/json.ts';
import { REQUEST_TIMEOUT, readTraits, type Session } from './connection.ts';
import { readRegistered } from './read-reply.ts';
import { lostConnection, type Requests } from './requests.ts';
import type { Registered, RegisterOptions } from './types.ts';

/** Makes this node known, once by order and then again on every new connection. */
export class Registration {
  #identity: SigningKey;
  readonly #requests: Requests;
  readonly #clock: Clock;
  readonly #log: Log;
  #options: RegisterOptions | undefined;
  #node: NodeId | undefined;
  #current: { readonly session: Session; readonly registered: Registered } | undefined;
  /** A server keeps one challenge per connection, so registrations take turns. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(identity: SigningKey, requests: Requests, clock: Clock, log: Log) {
    this.#identity = identity;
    this.#requests = requests;
    this.#clock = clock;
    this.#log = log;
  }

  /** Our id, once a registry gave us one. */
  get node(): NodeId | undefined {
    return this.#node;
  }

  /** The answer to the last registration, while its connection lives. */
  get current(): Registered | undefined {
    return this.#current?.session.link.closed === false ? this.#current.registered : undefined;
  }

  /** What changed by another request since: a registration on a new connection must not undo it. */
  amend(changes: Pick<RegisterOptions, 'hostname' | 'public' | 'tags'>): void {
    if (this.#options === undefined) return;
    const { public: isPublic, tags, ...rest } = { ...this.#options, ...changes };
    // Who never said it with a registration does not begin to.
    this.#options =
      this.#options.public === undefined ? rest : { ...rest, public: isPublic!, tags: tags ?? [] };
  }

  async register(options: RegisterOptions): Promise<Registered> {
    this.#options = options;
    const before = this.#turn;
    const mine = before.catch(() => {}).then(() => this.#register(options));
    this.#turn = mine;
    return mine;
  }

  /** Our key was replaced: this connection and later ones speak for us under the new one. */
  async use(identity: SigningKey): Promise<void> {
    this.#identity = identity;
    if (this.#options !== undefined) await this.register(this.#options);
  }

  /** New connections no longer register. */
  forget(): void {
    this.#options = undefined;
  }

  /** Lets a new connection speak for us before anybody uses it. A refusal leaves it usable for the rest. */
  async resume(session: Session): Promise<void> {
    if (this.#options === undefined || this.#node === undefined) return;
    try {
      await this.#registerOn(session, this.#options);
    } catch (error) {
      if (lostConnection(error)) throw error;
      const message = error instanceof Error ? error.message : String(error);
      this.#log.event('warn', 'directory.register_failed', { error: message });
    }
  }

  async #register(options: RegisterOptions): Promise<Registered> {
    const session = await this.#requests.session();
    try {
      return await this.#registerOn(session, options);
    } catch (error) {
      if (!lostConnection(error)) throw error;
      return this.#registerOn(await this.#requests.session(), options);
    }
  }

  async #registerOn(session: Session, options: RegisterOptions): Promise<Registered> {
    const reply = await this.#prove(session, {
      ...this.#fields(options),
      ...(session.traits.features.has('presence') ? presence(options) : {}),
    });
    const registered = readRegistered(reply, {
      host: session.link.host,
      secure: session.link.secure,
      fingerprint: session.traits.fingerprint,
    });
    this.#node = registered.node;
    this.#current = { session, registered };
    if (registered.presence !== true && session.traits.features.has('subscribe')) {
      const fields = { node_id: registered.node };
      await this.#requests.askOn(session, { type: 'subscribe', fields, action: 'subscribe', signed: '' });
    }
    return registered;
  }

  /** Registers with an answer to the server's challenge, or without one at an old server. */
  async #prove(session: Session, fields: JsonObject): Promise<JsonObject> {
    const action = 'register';
    if (!session.traits.features.has('sig'))
      return this.#requests.askOn(session, { type: 'register', fields, action });
    for (let attempt = 0; ; attempt++) {
      const challenge = session.challenge ?? (await this.#newChallenge(session));
      session.challenge = undefined;
      try {
        return await this.#requests.askOn(session, {
          type: 'register',
          fields: { ...fields, challenge },
          action,
          signed: '',
        });
      } catch (error) {
        // The challenge was too old by the time it was used, or the clock was: both are asked for anew.
        if (attempt > 0 || !(error instanceof PilotError) || !/challenge|expired/.test(error.message))
          throw error;
      }
    }
  }

  async #newChallenge(session: Session): Promise<string | undefined> {
    const reply = await session.link.request({ type: 'challenge' }, REQUEST_TIMEOUT);
    const { challenge, traits } = readTraits(reply, this.#clock, undefined);
    session.traits.offset = traits.offset;
    return challenge;
  }

  #fields(options: RegisterOptions): JsonObject {
    return {
      listen_addr: formatEndpoint(options.listenEndpoint),
      lan_addrs: options.lan.map(formatEndpoint),
      ...(options.beacons?.length ? { beacons: options.beacons.map(formatEndpoint) } : {}),
      public_key: encodeBase64(this.#identity.publicKey),
      version: options.version,
      ...(options.owner === undefined ? {} : { owner: options.owner }),
      ...(options.hostname === undefined || options.hostname === '' ? {} : { hostname: options.hostname }),
      ...(options.relayOnly === true ? { relay_only: true } : {}),
    };
  }
}

/** What a server that understands it takes together with the registration. */
function presence({ public: isPublic, tags }: RegisterOptions): JsonObject {
  return isPublic === undefined ? {} : { subscribe: true, public: isPublic, tags: tags ?? [] };
}
