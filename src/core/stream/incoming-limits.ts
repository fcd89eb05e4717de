import type { NodeId, Port } from '../../base/units.ts';
import type { StreamConfig } from './config.ts';

/** Live incoming streams, counted per port, and per port and peer. */
export class IncomingLimits {
  readonly #config: StreamConfig;
  readonly #perPort = new Map<Port, number>();
  readonly #perPeer = new Map<string, number>();

  constructor(config: StreamConfig) {
    this.#config = config;
  }

  /** True when a port has room for one more stream of a peer. */
  allow(port: Port, node: NodeId): boolean {
    return (
      (this.#perPort.get(port) ?? 0) < this.#config.maxPerPort &&
      (this.#perPeer.get(`${port} ${node}`) ?? 0) < this.#config.maxPerPeer
    );
  }

  count(port: Port, node: NodeId, change: 1 | -1): void {
    add(this.#perPort, port, change);
    add(this.#perPeer, `${port} ${node}`, change);
  }
}

/** Entries that fall to zero go. */
function add<Key>(counters: Map<Key, number>, key: Key, change: 1 | -1): void {
  const next = (counters.get(key) ?? 0) + change;
  if (next > 0) counters.set(key, next);
  else counters.delete(key);
}
