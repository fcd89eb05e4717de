import { equal } from '../base/bytes.ts';
import type { Endpoint, Instant, NodeId } from '../base/units.ts';
import type { Place } from './service/admission.ts';

/** How sure we are that a connection speaks for a node. */
export type Authentication =
  /** A fresh signature over whole content, or a registration that answered our challenge. */
  | 'proven'
  /** An old, replayable signature. */
  | 'legacy'
  /** Registered the node's key without any proof. */
  | 'claimed';

const STRENGTH: Record<Authentication, number> = { claimed: 0, legacy: 1, proven: 2 };
/** Nodes one connection may speak for; more drop the oldest. */
export const MAX_IDENTITIES = 16;

interface Identity {
  readonly key: Uint8Array;
  readonly level: Authentication;
}

/** What the registry remembers of one connection. */
export class ConnectionState {
  readonly remote: Endpoint;
  /** True when the bytes are encrypted. */
  readonly secure: boolean;
  /** The last challenge given out, single use. */
  challenge: { readonly nonce: string; readonly expires: Instant } | undefined;
  /** Its place in the line of those who are to register. */
  place: Place | 'in' | undefined;
  /** A node it proved to be that has been here for a while: such a node has a share of the processor of its own. */
  settled: NodeId | undefined;
  /** Nodes whose events this connection is told. */
  readonly subscriptions = new Set<NodeId>();
  readonly #push: ((message: object) => void) | undefined;
  readonly #identities = new Map<NodeId, Identity>();
  #proven = false;

  constructor(remote: Endpoint, secure = false, push?: (message: object) => void) {
    this.remote = remote;
    this.secure = secure;
    this.#push = push;
  }

  /** True once the client has proved a key. */
  get proven(): boolean {
    return this.#proven;
  }
  get canPush(): boolean {
    return this.#push !== undefined;
  }
  push(message: object): void {
    this.#push?.(message);
  }

  authenticate(node: NodeId, key: Uint8Array, level: Authentication): void {
    if (level === 'proven') this.#proven = true;
    const known = this.#identities.get(node);
    if (known !== undefined && equal(known.key, key) && STRENGTH[known.level] >= STRENGTH[level]) return;
    this.#identities.delete(node);
    this.#identities.set(node, { key, level });
    if (this.#identities.size > MAX_IDENTITIES) {
      for (const oldest of this.#identities.keys()) {
        this.#identities.delete(oldest);
        break;
      }
    }
  }
  /** True when the connection speaks for `node` under its current key, at least this surely. */
  speaksFor(node: { readonly id: NodeId; readonly publicKey: Uint8Array }, level: Authentication): boolean {
    const known = this.#identities.get(node.id);
    return (
      known !== undefined && STRENGTH[known.level] >= STRENGTH[level] && equal(known.key, node.publicKey)
    );
  }
  /** Nodes it speaks for; whether their keys are current is for `speaksFor` to say. */
  identities(): NodeId[] {
    return [...this.#identities.keys()];
  }
}
