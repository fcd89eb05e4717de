import type { NodeId, Port } from '../../base/units.ts';
import type { Packet } from '../../wire/packet.ts';
import type { Connection } from './connection.ts';
import type { ConnId } from './types.ts';

/** Ports and network of the far side in one number below 2^48; the node is the outer key. */
function keyOf(localPort: Port, network: number, remotePort: Port): number {
  return localPort * 0x1_0000_0000 + network * 0x1_0000 + remotePort;
}

/** All connections, by id and by (local port, remote address, remote port). spec/03 §1 */
export class ConnectionTable {
  readonly #byId = new Map<ConnId, Connection>();
  readonly #byNode = new Map<NodeId, Map<number, Connection>>();
  /** Packets come in trains. */
  #last: Connection | undefined;

  get size(): number {
    return this.#byId.size;
  }

  byId(id: ConnId): Connection | undefined {
    return this.#byId.get(id);
  }

  /** The connection a packet from a peer belongs to. */
  find(packet: Packet): Connection | undefined {
    const last = this.#last;
    const { source } = packet;
    if (
      last !== undefined &&
      last.ends.localPort === packet.destinationPort &&
      last.ends.remotePort === packet.sourcePort &&
      last.ends.remote.node === source.node &&
      last.ends.remote.network === source.network
    ) {
      return last;
    }
    const found = this.#byNode
      .get(source.node)
      ?.get(keyOf(packet.destinationPort, source.network, packet.sourcePort));
    if (found !== undefined) this.#last = found;
    return found;
  }

  has(localPort: Port, remote: { network: number; node: NodeId }, remotePort: Port): boolean {
    return this.#byNode.get(remote.node)?.has(keyOf(localPort, remote.network, remotePort)) ?? false;
  }

  add(conn: Connection): void {
    this.#byId.set(conn.id, conn);
    const { localPort, remote, remotePort } = conn.ends;
    let ofNode = this.#byNode.get(remote.node);
    if (ofNode === undefined) {
      ofNode = new Map();
      this.#byNode.set(remote.node, ofNode);
    }
    ofNode.set(keyOf(localPort, remote.network, remotePort), conn);
  }

  /** Packets no longer find it. `keep`: its id still does. */
  remove(conn: Connection, keep = false): void {
    if (this.#last === conn) this.#last = undefined;
    if (!keep) this.#byId.delete(conn.id);
    const { localPort, remote, remotePort } = conn.ends;
    const ofNode = this.#byNode.get(remote.node);
    if (ofNode === undefined) return;
    const key = keyOf(localPort, remote.network, remotePort);
    if (ofNode.get(key) === conn) ofNode.delete(key);
    if (ofNode.size === 0) this.#byNode.delete(remote.node);
  }

  /** All connections with a node, as they are now: the caller may end them while iterating. */
  ofNode(node: NodeId): Connection[] {
    return [...(this.#byNode.get(node)?.values() ?? [])];
  }

  hasNode(node: NodeId): boolean {
    return this.#byNode.has(node);
  }

  all(): Iterable<Connection> {
    return this.#byId.values();
  }
}
