import { PilotError } from '../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { NodeId } from '../base/units.ts';
import type { TrustSnapshot } from '../core/trust/types.ts';
import type { Clock, Log, Storage } from '../runtime/ports.ts';
import { decodeRevocations, encodeRevocations } from '../wire/trust-bundle.ts';
import { decodeTrustRevocation, type TrustRevocation } from '../wire/trust-revocation.ts';
import { PersistGate } from './persist-gate.ts';

export const REVOCATIONS_FILE = 'revocations.json';
/** Speakers and peers; the oldest make room. Chosen: as many as fit a file that `trust verify` takes. */
const KEPT = 8_192;

/** Errors: `state_corrupt`. */
export async function loadRevocations(storage: Storage): Promise<readonly TrustRevocation[]> {
  const bytes = await storage.read(REVOCATIONS_FILE);
  if (bytes === undefined) return [];
  const read = decodeRevocations(fromUtf8Strict(bytes) ?? '');
  if (typeof read !== 'string') return read;
  const file = storage.describe(REVOCATIONS_FILE);
  throw new PilotError('state_corrupt', `Cannot read ${file}: it is not a list of revocations (${read})`);
}

/**
 * Every revocation we or a peer of ours ever signed, by speaker and peer: kept after both have made up again, because
 * certificates from before are still around. A newer one covers all that an older one did.
 */
export class Revocations {
  readonly #known = new Map<string, TrustRevocation>();
  readonly #gate: PersistGate<readonly TrustRevocation[]>;

  constructor(
    known: readonly TrustRevocation[],
    { storage, clock, log }: { storage: Storage; clock: Clock; log: Log },
  ) {
    for (const each of known) this.#known.set(keyOf(each), each);
    this.#gate = new PersistGate({
      clock,
      log,
      name: REVOCATIONS_FILE,
      save: (all) => storage.replace(REVOCATIONS_FILE, utf8(`${encodeRevocations(all)}\n`)),
    });
  }

  /** Takes over what the trust machine is about to store. */
  note(snapshot: TrustSnapshot): void {
    let changed = false;
    for (const { revocation, peerRevocation } of snapshot.tombstones) {
      for (const text of [revocation, peerRevocation])
        if (text !== undefined && this.#add(text)) changed = true;
    }
    if (changed) this.#gate.put([...this.#known.values()]);
  }

  /** Those between us and the peer, or all. */
  of(peer?: NodeId): readonly TrustRevocation[] {
    const all = [...this.#known.values()];
    return peer === undefined ? all : all.filter((each) => each.node === peer || each.peer === peer);
  }

  close(): Promise<void> {
    return this.#gate.close();
  }

  #add(text: string): boolean {
    const revocation = decodeTrustRevocation(text);
    if (typeof revocation === 'string') return false;
    const key = keyOf(revocation);
    const known = this.#known.get(key);
    if (known !== undefined && known.serial >= revocation.serial) return false;
    this.#known.delete(key);
    this.#known.set(key, revocation);
    if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value!);
    return true;
  }
}

function keyOf({ node, peer }: TrustRevocation): string {
  return `${node}:${peer}`;
}
