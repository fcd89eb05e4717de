import { equal } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Instant, NodeId } from '../../base/units.ts';
import { PILA_LENGTH, type Pila, pilaSignedBytes } from '../../wire/tunnel-frames.ts';
import { ExchangeGate, type ExchangeSender } from './exchange-gate.ts';
import type { Held, IdentityKeys } from './identity-keys.ts';
import type { DropReason } from './peer-host.ts';

/** Verified frames remembered, one per node: repetitions are common and cost no second check. */
const MAX_VERIFIED = 4096;

/** Tells whether a key exchange frame was signed by the node it names. */
export class ExchangeCheck {
  readonly #crypto: Crypto;
  readonly #keys: IdentityKeys;
  readonly #drop: (reason: DropReason) => void;
  readonly #needRotations: (node: NodeId) => void;
  readonly #gate = new ExchangeGate();
  readonly #verified = new Map<NodeId, Uint8Array>();

  constructor(parts: {
    crypto: Crypto;
    keys: IdentityKeys;
    drop: (reason: DropReason) => void;
    /** A pinned node signs with another key. */
    needRotations: (node: NodeId) => void;
  }) {
    this.#needRotations = parts.needRotations;
    this.#crypto = parts.crypto;
    this.#keys = parts.keys;
    this.#drop = parts.drop;
  }

  /** True when it was. Where that is open the frame waits for the directory, and comes here again with the answer. */
  passes(pila: Pila, held: Held, sender: ExchangeSender, now: Instant): boolean {
    const { node } = pila;
    const key = this.#keys.key(node);
    const verified = this.#verified.get(node);
    if (key !== undefined && verified !== undefined && equal(verified, held.frame.subarray(0, PILA_LENGTH))) {
      return true;
    }
    // What was signed with another key than the known one must not use up what the peer's own frames need.
    const isOther = key !== undefined && !equal(key, pila.ed25519);
    const source = sender === 'stranger' ? held.from.host : String(node);
    if (!this.#gate.admits(isOther ? 'other' : sender, source, now)) {
      return this.#refuse('exchange_limit');
    }
    // Checked under the key the frame names, before anything is asked: garbage costs the directory nothing.
    if (!this.#crypto.verify(pila.ed25519, pilaSignedBytes(node, pila.x25519), pila.signature)) {
      return this.#refuse('exchange_bad_signature');
    }
    const chosen = sender === 'chosen';
    const asker = chosen ? 'user' : 'exchange';
    if (key !== undefined && !isOther) {
      // The key may have been replaced since: look, but go on meanwhile, the directory may be out of reach.
      if (this.#keys.outdated(node, now)) this.#keys.want(node, undefined, asker, now, pila.ed25519);
      this.#remember(node, held.frame);
      return true;
    }
    const claimed = { ...held, claimed: pila.ed25519 };
    if (isOther) {
      // It may have taken another key. Where one is pinned only the old key's signature counts, not the directory.
      const isPinned = this.#keys.pinned(node);
      if (isPinned) this.#needRotations(node);
      else if (this.#keys.doubt(node, claimed, chosen ? 'user' : 'doubt', now)) return false;
      return this.#refuse('exchange_key_mismatch');
    }
    if (!this.#keys.want(node, claimed, asker, now)) this.#drop('lookup_limit');
    return false;
  }

  /** The node's key changed: what was verified before counts no more. */
  forget(node: NodeId): void {
    this.#verified.delete(node);
  }

  #refuse(reason: DropReason): false {
    this.#drop(reason);
    return false;
  }

  #remember(node: NodeId, frame: Uint8Array): void {
    this.#verified.delete(node);
    if (this.#verified.size >= MAX_VERIFIED) {
      for (const oldest of this.#verified.keys()) {
        this.#verified.delete(oldest);
        break;
      }
    }
    this.#verified.set(node, frame.slice(0, PILA_LENGTH));
  }
}
