import { utf8 } from '../base/bytes.ts';
import type { Bytes, Instant, Millis } from '../base/units.ts';
import type { Clock } from '../runtime/ports.ts';
import { soon } from '../runtime/soon.ts';
import { CMD, encodeConnId, encodeIpcFrame } from '../wire/ipc.ts';
import type { LocalStream, StreamEnd } from './backend.ts';
import { CREDIT, DATA_FRAME, ENDED, encodeCredit, INITIAL_CREDIT } from './extension.ts';
import { FRAME_BUFFER } from './frame-pool.ts';
import type { FrameWriter } from './frame-writer.ts';

/** Credit goes back in steps: each costs a system call at either end, and wakes the client. */
const GRANT_STEP = INITIAL_CREDIT / 4;

/** What is written to the pipe without waiting for more. */
const FLUSHED_FROM = FRAME_BUFFER / 2;

/** A stream that brought this much within `BURST` is a bulk transfer: what follows is gathered. */
const BULK = 16 * 1024;
const BURST: Millis = 2;

/** What a binding tells the client session that holds it. */
export interface BindingHost {
  readonly clock: Clock;
  readonly writer: FrameWriter;
  /** The client uses credit and end reasons. */
  readonly extended: boolean;
  /** The binding has data but the pipe is full: pump it after the drain. */
  waitForDrain(binding: StreamBinding): void;
  /** Bytes the client sent that the stream has not taken yet changed. */
  backlogChanged(by: Bytes): void;
  gone(binding: StreamBinding, reason: StreamEnd): void;
}

/** Joins one stream of the node with the client that owns it: data, credit and ends, both ways. */
export class StreamBinding {
  readonly stream: LocalStream;
  #host: BindingHost | undefined;
  /** Bytes the client still takes. Old clients take everything: the pipe is their only bound. */
  #credit: number;
  /** Bytes the client may still send. */
  #granted = INITIAL_CREDIT;
  /** Taken by the stream, not granted anew yet. */
  #ungranted = 0;
  #backlog: Uint8Array[] = [];
  #backlogBytes = 0;
  #scheduled = false;
  #burstBytes = 0;
  #burstAt: Instant = 0;
  #endTold: StreamEnd | undefined;
  #writesEnded = false;
  #closing = false;
  /** The peer has everything that was written, and our end. */
  #finished = false;
  #closed: StreamEnd | undefined;

  constructor(stream: LocalStream, host: BindingHost) {
    this.stream = stream;
    this.#host = host;
    this.#credit = host.extended ? INITIAL_CREDIT : Number.POSITIVE_INFINITY;
  }

  /** Lets data flow; called once the client has been told of the stream. */
  start(): void {
    this.stream.observe({
      readable: () => this.#schedule(),
      writable: () => this.#flushBacklog(),
      finished: () => {
        this.#finished = true;
        if (this.#closing) this.#host?.gone(this, 'finished');
      },
      closed: (reason) => this.#onClosed(reason),
    });
  }

  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Data from the client. False when it overran its credit. */
  send(data: Uint8Array): boolean {
    if (this.#host?.extended) {
      this.#granted -= data.length;
      if (this.#granted < 0) return false;
    }
    if (this.#closed !== undefined || this.#writesEnded) return true;
    const accepted = this.#backlogBytes > 0 ? 0 : this.stream.write(data);
    this.#grant(accepted);
    if (accepted < data.length) {
      this.#backlog.push(data.subarray(accepted));
      this.#backlogBytes += data.length - accepted;
      this.#host?.backlogChanged(data.length - accepted);
    }
    return true;
  }

  /** The client takes that many more bytes. */
  credit(bytes: number): void {
    this.#credit += bytes;
    this.#schedule();
  }

  /** Ends our direction once everything the client sent is passed on; the other goes on. */
  endWriting(): void {
    if (this.#writesEnded) return;
    this.#writesEnded = true;
    if (this.#closed === undefined && this.#backlogBytes === 0) this.stream.endWriting();
  }

  /** Finishes the stream once everything the client sent is passed on. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#writesEnded = true;
    if (this.#closed !== undefined) this.#host?.gone(this, this.#closed);
    else if (this.#backlogBytes === 0) {
      this.stream.close();
      if (this.#finished) this.#host?.gone(this, 'finished');
    }
  }

  abort(): void {
    this.stream.abort();
  }

  /** The client has gone: its data is still delivered, then the stream finishes. */
  detach(): void {
    this.#host = undefined;
    this.close();
  }

  /** Moves what has arrived to the client, as far as credit and the pipe allow. */
  pump(): void {
    const host = this.#host;
    if (host === undefined || this.#closing) return;
    while (this.#credit > 0) {
      if (host.writer.congested) {
        host.waitForDrain(this);
        return;
      }
      const length = Math.min(DATA_FRAME, this.#credit, this.stream.unread);
      if (length === 0) {
        this.#checkEnd(host);
        return;
      }
      const at = host.writer.roomForData(length);
      const read = this.stream.readInto(host.writer.memory, at, length);
      host.writer.endData(CMD.recv, this.stream.id, read);
      this.#credit -= read;
      this.#burstBytes += read;
      if (host.writer.waitingBytes >= FLUSHED_FROM) host.writer.flush();
    }
    if (this.stream.atEnd) this.#checkEnd(host);
  }

  #checkEnd(host: BindingHost): void {
    if (this.stream.atEnd) this.#tellEnd(host, 'finished');
    if (this.#closed === undefined) return;
    this.#tellEnd(host, this.#closed);
    host.gone(this, this.#closed);
  }

  /**
   * Readable events come one per packet or per train. Those of one turn share a frame; in a bulk transfer where little
   * came, those of a millisecond: a frame per packet would cost the client and us a system call each. Small exchanges
   * are passed on at once.
   */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const clock = this.#host?.clock;
    if (clock === undefined || this.stream.unread >= BULK || !this.#isBulk(clock.now()))
      soon(this.#pumpScheduled);
    else clock.at(clock.now() + 1, this.#pumpScheduled);
  }

  readonly #pumpScheduled = (): void => {
    this.#scheduled = false;
    this.pump();
  };

  #isBulk(now: Instant): boolean {
    const isBulk = this.#burstBytes >= BULK && now - this.#burstAt < BURST;
    if (now - this.#burstAt >= BURST || isBulk) {
      this.#burstAt = now;
      if (!isBulk) this.#burstBytes = 0;
    }
    return isBulk;
  }

  #flushBacklog(): void {
    let accepted = 0;
    while (this.#backlog.length > 0) {
      const first = this.#backlog[0]!;
      const taken = this.stream.write(first);
      accepted += taken;
      if (taken < first.length) {
        this.#backlog[0] = first.subarray(taken);
        break;
      }
      this.#backlog.shift();
    }
    if (accepted === 0) return;
    this.#backlogBytes -= accepted;
    this.#grant(accepted);
    this.#host?.backlogChanged(-accepted);
    if (this.#backlogBytes > 0) return;
    if (this.#closing) this.stream.close();
    else if (this.#writesEnded) this.stream.endWriting();
  }

  #grant(bytes: number): void {
    if (bytes === 0 || !this.#host?.extended) return;
    this.#ungranted += bytes;
    // A client stops only at zero, so what is held back never stalls it: all the rest is then on its side.
    if (this.#ungranted < GRANT_STEP) return;
    this.#granted += this.#ungranted;
    this.#host.writer.push(encodeIpcFrame(CREDIT, encodeCredit(this.stream.id, this.#ungranted)));
    this.#ungranted = 0;
  }

  #onClosed(reason: StreamEnd): void {
    this.#closed = reason;
    const lost = this.#backlogBytes;
    this.#backlog = [];
    this.#backlogBytes = 0;
    const host = this.#host;
    if (host === undefined) return;
    host.backlogChanged(-lost);
    if (this.#closing) host.gone(this, reason);
    else this.#schedule();
  }

  #tellEnd(host: BindingHost, reason: StreamEnd): void {
    // A clean end of the peer's direction may be followed by the failure of ours, of which writers must hear.
    if (this.#endTold !== undefined && (reason === 'finished' || !host.extended)) return;
    this.#endTold = reason;
    const id = encodeConnId(this.stream.id);
    host.writer.push(
      host.extended ? encodeIpcFrame(ENDED, id, utf8(reason)) : encodeIpcFrame(CMD.closeOk, id),
    );
  }
}
