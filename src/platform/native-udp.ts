import { getSystemErrorName } from 'node:util';
import { formatEndpoint, sameEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { Accelerator, NativeSocket } from './accelerator.ts';
import { systemError } from './system-error.ts';
import { BUFFER_BYTES, type NodeUdpSocket, UNREACHABLE } from './udp.ts';

/** Limits of one system call: segments, and the bytes of a UDP datagram over IPv4. */
const MOST_SEGMENTS = 64;
const LONGEST_TRAIN = 65_507;
/** Trains kept while the system has no room; what comes on top is lost, as on a full link. */
const MOST_WAITING = 256;

interface Train {
  readonly to: Endpoint;
  readonly packets: Uint8Array[];
  bytes: number;
}

/** True when the addon can open sockets on this system. */
export function hasNativeUdp(accelerator: Accelerator | undefined): accelerator is Accelerator {
  return accelerator?.udpOpen !== undefined;
}

/**
 * A UDP socket that hands over runs of datagrams of one length to one destination in a single system call, and gets
 * them so. What is sent within one turn of the event loop leaves at its end.
 */
export async function openNativeUdp(accelerator: Accelerator, bind: Endpoint): Promise<NodeUdpSocket> {
  let socket: NativeUdp | undefined;
  try {
    const opened = accelerator.udpOpen!(bind.host, bind.port, BUFFER_BYTES, (received) => {
      if (received === undefined) socket?.hasRoom();
      else if (received === null) socket?.closed();
      else socket?.received(received);
    });
    socket = new NativeUdp(accelerator, opened, { host: bind.host, port: opened.port });
    return socket;
  } catch (error) {
    throw systemError(error as Error, `bind UDP ${formatEndpoint(bind)}`);
  }
}

class NativeUdp implements NodeUdpSocket {
  readonly local: Endpoint;
  readonly #accelerator: Accelerator;
  readonly #socket: NativeSocket;
  #segments: boolean;
  #receiver: (data: Uint8Array, from: Endpoint) => void = () => {};
  #onUnreachable: (to: Endpoint) => void = () => {};
  #train: Train | undefined;
  #isScheduled = false;
  #waiting: Train[] = [];
  #errors = 0;
  #closed = false;
  readonly closed: () => void;
  readonly #whenClosed: Promise<void>;

  constructor(
    accelerator: Accelerator,
    opened: { readonly socket: NativeSocket; readonly segments: boolean },
    local: Endpoint,
  ) {
    this.#accelerator = accelerator;
    this.#socket = opened.socket;
    this.#segments = opened.segments;
    this.local = local;
    let closed = (): void => {};
    this.#whenClosed = new Promise((resolve) => (closed = resolve));
    this.closed = closed;
  }

  send(data: Uint8Array, to: Endpoint): void {
    if (this.#closed) return;
    const train = this.#train;
    if (train !== undefined && this.#joins(train, data, to)) {
      train.packets.push(data);
      train.bytes += data.length;
      return;
    }
    if (train !== undefined) this.#depart(train);
    this.#train = { to, packets: [data], bytes: data.length };
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      const last = this.#train;
      this.#train = undefined;
      if (last !== undefined) this.#depart(last);
    });
  }

  onDatagram(receiver: (data: Uint8Array, from: Endpoint) => void): void {
    this.#receiver = receiver;
  }

  onUnreachable(receiver: (to: Endpoint) => void): void {
    this.#onUnreachable = receiver;
  }

  close(): Promise<void> {
    if (!this.#closed) {
      if (this.#train !== undefined) this.#depart(this.#train);
      this.#train = undefined;
      this.#waiting = [];
      this.#closed = true;
      this.#accelerator.udpClose!(this.#socket);
    }
    return this.#whenClosed;
  }

  sendErrors(): number {
    return this.#errors;
  }

  received(list: (Uint8Array | number | string)[]): void {
    for (let i = 0; i < list.length; i += 4) {
      const bytes = list[i] as Uint8Array;
      const segment = list[i + 1] as number;
      const from = { host: list[i + 2] as string, port: list[i + 3] as number };
      if (segment >= bytes.length) this.#receiver(bytes, from);
      else
        for (let at = 0; at < bytes.length; at += segment)
          this.#receiver(bytes.subarray(at, at + segment), from);
    }
  }

  hasRoom(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const train of waiting) this.#depart(train);
  }

  /** Every packet but the last has one length, and the whole fits a datagram. */
  #joins({ packets, bytes, to: before }: Train, data: Uint8Array, to: Endpoint): boolean {
    const segment = packets[0]!.length;
    return (
      this.#segments &&
      sameEndpoint(before, to) &&
      packets.length < MOST_SEGMENTS &&
      data.length > 0 &&
      data.length <= segment &&
      packets[packets.length - 1]!.length === segment &&
      bytes + data.length <= LONGEST_TRAIN
    );
  }

  #depart(train: Train): void {
    if (this.#closed) return;
    if (this.#waiting.length > 0) {
      this.#wait(train);
      return;
    }
    const { packets, to } = train;
    const error = this.#accelerator.udpSend!(this.#socket, packets, to.host, to.port);
    if (error === 0) return;
    const name = getSystemErrorName(error);
    if (name === 'EAGAIN') this.#wait(train);
    else if (packets.length > 1) {
      // Too large for the way there, or a device that cannot cut them: one by one tells which is lost.
      if (name === 'EIO') this.#segments = false;
      for (const packet of packets) this.#depart({ to, packets: [packet], bytes: packet.length });
    } else {
      this.#errors++;
      if (UNREACHABLE.includes(name)) this.#onUnreachable(to);
    }
  }

  #wait(train: Train): void {
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(train);
    else this.#errors += train.packets.length;
  }
}
