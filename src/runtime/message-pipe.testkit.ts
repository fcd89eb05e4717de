import type { MessagePipe } from './ports.ts';

/** One end of a WebSocket in memory: what was sent lies in `sent`, what the other side does is called. */
export class FakeMessagePipe implements MessagePipe {
  readonly remote = { host: '192.0.2.1', port: 1 };
  readonly sent: (string | Uint8Array)[] = [];
  queued = 0;
  pings = 0;
  paused = false;
  /** The reason of `close`, or "destroyed". */
  ended: string | undefined;
  #onMessage: (message: string | Uint8Array) => void = () => {};
  #onSign: () => void = () => {};
  #onClose: (reason: string) => void = () => {};

  send(message: string | Uint8Array): void {
    if (this.ended === undefined) this.sent.push(message);
  }
  onMessage(receiver: (message: string | Uint8Array) => void): void {
    this.#onMessage = receiver;
  }
  ping(): void {
    this.pings++;
  }
  onSign(receiver: () => void): void {
    this.#onSign = receiver;
  }
  onClose(receiver: (reason: string) => void): void {
    this.#onClose = receiver;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(reason = ''): void {
    this.#end(reason);
  }
  destroy(): void {
    this.#end('destroyed');
  }

  says(message: string | Uint8Array): void {
    this.#onMessage(message);
  }
  signs(): void {
    this.#onSign();
  }
  #end(reason: string): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.#onClose(reason);
  }
}
