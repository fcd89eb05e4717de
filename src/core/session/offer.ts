import type { AgreementKey, Crypto, SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId } from '../../base/units.ts';
import { encodePila, pilaSignedBytes } from '../../wire/tunnel-frames.ts';

/** A fresh X25519 key of ours, offered to one peer for one session. */
export interface Offer {
  readonly publicKey: Uint8Array;
  /** The signed key exchange frame, sent as often as needed. */
  readonly pila: Uint8Array;
  readonly createdAt: Instant;
  /** The private half; gone once the offer is taken or withdrawn, so that recorded traffic stays closed. */
  key: AgreementKey | undefined;
  /** Peer keys this offer was ever combined with: a pair is made once, or its counters would start again. */
  readonly paired: Set<string>;
  /** Times the frame was sent. */
  sendings: number;
}

export function makeOffer(
  parts: { crypto: Crypto; random: Random; identity: SigningKey; node: NodeId },
  now: Instant,
): Offer {
  const key = parts.crypto.agreementKey(parts.random.bytes(32));
  const signature = parts.identity.sign(pilaSignedBytes(parts.node, key.publicKey));
  const pila = encodePila({
    node: parts.node,
    x25519: key.publicKey,
    ed25519: parts.identity.publicKey,
    signature,
  });
  return { publicKey: key.publicKey, pila, createdAt: now, key, paired: new Set(), sendings: 0 };
}
