import { equal } from '../base/bytes.ts';
import type { NodeId, UnixMillis } from '../base/units.ts';

/** Pins of nodes without trust; the one longest unused goes first. Chosen: some 200 bytes each. */
const LIMIT = 4096;

/** Why a key is pinned. */
export type PinnedBy = 'trust' | 'use' | 'fingerprint';

/** The identity key a node has for us, whatever the registry says, and what we last knew of its record. */
export interface Pin {
  readonly node: NodeId;
  /** Ed25519, 32 bytes. */
  readonly key: Uint8Array;
  readonly by: PinnedBy;
  readonly pinnedAt: UnixMillis;
  /** The highest key epoch and record number seen: an older record is not believed. */
  readonly epoch: number;
  readonly seq: number;
  /** When a rotation of the key was last followed. */
  readonly rotatedAt?: UnixMillis;
  /** Another key under which the registry presented the node without proof. */
  readonly refused?: { readonly key: Uint8Array; readonly at: UnixMillis };
}

/** Keys of peers we trust or have talked to. A change needs the old key's signature, or the user. */
export class Pins {
  readonly #pins = new Map<NodeId, Pin>();
  readonly #isTrusted: (node: NodeId) => boolean;
  readonly #changed: (urgent: boolean) => void;

  /** `changed`: what is not urgent may be lost in a crash. */
  constructor(
    pins: readonly Pin[],
    isTrusted: (node: NodeId) => boolean,
    changed: (urgent: boolean) => void,
  ) {
    for (const pin of pins) this.#pins.set(pin.node, pin);
    this.#isTrusted = isTrusted;
    this.#changed = changed;
  }

  get(node: NodeId): Pin | undefined {
    return this.#pins.get(node);
  }

  /** Pins a key at first use. What is pinned already stays, but trust overrules everything else. */
  pin(node: NodeId, key: Uint8Array, by: PinnedBy, at: UnixMillis): Pin {
    const before = this.#pins.get(node);
    if (
      before !== undefined &&
      (equal(before.key, key) ? before.by === by || by === 'use' : by !== 'trust')
    ) {
      return before;
    }
    const same = before !== undefined && equal(before.key, key);
    return this.#put({
      node,
      key: key.slice(),
      by,
      pinnedAt: same ? before.pinnedAt : at,
      epoch: same ? before.epoch : 0,
      seq: same ? before.seq : 0,
      ...(same && before.rotatedAt !== undefined && { rotatedAt: before.rotatedAt }),
    });
  }

  /** The peer's old key signed the new one. */
  rotated(node: NodeId, key: Uint8Array, epoch: number, at: UnixMillis): void {
    const pin = this.#pins.get(node);
    if (pin === undefined) return;
    const { refused: _, ...rest } = pin;
    this.#put({ ...rest, key: key.slice(), epoch, rotatedAt: at });
  }

  /** Remembers the newest record seen; `older` says that this one is not. */
  saw(node: NodeId, epoch: number, seq: number): 'newer' | 'same' | 'older' {
    const pin = this.#pins.get(node);
    if (pin === undefined) return 'newer';
    if (epoch < pin.epoch || (epoch === pin.epoch && seq < pin.seq)) return 'older';
    if (epoch === pin.epoch && seq === pin.seq) return 'same';
    this.#put({ ...pin, epoch, seq }, false);
    return 'newer';
  }

  /** The registry presents the node with another key. */
  refused(node: NodeId, key: Uint8Array, at: UnixMillis): void {
    const pin = this.#pins.get(node);
    if (pin === undefined || (pin.refused !== undefined && equal(pin.refused.key, key))) return;
    this.#put({ ...pin, refused: { key: key.slice(), at } });
  }

  /** The registry presents the pinned key again. */
  confirmed(node: NodeId): void {
    const pin = this.#pins.get(node);
    if (pin?.refused === undefined) return;
    const { refused: _, ...rest } = pin;
    this.#put(rest, false);
  }

  forget(node: NodeId): boolean {
    const known = this.#pins.delete(node);
    if (known) this.#changed(true);
    return known;
  }

  kept(): readonly Pin[] {
    return [...this.#pins.values()];
  }

  #put(pin: Pin, urgent = true): Pin {
    this.#pins.delete(pin.node);
    this.#pins.set(pin.node, pin);
    if (this.#pins.size > LIMIT) {
      for (const node of this.#pins.keys()) {
        if (this.#isTrusted(node)) continue;
        this.#pins.delete(node);
        break;
      }
    }
    this.#changed(urgent);
    return pin;
  }
}
