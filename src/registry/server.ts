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
import { DEFAULT_LIMITS, type ServerLimits } from './server-limits.ts';
import type { RegistryService } from './service/service.ts';
import { Session, type SharedBuffer } from './session.ts';
import { sourceOf } from './source.ts';

/** For this long after the start, no more than this many connections a second are begun. spec/10 §1.5 */
const START_PERIOD = 60_000;
const START_RATE = 1000;

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

/** The registry's sockets. */
export class RegistryServer {
  readonly #options: RegistryServerOptions;
  readonly #limits: ServerLimits;
  readonly #pipes = new Set<Pipe>();
  readonly #perHost = new Map<string, number>();
  readonly #shared: SharedBuffer = { bytes: 0 };
  readonly #startedAt: number;
  #listener: PipeServer | undefined;
  #second = { from: 0, begun: 0 };
  #refused = 0;

  private constructor(options: RegistryServerOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#startedAt = options.clock.now();
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
  stats(): { readonly connections: number; readonly refused: number; readonly bufferedBytes: number } {
    return { connections: this.#pipes.size, refused: this.#refused, bufferedBytes: this.#shared.bytes };
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    for (const pipe of this.#pipes) pipe.destroy();
  }

  #accept(pipe: Pipe): void {
    const host = sourceOf(pipe.remote.host);
    const fromHost = this.#perHost.get(host) ?? 0;
    if (this.#pipes.size >= this.#limits.connections || fromHost >= this.#limits.connectionsPerHost) {
      this.#refused++;
      pipe.destroy();
      return;
    }
    this.#pipes.add(pipe);
    this.#perHost.set(host, fromHost + 1);
    const onClosed = (): void => this.#forget(pipe);
    const begin = (): void => {
      const { clock, service } = this.#options;
      new Session({ pipe, clock, service, limits: this.#limits, shared: this.#shared, onClosed });
    };
    const wait = this.#startDelay();
    if (wait === 0) begin();
    else void this.#options.clock.sleep(wait).then(begin);
  }

  #forget(pipe: Pipe): void {
    if (!this.#pipes.delete(pipe)) return;
    const host = sourceOf(pipe.remote.host);
    const left = this.#perHost.get(host)! - 1;
    if (left === 0) this.#perHost.delete(host);
    else this.#perHost.set(host, left);
  }

  /** Time until the next second when this one has begun enough connections, ms. */
  #startDelay(): number {
    const now = this.#options.clock.now();
    if (now - this.#startedAt >= START_PERIOD) return 0;
    if (now - this.#second.from >= 1000) this.#second = { from: now, begun: 0 };
    this.#second.begun++;
    const seconds = Math.floor((this.#second.begun - 1) / START_RATE);
    return seconds === 0 ? 0 : this.#second.from + 1000 * seconds - now;
  }
}
