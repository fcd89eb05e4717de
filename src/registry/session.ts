import type { Instant } from '../base/units.ts';
import type { Clock, Pipe, Timer } from '../runtime/ports.ts';
import { ConnectionState } from './connection.ts';
import { Outbox } from './outbox.ts';
import type { Protocol } from './protocol.ts';
import { jsonProtocol } from './protocol-json.ts';
import { RATE_GRACE, type ServerLimits, SLOW_DELAY } from './server-limits.ts';
import type { RegistryService } from './service/service.ts';

/** Bytes of unfinished frames over all sessions of a server. */
export interface SharedBuffer {
  bytes: number;
}

interface SessionOptions {
  readonly pipe: Pipe;
  readonly clock: Clock;
  readonly service: RegistryService;
  readonly limits: ServerLimits;
  readonly shared: SharedBuffer;
  readonly onClosed: () => void;
}

/**
 * One client. Frames are answered in order; those that carry a `request_id` may overtake each other.
 * A new frame is read only when its answer can be worked on and the client takes what it is sent.
 */
export function serveSession({ pipe, clock, service, limits, shared, onClosed }: SessionOptions): void {
  const startedAt = clock.now();
  const outbox = new Outbox(pipe, clock, limits, () => pump());
  const state = new ConnectionState(pipe.remote, pipe.secure, (message) => {
    if (protocol !== undefined) outbox.send(protocol.encodePush(message));
  });
  const greeting = new Uint8Array(0);
  let protocol: Protocol | undefined;
  let held: object | undefined;
  let inFlight = 0;
  let exclusive = false;
  let delayed = false;
  let requests = 0;
  let lastFrameAt: Instant = startedAt;
  let buffered = 0;
  let closed = false;
  let timer: Timer;

  function account(): void {
    const now = protocol === undefined ? greeting.length : protocol.buffered();
    shared.bytes += now - buffered;
    buffered = now;
  }
  function pump(): void {
    if (protocol === undefined) return;
    while (!closed && !delayed && !exclusive && !outbox.blocked && inFlight < limits.concurrent) {
      const frame = held ?? protocol.next();
      held = undefined;
      if (frame === undefined) break;
      const ordered = protocol.inOrder(frame);
      if (ordered && inFlight > 0) {
        held = frame;
        break;
      }
      lastFrameAt = clock.now();
      if (!withinRate(frame)) break;
      run(frame, ordered);
    }
    account();
    if (protocol.broken() && inFlight === 0 && held === undefined && !delayed) pipe.end();
    const busy =
      held !== undefined || delayed || exclusive || outbox.blocked || inFlight >= limits.concurrent;
    if (busy) pipe.pause();
    else pipe.resume();
  }
  /** False when the request waits or the connection is cut. */
  function withinRate(frame: object): boolean {
    const age = clock.now() - startedAt;
    if (age < RATE_GRACE || delayedFrames.delete(frame)) {
      requests++;
      return true;
    }
    const rate = ((requests + 1) * 1000) / age;
    if (rate > limits.cutRate) {
      pipe.destroy();
      return false;
    }
    if (rate <= limits.slowRate) {
      requests++;
      return true;
    }
    delayed = true;
    held = frame;
    delayedFrames.add(frame);
    void clock.sleep(SLOW_DELAY).then(() => {
      delayed = false;
      pump();
    });
    return false;
  }
  const delayedFrames = new WeakSet<object>();

  function run(frame: object, ordered: boolean): void {
    inFlight++;
    exclusive = ordered;
    void protocol!.answer(frame, service, { remote: pipe.remote, connection: state }).then((reply) => {
      inFlight--;
      if (ordered) exclusive = false;
      if (closed) return;
      if (reply !== undefined) outbox.send(reply);
      pump();
    });
  }

  function watch(): void {
    const unfinished = protocol === undefined || (buffered > 0 && inFlight === 0 && held === undefined);
    const deadline = lastFrameAt + (unfinished ? limits.frame : limits.idle);
    if (clock.now() >= deadline && inFlight === 0 && held === undefined) pipe.destroy();
    else
      timer = clock.at(Math.max(clock.now() + 1000, Math.min(deadline, clock.now() + limits.frame)), watch);
  }

  pipe.onData((data) => {
    if (closed) return;
    if (protocol === undefined) {
      protocol = jsonProtocol();
      protocol.push(data);
    } else protocol.push(data);
    account();
    if (shared.bytes > limits.buffered && buffered > 0) {
      pipe.destroy();
      return;
    }
    pump();
  });
  pipe.onClose(() => {
    closed = true;
    outbox.close();
    timer.cancel();
    shared.bytes -= buffered;
    buffered = 0;
    service.disconnected(state);
    onClosed();
  });
  timer = clock.at(startedAt + limits.frame, watch);
  void greeting;
}
