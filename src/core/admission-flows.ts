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

interface Flow {
  readonly peer: NodeId;
  readonly network: NetworkId;
  /** Of the datagram that began it. */
  readonly direction: 'in' | 'out';
  until: Instant;
}

/** Datagrams that belong together: between the same two ports, in both directions. An answer needs no leave of its own. */
export class Flows {
  readonly #flows = new Map<string, Flow>();

  /** Whether the datagram goes on with a flow, or answers in one. Prolongs the flow it finds. */
  find(ends: Ends, now: Instant): 'onward' | 'answer' | undefined {
    const name = nameOf(ends);
    const flow = this.#flows.get(name);
    if (flow === undefined) return undefined;
    if (flow.until <= now) {
      this.#flows.delete(name);
      return undefined;
    }
    flow.until = now + IDLE;
    return flow.direction === ends.direction ? 'onward' : 'answer';
  }

  add(ends: Ends, now: Instant): void {
    const name = nameOf(ends);
    this.#flows.delete(name);
    if (this.#flows.size >= FLOW_LIMIT) this.#flows.delete(this.#flows.keys().next().value!);
    const { peer, network, direction } = ends;
    this.#flows.set(name, { peer, network, direction, until: now + IDLE });
  }

  forget(peer: NodeId): void {
    this.forgetWhere((each) => each === peer);
  }

  forgetWhere(isOver: (peer: NodeId, network: NetworkId) => boolean): void {
    for (const [name, { peer, network }] of this.#flows) if (isOver(peer, network)) this.#flows.delete(name);
  }
}

function nameOf({ direction, peer, network, port, sourcePort = 0 }: Ends): string {
  const [ours, theirs] = direction === 'in' ? [port, sourcePort] : [sourcePort, port];
  return `${network} ${peer} ${ours} ${theirs}`;
}
