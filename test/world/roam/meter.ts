/** Counts what every host sends and receives, as its access line would. */
import type { World } from '../../../src/sim/index.ts';

/** IPv4 and UDP. */
const UDP_HEADERS = 28;
/** IPv4, TCP with time stamps. */
const TCP_HEADERS = 52;
/** TLS 1.3: record header, content type, tag. */
const TLS_RECORD = 22;

export interface Rates {
  /** Bytes per second, both directions together. */
  readonly udp: number;
  readonly tcp: number;
  readonly total: number;
}

/**
 * Bytes per host since the last `restart`. Each TCP write counts as one segment with one TLS record, and draws an
 * acknowledgement of its own: more than real hosts send.
 */
export class Meter {
  readonly #world: World;
  #since = 0;
  #udp = new Map<string, number>();
  #tcp = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    world.trace.onPassage = ({ protocol, from, to, bytes, fate }) => {
      const table = protocol === 'udp' ? this.#udp : this.#tcp;
      const size = protocol === 'udp' ? bytes + UDP_HEADERS : bytes + TLS_RECORD + 2 * TCP_HEADERS;
      table.set(from, (table.get(from) ?? 0) + size);
      if (fate === 'delivered') table.set(to, (table.get(to) ?? 0) + size);
    };
  }

  restart(): void {
    this.#since = this.#world.now;
    this.#udp = new Map();
    this.#tcp = new Map();
  }

  rates(host: string): Rates {
    const seconds = (this.#world.now - this.#since) / 1000;
    const udp = (this.#udp.get(host) ?? 0) / seconds;
    const tcp = (this.#tcp.get(host) ?? 0) / seconds;
    return { udp, tcp, total: udp + tcp };
  }
}
