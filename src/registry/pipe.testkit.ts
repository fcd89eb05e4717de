/** A connection as the server sees it, with the client's end in the test's hands. */
import { concat } from '../base/bytes.ts';
import type { Pipe } from '../runtime/ports.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';

export class FakePipe implements Pipe {
  readonly remote = { host: '198.51.100.7', port: 50_000 };
  readonly local = { host: '203.0.113.1', port: 9000 };
  readonly secure = false;
  closed = false;
  paused = false;
  /** False: the client stops taking data. */
  taking = true;
  #received: Uint8Array[] = [];
  #kept: Uint8Array[] = [];
  #receiver: ((data: Uint8Array) => void) | undefined;
  #onClose: (() => void) | undefined;
  #drained: (() => void)[] = [];
  readonly #reader = new JsonFrameReader();

  /** The client sends. */
  send(...parts: readonly (Uint8Array | object)[]): void {
    const bytes = concat(...parts.map((part) => (part instanceof Uint8Array ? part : encodeJsonFrame(part))));
    if (this.paused || this.#receiver === undefined) this.#kept.push(bytes);
    else this.#receiver(bytes);
  }
  /** Everything the client got since the last call. */
  bytes(): Uint8Array {
    return concat(...this.#received.splice(0));
  }
  /** The same, as JSON frames. */
  replies(): Record<string, unknown>[] {
    this.#reader.push(this.bytes());
    const replies: Record<string, unknown>[] = [];
    for (let reply = this.#reader.next(); reply !== undefined; reply = this.#reader.next())
      replies.push({ ...reply });
    return replies;
  }
  /** The client takes data again. */
  drain(): void {
    this.taking = true;
    for (const done of this.#drained.splice(0)) done();
  }

  readonly queued = 0;

  write(data: Uint8Array): boolean {
    if (this.closed) return false;
    this.#received.push(data.slice());
    return this.taking;
  }
  drained(): Promise<void> {
    return this.taking ? Promise.resolve() : new Promise((resolve) => this.#drained.push(resolve));
  }
  onData(receiver: (data: Uint8Array) => void): void {
    this.#receiver = receiver;
    this.#deliver();
  }
  onClose(receiver: () => void): void {
    this.#onClose = receiver;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
    this.#deliver();
  }
  end(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    for (const done of this.#drained.splice(0)) done();
    this.#onClose?.();
  }

  #deliver(): void {
    queueMicrotask(() => {
      while (!this.paused && !this.closed && this.#kept.length > 0) this.#receiver!(this.#kept.shift()!);
    });
  }
}
