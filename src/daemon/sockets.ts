import { asPilotError } from '../api/errors.ts';
import type { Bytes, Endpoint, Millis } from '../base/units.ts';
import type { Clock, Log, Net, UdpSocket } from '../runtime/ports.ts';
import { eachDatagram } from '../runtime/trains.ts';

/** Sockets besides the tunnel's own. */
const MOST = 300;
/** Datagrams kept per socket while it opens. */
const MOST_WAITING = 64;
/** From the end of a socket's use to its close: what was handed to it last still leaves. */
const LINGER: Millis = 250;

type Extra =
  | { readonly state: 'opening'; readonly waiting: { readonly to: Endpoint; readonly data: Uint8Array }[] }
  | { readonly state: 'open'; readonly socket: UdpSocket }
  | { readonly state: 'failed' };

/** What comes in by any of the sockets, and what the system refuses to send. */
export interface SocketsHost {
  received(data: Uint8Array, from: Endpoint, via: number): void;
  /** Datagrams of `segment` bytes one behind the other, the last perhaps shorter. */
  receivedTrain(train: Uint8Array, segment: number, from: Endpoint, via: number): void;
  unreachable(to: Endpoint, via: number): void;
  /** It refuses a datagram of so many bytes. */
  tooLong(to: Endpoint, bytes: Bytes): void;
}

/** The local UDP sockets of a node by number: 0 is the tunnel's own, the others come and go as the node says. */
export class Sockets {
  readonly #net: Net;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #main: UdpSocket;
  readonly #extras = new Map<number, Extra>();
  #host: SocketsHost | undefined;
  #closed = false;

  constructor(options: { net: Net; clock: Clock; log: Log; main: UdpSocket }) {
    this.#net = options.net;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#main = options.main;
  }

  /** Where the tunnel's own socket is bound. */
  get local(): Endpoint {
    return this.#main.local;
  }

  get count(): number {
    return 1 + this.#extras.size;
  }

  listen(host: SocketsHost): void {
    this.#host = host;
    this.#attach(0, this.#main);
  }

  send(via: number, to: Endpoint, data: Uint8Array): void {
    if (via === 0) {
      this.#main.send(data, to);
      return;
    }
    const extra = this.#extras.get(via);
    if (extra?.state === 'open') extra.socket.send(data, to);
    else if (extra?.state === 'opening' && extra.waiting.length < MOST_WAITING)
      extra.waiting.push({ to, data });
  }

  /** Datagrams of `segment` bytes one behind the other, the last perhaps shorter. The bytes are the caller's again on return. */
  sendTrain(via: number, to: Endpoint, train: Uint8Array, segment: number): void {
    const extra = via === 0 ? undefined : this.#extras.get(via);
    const socket = via === 0 ? this.#main : extra?.state === 'open' ? extra.socket : undefined;
    if (socket !== undefined) socket.sendTrain(train, segment, to);
    else eachDatagram(train.slice(), segment, (datagram) => this.send(via, to, datagram));
  }

  /** A socket that cannot be opened is one whose datagrams are lost. */
  open(via: number): void {
    if (this.#closed || via === 0 || this.#extras.has(via) || this.#extras.size >= MOST) return;
    const opening: Extra = { state: 'opening', waiting: [] };
    this.#extras.set(via, opening);
    this.#net.udp({ host: this.#main.local.host, port: 0 }).then(
      (socket) => {
        if (this.#extras.get(via) !== opening) {
          void socket.close();
          return;
        }
        this.#extras.set(via, { state: 'open', socket });
        this.#attach(via, socket);
        for (const { to, data } of opening.waiting) socket.send(data, to);
      },
      (thrown: unknown) => {
        const { code, message } = asPilotError(thrown);
        this.#log.event('warn', 'socket.not_opened', { via, code, message });
        if (this.#extras.get(via) === opening) this.#extras.set(via, { state: 'failed' });
      },
    );
  }

  close(via: number): void {
    const extra = this.#extras.get(via);
    this.#extras.delete(via);
    if (extra?.state !== 'open') return;
    extra.socket.onTrain(() => {});
    this.#clock.at(this.#clock.now() + LINGER, () => void extra.socket.close());
  }

  /** Closes all of them at once. */
  async stop(): Promise<void> {
    this.#closed = true;
    const open = [...this.#extras.values()].flatMap((extra) => (extra.state === 'open' ? extra.socket : []));
    this.#extras.clear();
    await Promise.all([this.#main, ...open].map((socket) => socket.close()));
  }

  #attach(via: number, socket: UdpSocket): void {
    socket.onTrain((train, segment, from) => {
      if (train.length > 0) this.#host?.receivedTrain(train, segment, from, via);
      else this.#host?.received(train, from, via);
    });
    socket.onUnreachable((to) => this.#host?.unreachable(to, via));
    socket.onTooLong((to, bytes) => this.#host?.tooLong(to, bytes));
  }
}
