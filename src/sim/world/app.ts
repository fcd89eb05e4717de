import { asPilotError, PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { readU32, writeU32 } from '../../base/bytes.ts';
import type { NodeId } from '../../base/units.ts';
import { PilotClient } from '../../sdk/client.ts';
import { between, type Host, type Process } from '../net/index.ts';

/** Port on which every application of the world accepts streams. */
export const APP_PORT = 5000;
/** And takes datagrams. */
export const DATAGRAM_PORT = 5001;
const HEADER = 8;
const RECONNECT_AFTER = 400;
const WRITE_SIZE = 4096;
const DIAL_TIMEOUT = 20_000;

/** What an application reports: the material of the invariants. */
export interface AppObserver {
  /** A stream was accepted from `node`, before anything was read. */
  accepted(app: App, node: NodeId): void;
  /** `length` more bytes of a stream arrived and were right, or `wrong` says what was not. */
  received(app: App, stream: StreamId, node: NodeId, bytes: number, wrong: string | undefined): void;
  /** The stream ended for the receiver; `error` when not in good order. */
  ended(app: App, stream: StreamId, error: PilotError | undefined): void;
  datagram(app: App, node: NodeId, data: Uint8Array): void;
}

export type StreamId = number;

/** A program on a machine that talks through the machine's daemon, and reconnects when the daemon restarts. */
export class App {
  readonly name: string;
  readonly process: Process;
  readonly #socketPath: string;
  readonly #observer: AppObserver;
  #client: PilotClient | undefined;

  constructor(name: string, host: Host, socketPath: string, observer: AppObserver) {
    this.name = name;
    this.process = host.start();
    this.#socketPath = socketPath;
    this.#observer = observer;
    this.#connect();
  }

  /** Undefined while the daemon is away. */
  get client(): PilotClient | undefined {
    return this.#client;
  }

  /** Sends one stream whose every byte follows from its id and place. Resolves when the peer has acknowledged all. */
  async sendStream(to: NodeId, stream: StreamId, length: number): Promise<void> {
    const client = this.#client;
    if (client === undefined) throw new PilotError('unavailable', 'The daemon is away');
    const conn = await client.dial({ network: 0, node: to }, APP_PORT, { timeout: DIAL_TIMEOUT });
    const header = new Uint8Array(HEADER);
    writeU32(header, 0, stream);
    writeU32(header, 4, length);
    await conn.write(header);
    const { random, clock } = this.process;
    for (let at = 0; at < length; ) {
      const size = Math.min(length - at, 1 + random.below(WRITE_SIZE));
      await conn.write(streamBytes(stream, at, size));
      at += size;
      if (random.below(8) === 0) await clock.sleep(between(random, 1, 100));
    }
    await conn.close();
  }

  #connect(): void {
    const { net, clock, crypto } = this.process;
    const again = (): void => {
      this.#client = undefined;
      clock.at(clock.now() + RECONNECT_AFTER, () => this.#connect());
    };
    PilotClient.connect({ net, clock, crypto, socketPath: this.#socketPath }).then((client) => {
      client.ipc.onClose(again);
      this.#client = client;
      void this.#serve(client);
    }, again);
  }

  async #serve(client: PilotClient): Promise<void> {
    try {
      await client.onDatagram(DATAGRAM_PORT, ({ from, data }) =>
        this.#observer.datagram(this, from.node, data),
      );
      const listener = await client.listen(APP_PORT);
      for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept()) {
        this.#observer.accepted(this, conn.remote.address.node);
        void this.#receive(conn);
      }
    } catch {
      // The daemon went away, or has not yet noticed that our last connection did: start over.
      client.close();
    }
  }

  async #receive(conn: Conn): Promise<void> {
    const from = conn.remote.address.node;
    let held = new Uint8Array(0);
    let stream: StreamId | undefined;
    let length = 0;
    let at = 0;
    try {
      for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read()) {
        let data = chunk;
        if (stream === undefined) {
          held = Uint8Array.from([...held, ...chunk]);
          if (held.length < HEADER) continue;
          stream = readU32(held, 0);
          length = readU32(held, 4);
          data = held.subarray(HEADER);
        }
        this.#observer.received(this, stream, from, data.length, mistake(stream, at, length, data));
        at += data.length;
      }
    } catch (thrown) {
      if (stream !== undefined) this.#observer.ended(this, stream, asPilotError(thrown));
      return;
    }
    if (stream !== undefined) this.#observer.ended(this, stream, undefined);
    // Whether our own side ends in good order is nobody's promise: we sent nothing.
    await conn.close().catch(() => {});
  }
}

/** The bytes of a stream from `at` on. */
export function streamBytes(stream: StreamId, at: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const mixed = Math.imul((at + i) ^ Math.imul(stream, 0x9e3779b1), 0x85ebca6b);
    out[i] = mixed >>> 23;
  }
  return out;
}

function mistake(stream: StreamId, at: number, length: number, data: Uint8Array): string | undefined {
  if (at + data.length > length) return `${at + data.length - length} bytes too many`;
  const expected = streamBytes(stream, at, data.length);
  for (let i = 0; i < data.length; i++) if (data[i] !== expected[i]) return `wrong byte at ${at + i}`;
  return undefined;
}
