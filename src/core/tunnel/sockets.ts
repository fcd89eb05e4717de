import type { Millis, NodeId } from '../../base/units.ts';
import { Lifetime } from '../nat/lifetime.ts';
import type { Beacons } from './beacons.ts';
import type { TunnelOutput } from './types.ts';

/** Further sockets open at a time, of all peers together. Chosen: one attempt with many, and some that are kept. */
export const MAX_SOCKETS = 300;

/** The numbers of the local sockets besides the tunnel's own, and whom each was opened for. A number is used once. */
export class Sockets {
  readonly #output: (output: TunnelOutput) => void;
  readonly #owners = new Map<number, NodeId>();
  #last = 0;

  constructor(output: (output: TunnelOutput) => void) {
    this.#output = output;
  }

  get size(): number {
    return this.#owners.size;
  }

  /** Opens one; undefined when there are too many. */
  open(owner: NodeId): number | undefined {
    if (this.#owners.size >= MAX_SOCKETS) return undefined;
    const via = ++this.#last;
    this.#owners.set(via, owner);
    this.#output({ type: 'socket', via, open: true });
    return via;
  }

  /** The peer it was opened for; undefined when it is not open. */
  owner(via: number): NodeId | undefined {
    return this.#owners.get(via);
  }

  close(via: number): void {
    if (this.#owners.delete(via)) this.#output({ type: 'socket', via, open: false });
  }
}

/** Closes a socket, and forgets how beacons saw it. */
export function closeSocket(sockets: Sockets, beacons: Beacons, via: number): void {
  beacons.forgetSocket(via);
  sockets.close(via);
}

/** Measures our NAT by fresh sockets, which belong to no peer, and late answers of beacons. */
export function lifetimeOf(sockets: Sockets, beacons: Beacons, keepAlive: Millis): Lifetime {
  return new Lifetime(
    {
      open: () => sockets.open(0),
      close: (via) => closeSocket(sockets, beacons, via),
      ask: (via, now) => beacons.ask(via, now),
      askLate: (via, seconds, now) => beacons.askLate(via, seconds, now),
      changed: (silence) => beacons.setKeepAlive(silence),
    },
    keepAlive,
  );
}
