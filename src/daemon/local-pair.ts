import { moveInto } from '../base/bytes.ts';
import type { LocalStream, StreamEnd, StreamObserver } from '../ipc/backend.ts';

/** Bytes that wait at each end. */
const WINDOW = 256 * 1024;

/** Two ends of a stream that never leaves the daemon: what one writes, the other reads. */
export function localPair(
  ids: readonly [number, number],
  ends: Pick<LocalStream, 'local' | 'remote'>,
): readonly [LocalStream, LocalStream] {
  const near = new PairEnd(ids[0], ends);
  const far = new PairEnd(ids[1], { local: ends.remote, remote: ends.local });
  near.join(far);
  far.join(near);
  return [near, far];
}

class PairEnd implements LocalStream {
  readonly id: number;
  readonly local: LocalStream['local'];
  readonly remote: LocalStream['remote'];
  #peer!: PairEnd;
  #observer: StreamObserver | undefined;
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  /** We write no more; and read no more. */
  #writesEnded = false;
  #closed = false;
  #over: StreamEnd | undefined;
  /** The last write was cut short. */
  #starved = false;

  constructor(id: number, { local, remote }: Pick<LocalStream, 'local' | 'remote'>) {
    this.id = id;
    this.local = local;
    this.remote = remote;
  }

  join(peer: PairEnd): void {
    this.#peer = peer;
  }

  observe(observer: StreamObserver): void {
    this.#observer = observer;
    queueMicrotask(() => {
      if (this.#observer !== observer) return;
      observer.readable();
      if (this.#over !== undefined) observer.closed(this.#over);
    });
  }

  read(limit: number): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length < limit) {
      const chunk = this.#incoming.shift();
      if (chunk === undefined) break;
      chunks.push(chunk);
      length += chunk.length;
    }
    this.#incomingBytes -= length;
    if (length > 0) this.#peer.#wasRead();
    return chunks;
  }

  get unread(): number {
    return this.#incomingBytes;
  }

  readInto(out: Uint8Array, at: number, limit: number): number {
    const length = moveInto(this.#incoming, out, at, limit);
    this.#incomingBytes -= length;
    if (length > 0) this.#peer.#wasRead();
    return length;
  }

  get atEnd(): boolean {
    return this.#incoming.length === 0 && this.#peer.#writesEnded;
  }

  write(data: Uint8Array): number {
    if (this.#writesEnded || this.#over !== undefined) return 0;
    const peer = this.#peer;
    if (peer.#closed) return data.length;
    const accepted = Math.min(data.length, Math.max(0, WINDOW - peer.#incomingBytes));
    if (accepted > 0) {
      peer.#incoming.push(data.slice(0, accepted));
      peer.#incomingBytes += accepted;
      peer.#notify('readable');
    }
    this.#starved ||= accepted < data.length;
    return accepted;
  }

  endWriting(): void {
    if (this.#writesEnded || this.#over !== undefined) return;
    this.#writesEnded = true;
    this.#peer.#notify('readable');
  }

  close(): void {
    if (this.#closed || this.#over !== undefined) return;
    this.endWriting();
    this.#closed = true;
    this.#incoming = [];
    this.#incomingBytes = 0;
    this.#peer.#wasRead();
    this.#finishIfRead();
  }

  abort(): void {
    this.#end('aborted');
    this.#peer.#end('reset');
  }

  /** The peer took what we wrote: there is room, and after a close all of it may have arrived. */
  #wasRead(): void {
    this.#finishIfRead();
    if (!this.#starved) return;
    this.#starved = false;
    this.#notify('writable');
  }

  #finishIfRead(): void {
    if (this.#closed && this.#peer.#incomingBytes === 0) this.#end('finished');
  }

  #end(reason: StreamEnd): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    queueMicrotask(() => {
      if (reason === 'finished') this.#observer?.finished();
      this.#observer?.closed(reason);
    });
  }

  #notify(event: 'readable' | 'writable'): void {
    queueMicrotask(() => this.#observer?.[event]());
  }
}
