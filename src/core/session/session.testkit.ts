/** Two ends of one session, without a network between them. */
import { fromHex } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, NodeId } from '../../base/units.ts';
import { nodeCrypto } from '../../platform/crypto.ts';
import { nodeRandom } from '../../platform/random.ts';
import { loadVectors } from '../../wire/codec.testkit.ts';
import { decodePils, PILS_OVERHEAD } from '../../wire/tunnel-frames.ts';
import { SESSION_DEFAULTS, type SessionConfig } from './constants.ts';
import type { KeySlot } from './key-slot.ts';
import { type Opened, Session } from './session.ts';

interface TunnelVectors {
  readonly keys: {
    readonly a: VectorKeys;
    readonly b: VectorKeys;
    readonly aes256_key_hex: string;
    readonly shared_hex: string;
  };
  readonly key_derivation: readonly {
    readonly a_private_hex: string;
    readonly b_private_hex: string;
    readonly a_public_hex: string;
    readonly b_public_hex: string;
    readonly shared_hex: string;
    readonly key_hex: string;
  }[];
  readonly frames: readonly {
    readonly name: string;
    readonly hex: string;
    readonly plaintext_hex?: string;
    readonly nonce_prefix_hex?: string;
    readonly counter?: string;
  }[];
  readonly replay: readonly { readonly counters: readonly number[]; readonly accepted: readonly boolean[] }[];
}

interface VectorKeys {
  readonly ed25519_seed_hex: string;
  readonly node_id: NodeId;
  readonly x25519_private_hex: string;
  readonly x25519_public_hex: string;
}

export const tunnelVectors = loadVectors<TunnelVectors>('tunnel');
export const crypto = nodeCrypto();

export function bytes(hex: string): Uint8Array {
  return fromHex(hex)!;
}

/** A source whose first answers are given. */
export function scripted(first: readonly Uint8Array[], prefixes: readonly number[] = []): Random {
  const random = nodeRandom();
  const queue = [...first];
  const numbers = [...prefixes];
  return {
    ...random,
    bytes: (length) => queue.shift() ?? random.bytes(length),
    u32: () => numbers.shift() ?? random.u32(),
  };
}

export class End {
  readonly session: Session;

  constructor(
    node: NodeId,
    peer: NodeId,
    config: Partial<SessionConfig> = {},
    random: Random = nodeRandom(),
  ) {
    const identity = crypto.signingKey(random.bytes(32));
    this.session = new Session({
      crypto,
      random,
      identity,
      node,
      peer,
      config: { ...SESSION_DEFAULTS, ...config },
    });
  }

  seal(text: string, slot: KeySlot): Uint8Array {
    const plaintext = new TextEncoder().encode(text);
    const frame = new Uint8Array(plaintext.length + PILS_OVERHEAD);
    slot.seal(plaintext, frame);
    return frame;
  }

  open(frame: Uint8Array, now: Instant): Opened | string {
    const pils = decodePils(frame);
    if (typeof pils === 'string') return pils;
    const counter = pils.counterHigh * 2 ** 32 + pils.counterLow;
    return this.session.open(pils.prefix, counter, pils.nonce, pils.sealed, now);
  }

  text(frame: Uint8Array, now: Instant): string {
    const opened = this.open(frame, now);
    return typeof opened === 'string' ? opened : new TextDecoder().decode(opened.plaintext);
  }
}
