import { sameEndpoint } from '../base/endpoint.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import type { PeerEndpoints } from '../core/node-types.ts';
import type { PeerNote } from './state-file.ts';

/** Peers remembered at once; those nobody trusts go first. Chosen: names and endpoints, some 200 bytes each. */
const LIMIT = 4096;
/** Local endpoints remembered of one peer. */
const LAN_LIMIT = 4;

/**
 * Names and last endpoints of peers, from every look-up that passed by: so that `approve bob` and a dial after a
 * restart work while the registry is away.
 */
export class PeerBook {
  readonly #notes = new Map<NodeId, PeerNote>();
  readonly #isKept: (node: NodeId) => boolean;
  readonly #onChange: () => void;

  /** `isKept`: peers with whom there is trust, or a request for it. */
  constructor(notes: readonly PeerNote[], isKept: (node: NodeId) => boolean, onChange: () => void) {
    for (const note of notes) this.#notes.set(note.node, note);
    this.#isKept = isKept;
    this.#onChange = onChange;
  }

  nameOf(node: NodeId): string {
    return this.#notes.get(node)?.hostname ?? '';
  }

  /** Names are unique at the registry: the last one seen with the name has it. */
  nodeNamed(hostname: string): NodeId | undefined {
    const wanted = hostname.toLowerCase();
    for (const note of this.#notes.values()) if (note.hostname === wanted) return note.node;
    return undefined;
  }

  endpointsOf(node: NodeId): PeerEndpoints | undefined {
    const note = this.#notes.get(node);
    return note === undefined ? undefined : { endpoint: note.endpoint, lan: note.lan, beacons: note.beacons };
  }

  named(node: NodeId, hostname: string): void {
    if (this.nameOf(node) === hostname) return;
    if (hostname !== '') {
      for (const note of this.#notes.values()) {
        if (note.hostname === hostname) this.#put({ ...note, hostname: '' });
      }
    }
    this.#put({ ...this.#noteOf(node), hostname });
  }

  located(node: NodeId, found: PeerEndpoints): void {
    const note = this.#noteOf(node);
    const { endpoint, lan, beacons = note.beacons } = found;
    const same =
      JSON.stringify([note.endpoint, note.lan, note.beacons]) === JSON.stringify([endpoint, lan, beacons]);
    if (!same) this.#put({ ...note, endpoint, lan, beacons });
  }

  /** The tunnel has a proven path there: worth a try after a restart without the registry. */
  seenAt(node: NodeId, kind: 'lan' | 'direct', endpoint: Endpoint): void {
    const { endpoint: known, lan } = this.#noteOf(node);
    if (kind === 'direct') this.located(node, { endpoint, lan });
    else if (!lan.some((place) => sameEndpoint(place, endpoint))) {
      this.located(node, { endpoint: known, lan: [endpoint, ...lan].slice(0, LAN_LIMIT) });
    }
  }

  /** What is worth keeping on disk. */
  kept(): readonly PeerNote[] {
    return [...this.#notes.values()].filter((note) => this.#isKept(note.node));
  }

  #noteOf(node: NodeId): PeerNote {
    return this.#notes.get(node) ?? { node, hostname: '', endpoint: undefined, lan: [], beacons: [] };
  }

  #put(note: PeerNote): void {
    this.#notes.delete(note.node);
    this.#notes.set(note.node, note);
    if (this.#notes.size > LIMIT) {
      for (const node of this.#notes.keys()) {
        if (this.#isKept(node)) continue;
        this.#notes.delete(node);
        break;
      }
    }
    if (this.#isKept(note.node)) this.#onChange();
  }
}
