import type { Port } from '../base/units.ts';
import type { Clock, Log, Net, Pipe, PipeServer } from '../runtime/ports.ts';
import { CMD, encodeError, encodeIpcFrame } from '../wire/ipc.ts';
import type { IncomingDatagram, IpcBackend } from './backend.ts';
import { FramePool } from './frame-pool.ts';
import { ClientSession } from './session.ts';

/** spec/20 §9 */
const MAX_CLIENTS = 1024;

/** The daemon's local socket: accepts clients and gives each a session. */
export class IpcServer {
  #backend: IpcBackend | undefined;
  /** Clients that came before there was anything to serve. */
  #early: Pipe[] = [];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #sessions = new Set<ClientSession>();
  readonly #frames = new FramePool();
  readonly #datagramPorts = new Map<Port, ClientSession>();
  #server: PipeServer | undefined;
  #closed = false;

  /**
   * Takes the socket, so that no second daemon starts; clients are heard from `serve` on.
   * Errors: `socket_in_use`, `io_error`.
   */
  static async claim(options: { net: Net; clock: Clock; log: Log; socketPath: string }): Promise<IpcServer> {
    const server = new IpcServer(options.clock, options.log);
    server.#server = await options.net.listenLocal(options.socketPath, (pipe) => server.#accept(pipe));
    return server;
  }

  private constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  serve(backend: IpcBackend): void {
    this.#backend = backend;
    for (const pipe of this.#early.splice(0)) this.#accept(pipe);
  }

  get clientCount(): number {
    return this.#sessions.size;
  }

  /**
   * A datagram for the programs on this machine: to the one that asked for its port, and to old clients, who take
   * all and choose themselves (spec/20 §4.6).
   */
  deliver(datagram: IncomingDatagram): void {
    const owner = this.#datagramPorts.get(datagram.destinationPort);
    owner?.deliver(datagram);
    for (const session of this.#sessions) {
      if (session !== owner && !session.extended) session.deliver(datagram);
    }
  }

  /** Stops accepting, then ends every session; their streams finish in the background. */
  async close(): Promise<void> {
    this.#closed = true;
    const stopped = this.#server?.close();
    for (const pipe of this.#early.splice(0)) pipe.destroy();
    for (const session of [...this.#sessions]) session.close();
    await stopped;
  }

  #accept(pipe: Pipe): void {
    if (this.#closed || this.#sessions.size + this.#early.length >= MAX_CLIENTS) {
      pipe.write(encodeIpcFrame(CMD.error, encodeError(`too many clients: the limit is ${MAX_CLIENTS}`)));
      pipe.end();
      this.#log.event('warn', 'ipc.client_refused', { limit: MAX_CLIENTS });
      return;
    }
    if (this.#backend === undefined) {
      this.#early.push(pipe);
      return;
    }
    const session = new ClientSession(pipe, this.#backend, this.#clock, {
      frames: this.#frames,
      takeDatagramPort: (port, taker) => {
        const owner = this.#datagramPorts.get(port);
        if (owner !== undefined && owner !== taker) return false;
        this.#datagramPorts.set(port, taker);
        return true;
      },
      releaseDatagramPort: (port) => this.#datagramPorts.delete(port),
      closed: (ended) => {
        this.#sessions.delete(ended);
        this.#log.event('debug', 'ipc.client_left', { client: ended.client });
      },
    });
    this.#sessions.add(session);
  }
}
