import { PilotError } from '../api/errors.ts';
import type { Conn } from '../api/stream.ts';
import type { Address, Port } from '../base/units.ts';
import { DATA_FRAME, INITIAL_CREDIT } from './extension.ts';

/** What was read is granted anew in steps: each costs a system call at either end, and wakes the daemon. */
const GRANT_STEP = INITIAL_CREDIT / 2;

/** What a stream needs of the client that carries it. */
export interface ConnCarrier {
  sendData(id: number, data: Uint8Array): void;
  grant(id: number, bytes: number): void;
  /** Resolves when the pipe to the daemon takes more. */
  writable(): Promise<void> | undefined;
  endWriting(id: number): Promise<void>;
  closeConn(id: number): Promise<void>;
  abortConn(id: number): void;
}

/** A stream whose other half lives in the daemon. At most `INITIAL_CREDIT` bytes wait here unread. */
export class ClientConn implements Conn {
  readonly id: number;
  readonly local: { readonly address: Address; readonly port: Port };
  readonly remote: { readonly address: Address; readonly port: Port };
  readonly #carrier: ConnCarrier;
  #chunks: Uint8Array[] = [];
  #consumed = 0;
  #sendCredit = INITIAL_CREDIT;
  #readEnded = false;
  #failure: PilotError | undefined;
  #writesEnded = false;
  #closed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(carrier: ConnCarrier, id: number, ends: Pick<Conn, 'local' | 'remote'>) {
    this.#carrier = carrier;
    this.id = id;
    this.local = ends.local;
    this.remote = ends.remote;
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#consumed += chunk.length;
        if (this.#consumed >= GRANT_STEP && !this.#readEnded) {
          this.#carrier.grant(this.id, this.#consumed);
          this.#consumed = 0;
        }
        return chunk;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#readEnded || this.#closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  write(data: Uint8Array): Promise<void> {
    const turn = this.#writing.then(() => this.#writeAll(data));
    this.#writing = turn.catch(() => {});
    return turn;
  }

  async #writeAll(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; ) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#writesEnded || this.#closed)
        throw new PilotError('connection_failed', 'Cannot write: the stream is closed');
      const full = this.#carrier.writable();
      if (full !== undefined) {
        await full;
        continue;
      }
      if (this.#sendCredit === 0) {
        await new Promise<void>((resolve) => {
          this.#wakeWriter = resolve;
        });
        continue;
      }
      const length = Math.min(data.length - at, this.#sendCredit, DATA_FRAME);
      this.#sendCredit -= length;
      this.#carrier.sendData(this.id, data.subarray(at, at + length));
      at += length;
    }
  }

  async endWriting(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#writesEnded || this.#closed) return;
    this.#writesEnded = true;
    await this.#carrier.endWriting(this.id);
  }

  async close(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed) return;
    this.#closed = true;
    this.#wakeReader?.();
    await this.#carrier.closeConn(this.id);
  }

  abort(): void {
    if (this.#closed && this.#readEnded) return;
    this.fail(new PilotError('connection_failed', 'The stream was reset by this side'));
    this.#carrier.abortConn(this.id);
  }

  /** From the carrier: data of the peer. */
  receive(data: Uint8Array): void {
    if (this.#closed) {
      this.#carrier.grant(this.id, data.length);
      return;
    }
    this.#chunks.push(data);
    this.#wakeReader?.();
  }

  /** From the carrier: the peer finished. */
  end(): void {
    this.#readEnded = true;
    this.#wakeReader?.();
  }

  /** From the carrier: the stream broke. Data that arrived before is still read. */
  fail(error: PilotError): void {
    this.#failure ??= error;
    this.#readEnded = true;
    this.#closed = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** From the carrier: room for that many more bytes. */
  credit(bytes: number): void {
    this.#sendCredit += bytes;
    this.#wakeWriter?.();
  }
}
