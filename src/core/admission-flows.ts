import type { Instant, Millis, NetworkId, NodeId, Port } from '../base/units.ts';

/** A flow of datagrams that is not used for this long has to begin anew. */
const IDLE: Millis = 60_000;
const FLOW_LIMIT = 8192;

interface Ends {
  readonly direction: 'in' | 'out';
  readonly peer: NodeId;
  readonly network: NetworkId;
  readonly port: Port;
  readonly sourcePort?: Port;
}

/** Datagrams that belong together: between the same two ports, in both directions. An answer needs no leave of its own. */
export class Flows {
  readonly #flows = new Map<string, { readonly peer: NodeId; until: Instant }>();

  /** Prolongs the flow it finds. */
  has(ends: Ends, now: Instant): boolean {
    const name = nameOf(ends);
    const flow = this.#flows.get(name);
    if (flow === undefined) return false;
    if (flow.until <= now) {
      this.#flows.delete(name);
      return false;
    }
    flow.until = now + IDLE;
    return true;
  }

  add(ends: Ends, now: Instant): void {
    const name = nameOf(ends);
    this.#flows.delete(name);
    if (this.#flows.size >= FLOW_LIMIT) this.#flows.delete(this.#flows.keys().next().value!);
    this.#flows.set(name, { peer: ends.peer, until: now + IDLE });
  }

  forget(peer: NodeId): void {
    this.forgetWhere((each) => each === peer);
  }

  forgetWhere(isOver: (peer: NodeId) => boolean): void {
    for (const [name, { peer }] of this.#flows) if (isOver(peer)) this.#flows.delete(name);
  }
}

function nameOf({ direction, peer, network, port, sourcePort = 0 }: Ends): string {
  const [ours, theirs] = direction === 'in' ? [port, sourcePort] : [sourcePort, port];
  return `${network} ${peer} ${ours} ${theirs}`;
}
