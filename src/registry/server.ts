import type { Endpoint } from '../base/units.ts';
import type {
  Clock,
  Log,
  Net,
  Pipe,
  PipeServer,
  TlsServerOptions,
  WebSocketServerOptions,
} from '../runtime/ports.ts';
import type { SharedBytes } from './outbox.ts';
import { DEFAULT_LIMITS, type ServerLimits } from './server-limits.ts';
import type { RegistryService } from './service/service.ts';
import { Session, type SessionHost } from './session.ts';
import { Sessions } from './sessions.ts';
import { sourceOf } from './source.ts';
import { Turns } from './turns.ts';

export interface RegistryServerOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Log;
  readonly service: RegistryService;
  readonly bind: Endpoint;
  /** With it, the first byte of each connection decides between TLS and plaintext. */
  readonly tls?: TlsServerOptions;
  /** Serves WebSockets on the same port, for others. */
  readonly webSocket?: WebSocketServerOptions;
  readonly limits?: Partial<ServerLimits>;
}

/** Counts of now, and of what happened since the start where the name says so. */
export interface ServerStats {
  readonly connections: number;
  /** Of those, the ones that proved which node they are. */
  readonly proven: number;
  /** Connections refused since the start. */
  readonly refused: number;
  /** Clients cut since the start because they did not take what they were sent. */
  readonly dropped: number;
  /** Clients whose frame waits for its turn. */
  readonly waiting: number;
  /** Bytes of unfinished frames. */
  readonly bufferedBytes: number;
  /** Bytes that clients have not taken. */
  readonly unsentBytes: number;
}

/** The registry's sockets. */
export class RegistryServer {
  readonly #limits: ServerLimits;
  readonly #sessions: Sessions<Session>;
  readonly #perHost = new Map<string, HostCount>();
  readonly #turns: Turns;
  readonly #shared: SharedBytes = { buffered: 0, unsent: 0, dropped: 0 };
  readonly #sessionHost: SessionHost;
  #listener: PipeServer | undefined;
  #refused = 0;
  #serving = true;
  #proven = 0;

  private constructor(options: RegistryServerOptions) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { clock, service } = options;
    this.#sessions = new Sessions(clock, Math.min(this.#limits.frame, this.#limits.idle));
    this.#turns = new Turns(clock, (wait) => service.felt?.(wait));
    this.#sessionHost = {
      clock,
      service,
      limits: this.#limits,
      shared: this.#shared,
      turns: this.#turns,
      proven: (session) => this.#provenIs(session),
      closed: (session) => this.#forget(session),
    };
  }

  /** Errors: `port_in_use`, `io_error`. */
  static async listen(options: RegistryServerOptions): Promise<RegistryServer> {
    const server = new RegistryServer(options);
    const { tls, webSocket } = options;
    server.#listener = await options.net.listen(options.bind, (pipe) => server.#accept(pipe), {
      ...(tls && { tls }),
      ...(webSocket && { webSocket }),
    });
    return server;
  }

  get endpoint(): Endpoint {
    return this.#listener!.local;
  }
  stats(): ServerStats {
    return {
      connections: this.#sessions.size,
      proven: this.#proven,
      refused: this.#refused,
      dropped: this.#shared.dropped,
      waiting: this.#turns.waiting,
      bufferedBytes: this.#shared.buffered,
      unsentBytes: this.#shared.unsent,
    };
  }

  /** False: every client is sent away at once, and whoever comes: they go to another instance, or come again. */
  serve(serving: boolean): void {
    this.#serving = serving;
    if (!serving) for (const session of this.#sessions) session.pipe.destroy();
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    for (const session of this.#sessions) session.pipe.destroy();
  }

  #accept(pipe: Pipe): void {
    const source = sourceOf(pipe.remote.host);
    const count = this.#perHost.get(source) ?? { all: 0, unproven: 0 };
    const { connections, connectionsPerHost, provenPerHost } = this.#limits;
    if (
      !this.#serving ||
      this.#sessions.size >= connections ||
      count.unproven >= connectionsPerHost ||
      count.all >= provenPerHost
    ) {
      this.#refused++;
      pipe.destroy();
      return;
    }
    count.all++;
    count.unproven++;
    this.#perHost.set(source, count);
    const session = new Session(pipe, this.#sessionHost);
    session.slot = this.#sessions.add(session);
  }

  #provenIs(session: Session): void {
    this.#proven++;
    this.#perHost.get(sourceOf(session.pipe.remote.host))!.unproven--;
  }

  #forget(session: Session): void {
    if (!this.#sessions.delete(session, session.slot)) return;
    const source = sourceOf(session.pipe.remote.host);
    const count = this.#perHost.get(source)!;
    count.all--;
    if (session.proven) this.#proven--;
    else count.unproven--;
    if (count.all === 0) this.#perHost.delete(source);
  }
}

/** Connections of one network address. */
interface HostCount {
  all: number;
  /** Of those, the ones that have not proved which node they are. */
  unproven: number;
}
