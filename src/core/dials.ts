import type { Instant, NodeId } from '../base/units.ts';
import type { NodeOutput } from './node-types.ts';
import type { Streams } from './stream/streams.ts';
import type { ConnId } from './stream/types.ts';

type Ended = Extract<NodeOutput, { type: 'dialFailed' | 'closed' }>;

/** Dials under way, so that they can fail as soon as the directory refuses the peer. */
export class Dials {
  readonly #streams: Streams;
  readonly #dialing = new Map<ConnId, NodeId>();
  /** Dials being given up because the directory refused the peer, with what it said. */
  readonly #unresolved = new Map<ConnId, string>();

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  begun(conn: ConnId, peer: NodeId): void {
    this.#dialing.set(conn, peer);
  }

  connected(conn: ConnId): void {
    this.#dialing.delete(conn);
  }

  /** What to tell the owner of a stream that ended. */
  ended(output: Ended): Ended {
    const { conn } = output;
    this.#dialing.delete(conn);
    const detail = this.#unresolved.get(conn);
    this.#unresolved.delete(conn);
    return detail === undefined ? output : { type: 'dialFailed', conn, reason: 'unresolved', detail };
  }

  /** The directory refuses the peer or does not know it. */
  fail(peer: NodeId, detail: string, now: Instant): void {
    for (const [conn, node] of [...this.#dialing]) {
      if (node !== peer) continue;
      this.#unresolved.set(conn, detail);
      this.#streams.abort(conn, now);
    }
  }
}
