import type { NodeId } from '../../../base/units.ts';
import type { NodeIdentity } from '../store.ts';

const PAGE_NODES = 4096;
const KEY_BYTES = 32;

const KNOWN = 1;
const PROVEN = 2;
const REGISTERED = 4;
const EXPIRES = 8;

interface Page {
  readonly keys: Uint8Array;
  readonly flags: Uint8Array;
  readonly expires: Float64Array;
}

/**
 * What a heartbeat asks of a node, off the JavaScript heap, 41 bytes each. It holds only what is committed: whoever
 * changes a node drops it here in the same step, and it is filled from rows that no open transaction has touched.
 */
export class IdentityIndex {
  readonly #pages = new Map<number, Page>();

  find(id: NodeId): NodeIdentity | undefined {
    const page = this.#pages.get(Math.floor(id / PAGE_NODES));
    const index = id % PAGE_NODES;
    const flags = page?.flags[index] ?? 0;
    if (page === undefined || (flags & KNOWN) === 0) return undefined;
    return {
      id,
      // A copy: the place belongs to another key when the node has rotated meanwhile.
      publicKey: page.keys.slice(index * KEY_BYTES, (index + 1) * KEY_BYTES),
      proven: (flags & PROVEN) !== 0,
      registered: (flags & REGISTERED) !== 0,
      keyExpiresAt: (flags & EXPIRES) === 0 ? undefined : page.expires[index]!,
    };
  }
  put({ id, publicKey, proven, registered, keyExpiresAt }: NodeIdentity): void {
    const number = Math.floor(id / PAGE_NODES);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = {
        keys: new Uint8Array(PAGE_NODES * KEY_BYTES),
        flags: new Uint8Array(PAGE_NODES),
        expires: new Float64Array(PAGE_NODES),
      };
      this.#pages.set(number, page);
    }
    const index = id % PAGE_NODES;
    page.keys.set(publicKey, index * KEY_BYTES);
    page.expires[index] = keyExpiresAt ?? 0;
    page.flags[index] =
      KNOWN |
      (proven ? PROVEN : 0) |
      (registered ? REGISTERED : 0) |
      (keyExpiresAt === undefined ? 0 : EXPIRES);
  }
  drop(id: NodeId): void {
    const page = this.#pages.get(Math.floor(id / PAGE_NODES));
    if (page !== undefined) page.flags[id % PAGE_NODES] = 0;
  }
}
