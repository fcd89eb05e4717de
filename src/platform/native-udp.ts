import { getSystemErrorName } from 'node:util';
import { formatEndpoint, sameEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import { eachDatagram } from '../runtime/trains.ts';
import type { Accelerator, NativeUdpOpened } from './accelerator.ts';
import { systemError } from './system-error.ts';
import { BUFFER_BYTES, LONGEST_TRAIN, MOST_SEGMENTS, type NodeUdpSocket, UNREACHABLE } from './udp.ts';

/** Bytes kept while the system has no room; what comes on top is lost, as on a full link. */
const MOST_WAITING = 4 * 1024 * 1024;

/** What goes to one destination in one system call: gathered datagrams, or bytes that lie together already. */
type Train = Gathered | Whole;
interface Whole {
  readonly to: Endpoint;
  readonly train: Uint8Array;
  readonly segment: number;
  /** Of ours, that the train was copied to while it waits. */
  readonly memory?: Uint8Array;
}
interface Gathered {
  readonly to: Endpoint;
  readonly packets: Uint8Array[];
  bytes: number;
}

type Receiver = (train: Uint8Array, segment: number, from: Endpoint) => void;

/**
 * A UDP socket that hands over runs of datagrams of one length to one destination in a single system call, and gets
 * them so. What is sent one by one within a turn of the event loop is gathered and leaves at its end.
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
  readonly dontFragment: boolean;
  readonly receiveBuffer: number;
  readonly #accelerator: Accelerator;
  readonly #socket: NativeUdpOpened['socket'];
  #segments: boolean;
  #receiver: Receiver = () => {};
  #onUnreachable: (to: Endpoint) => void = () => {};
  #onTooLong: (to: Endpoint, bytes: number) => void = () => {};
  #gathered: Gathered | undefined;
  #isScheduled = false;
  #waiting: Train[] = [];
  #waitingBytes = 0;
  /** Of trains that waited and left: no more than ever waited at once. */
  readonly #free: Uint8Array[] = [];
  #errors = 0;
  #closed = false;
  readonly closed: () => void;
  readonly #whenClosed: Promise<void>;

  constructor(accelerator: Accelerator, opened: NativeUdpOpened, local: Endpoint) {
    this.#accelerator = accelerator;
    this.#socket = opened.socket;
    this.#segments = opened.segments;
    this.dontFragment = opened.dontFragment;
    this.receiveBuffer = opened.receiveBuffer;
    this.local = local;
    let closed = (): void => {};
    this.#whenClosed = new Promise((resolve) => (closed = resolve));
    this.closed = closed;
  }

  send(data: Uint8Array, to: Endpoint): void {
    if (this.#closed) return;
    const train = this.#gathered;
    if (train !== undefined && this.#joins(train, data, to)) {
      train.packets.push(data);
      train.bytes += data.length;
      return;
    }
    if (train !== undefined) this.#depart(train);
    this.#gathered = { to, packets: [data], bytes: data.length };
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#departGathered();
    });
  }

  sendTrain(train: Uint8Array, segment: number, to: Endpoint): void {
    if (this.#closed) return;
    if (train.length <= segment || !this.#segments || segment > LONGEST_TRAIN) {
      eachDatagram(train.slice(), segment, (datagram) => this.send(datagram, to));
      return;
    }
    if (!(segment >= 1)) throw new RangeError(`Datagrams of ${segment} bytes in a train`);
    // What was sent before leaves before.
    this.#departGathered();
    const most = segment * Math.min(MOST_SEGMENTS, Math.floor(LONGEST_TRAIN / segment));
    for (let at = 0; at < train.length; at += most)
      this.#depart({ to, train: train.subarray(at, at + most), segment });
  }

  onDatagram(receiver: (data: Uint8Array, from: Endpoint) => void): void {
    this.#receiver = (train, segment, from) =>
      eachDatagram(train.slice(), segment, (datagram) => receiver(datagram, from));
  }

  onTrain(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  onUnreachable(receiver: (to: Endpoint) => void): void {
    this.#onUnreachable = receiver;
  }

  onTooLong(receiver: (to: Endpoint, bytes: number) => void): void {
    this.#onTooLong = receiver;
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#departGathered();
      this.#waiting = [];
      this.#closed = true;
      this.#accelerator.udpClose!(this.#socket);
    }
    return this.#whenClosed;
  }

  sendErrors(): number {
    return this.#errors;
  }

  received(list: readonly (Uint8Array | number | string | undefined)[]): void {
    let from: Endpoint = { host: '', port: 0 };
    for (let i = 0; i < list.length && !this.#closed; i += 4) {
      const host = list[i + 2] as string | undefined;
      if (host !== undefined) from = { host, port: list[i + 3] as number };
      this.#receiver(list[i] as Uint8Array, list[i + 1] as number, from);
    }
  }

  hasRoom(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const train of waiting) {
      if (this.#waiting.length > 0) {
        this.#waiting.push(train);
        this.#waitingBytes += bytesOf(train);
        continue;
      }
      this.#depart(train);
      if ('memory' in train && train.memory !== undefined) this.#free.push(train.memory);
    }
  }

  #departGathered(): void {
    const train = this.#gathered;
    this.#gathered = undefined;
    if (train !== undefined) this.#depart(train);
  }

  /** Every packet but the last has one length, and the whole fits a datagram. */
  #joins({ packets, bytes, to: before }: Gathered, data: Uint8Array, to: Endpoint): boolean {
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
    const { to } = train;
    const addon = this.#accelerator;
    const error =
      'train' in train
        ? addon.udpSendTrain!(this.#socket, to.host, to.port, train.train, train.segment)
        : addon.udpSend!(this.#socket, to.host, to.port, ...train.packets);
    if (error !== 0) this.#refused(train, getSystemErrorName(error));
  }

  #refused(train: Train, name: string): void {
    const { to } = train;
    if (name === 'EAGAIN') {
      this.#wait(train);
      return;
    }
    if ('train' in train || train.packets.length > 1) {
      // A device that cannot cut, or datagrams too long for the way there: one by one tells which are lost.
      if (name === 'EIO') this.#segments = false;
      const alone = (packet: Uint8Array): void =>
        this.#depart({ to, packets: [packet], bytes: packet.length });
      // Some of them may come to wait, and the bytes are the caller's.
      if ('train' in train) eachDatagram(train.train.slice(), train.segment, alone);
      else train.packets.forEach(alone);
      return;
    }
    this.#errors++;
    if (UNREACHABLE.includes(name)) this.#onUnreachable(to);
    if (name === 'EMSGSIZE') this.#onTooLong(to, train.bytes);
  }

  #wait(train: Train): void {
    const bytes = bytesOf(train);
    if (this.#waitingBytes + bytes > MOST_WAITING) {
      this.#errors += 'train' in train ? Math.ceil(bytes / train.segment) : train.packets.length;
      return;
    }
    this.#waiting.push('train' in train ? this.#copied(train) : train);
    this.#waitingBytes += bytes;
  }

  /** The bytes of a train are the caller's again once it is sent. */
  #copied({ to, train, segment }: Whole): Whole {
    const memory = this.#free.pop() ?? new Uint8Array(LONGEST_TRAIN);
    memory.set(train);
    return { to, train: memory.subarray(0, train.length), segment, memory };
  }
}

function bytesOf(train: Train): number {
  return 'train' in train ? train.train.length : train.bytes;
}
