import { concat, EMPTY, fromUtf8 } from '../base/bytes.ts';
import type { Instant, NodeId } from '../base/units.ts';
import type { Streams } from './stream/streams.ts';
import type { ConnId } from './stream/types.ts';

/** Port of the trust handshake. spec/11 §2 */
export const TRUST_PORT = 444;

/** A message must fit one segment of an old peer. spec/11 §2.1 */
const MESSAGE_LIMIT = 4096;
/** How long an incoming stream may take to deliver its message. spec/11 §2.1 */
const READ_DEADLINE = 10_000;
/** Chosen: the registry's relay is the fallback, so a silent peer must not hold it up for a full dial. */
const SEND_TIMEOUT = 5_000;
/** Incoming trust streams read at once; the rest is reset. Chosen: each costs at most 4 KiB for 10 s. */
const INCOMING_LIMIT = 64;

interface Incoming {
  readonly peer: NodeId;
  readonly deadline: Instant;
  buffered: Uint8Array;
  /** The message was taken or refused; the entry stays until the stream is gone. */
  done: boolean;
}

interface Outgoing {
  readonly to: NodeId;
  readonly ref: number;
  readonly message: Uint8Array;
  sent: boolean;
  /** The owner was told what became of it. */
  reported: boolean;
}

/** What became of a message of ours. */
export interface TrustSendResult {
  readonly to: NodeId;
  readonly ref: number;
  readonly delivered: boolean;
}

/** Carries trust messages over streams to port 444: one message per stream, no framing. */
export class TrustChannel {
  readonly #streams: Streams;
  readonly #incoming = new Map<ConnId, Incoming>();
  readonly #outgoing = new Map<ConnId, Outgoing>();

  constructor(streams: Streams) {
    this.#streams = streams;
    streams.listen(TRUST_PORT);
  }

  send(to: NodeId, message: Uint8Array, ref: number, now: Instant): void {
    const conn = this.#streams.dial({ network: 0, node: to }, TRUST_PORT, now, {
      timeout: SEND_TIMEOUT,
      noDelay: true,
    });
    this.#outgoing.set(conn, { to, ref, message, sent: false, reported: false });
  }

  owns(conn: ConnId): boolean {
    return this.#incoming.has(conn) || this.#outgoing.has(conn);
  }

  accept(conn: ConnId, peer: NodeId, now: Instant): void {
    if (this.#incoming.size >= INCOMING_LIMIT) {
      this.#streams.abort(conn, now);
      return;
    }
    this.#incoming.set(conn, { peer, deadline: now + READ_DEADLINE, buffered: EMPTY, done: false });
  }

  connected(conn: ConnId, now: Instant): void {
    const outgoing = this.#outgoing.get(conn);
    if (outgoing === undefined || outgoing.sent) return;
    outgoing.sent = true;
    this.#streams.write(conn, outgoing.message, now);
    this.#streams.close(conn, now);
  }

  /** Returns the message once it is complete: at end of stream, or as soon as the bytes parse as one JSON object. */
  readable(conn: ConnId, now: Instant): { readonly peer: NodeId; readonly message: Uint8Array } | undefined {
    const incoming = this.#incoming.get(conn);
    if (incoming === undefined || incoming.done) return undefined;
    for (
      let chunk = this.#streams.read(conn, now);
      chunk !== undefined;
      chunk = this.#streams.read(conn, now)
    ) {
      if (incoming.buffered.length + chunk.length > MESSAGE_LIMIT) {
        this.#finishIncoming(conn, now, true);
        return undefined;
      }
      incoming.buffered = concat(incoming.buffered, chunk);
    }
    const ended = this.#streams.atEnd(conn);
    // Old senders hold the stream open for 500 ms after the message: a complete object ends it earlier.
    if (!ended && !isCompleteObject(incoming.buffered)) return undefined;
    this.#finishIncoming(conn, now, false);
    return incoming.buffered.length === 0 ? undefined : { peer: incoming.peer, message: incoming.buffered };
  }

  /** The peer has acknowledged the message and our end of stream. */
  finished(conn: ConnId): TrustSendResult | undefined {
    const outgoing = this.#outgoing.get(conn);
    if (outgoing === undefined || outgoing.reported) return undefined;
    outgoing.reported = true;
    return { to: outgoing.to, ref: outgoing.ref, delivered: true };
  }

  /** The stream is gone. Tells of a message that was never acknowledged. */
  ended(conn: ConnId): TrustSendResult | undefined {
    this.#incoming.delete(conn);
    const outgoing = this.#outgoing.get(conn);
    this.#outgoing.delete(conn);
    if (outgoing === undefined || outgoing.reported) return undefined;
    return { to: outgoing.to, ref: outgoing.ref, delivered: false };
  }

  handleTimeout(now: Instant): void {
    for (const [conn, incoming] of this.#incoming) {
      if (!incoming.done && incoming.deadline <= now) this.#finishIncoming(conn, now, true);
    }
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const incoming of this.#incoming.values()) {
      if (!incoming.done && (next === undefined || incoming.deadline < next)) next = incoming.deadline;
    }
    return next;
  }

  #finishIncoming(conn: ConnId, now: Instant, abort: boolean): void {
    const incoming = this.#incoming.get(conn);
    if (incoming !== undefined) incoming.done = true;
    if (abort) this.#streams.abort(conn, now);
    else this.#streams.close(conn, now);
  }
}

function isCompleteObject(bytes: Uint8Array): boolean {
  if (bytes.at(-1) !== 0x7d) return false;
  try {
    JSON.parse(fromUtf8(bytes));
    return true;
  } catch {
    return false;
  }
}
