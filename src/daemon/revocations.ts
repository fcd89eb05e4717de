import { PilotError } from '../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { NodeId } from '../base/units.ts';
import type { TrustSnapshot, TrustTombstone } from '../core/trust/types.ts';
import type { Clock, Log, Storage } from '../runtime/ports.ts';
import { decodeRevocations, encodeRevocations } from '../wire/trust-bundle.ts';
import { decodeTrustRevocation, type TrustRevocation } from '../wire/trust-revocation.ts';
import { PersistGate } from './persist-gate.ts';

export const REVOCATIONS_FILE = 'revocations.json';
/** The oldest make room. Chosen: the file is written anew with each, and has about a megabyte then. */
const KEPT = 2_048;

/** What was saved, and what a crash kept from being saved but for `trust`. Errors: `state_corrupt`. */
export async function loadRevocations(
  storage: Storage,
  trust: TrustSnapshot | undefined,
): Promise<readonly TrustRevocation[]> {
  const recent = trust?.tombstones.flatMap(documentsOf) ?? [];
  const bytes = await storage.read(REVOCATIONS_FILE);
  if (bytes === undefined) return recent;
  const read = decodeRevocations(fromUtf8Strict(bytes) ?? '');
  if (typeof read !== 'string') return [...read, ...recent];
  const file = storage.describe(REVOCATIONS_FILE);
  throw new PilotError('state_corrupt', `Cannot read ${file}: it is not a list of revocations (${read})`);
}

/**
 * Every revocation we or a peer of ours ever signed, by speaker and peer: kept after both have made up again, because
 * certificates from before are still around. A newer one covers all that an older one did.
 */
export class Revocations {
  readonly #known = new Map<string, TrustRevocation>();
  readonly #noted = new WeakSet<TrustTombstone>();
  readonly #gate: PersistGate<readonly TrustRevocation[]>;

  constructor(
    known: readonly TrustRevocation[],
    { storage, clock, log }: { storage: Storage; clock: Clock; log: Log },
  ) {
    for (const each of known) this.#add(each);
    this.#gate = new PersistGate({
      clock,
      log,
      name: REVOCATIONS_FILE,
      save: (all) => storage.replace(REVOCATIONS_FILE, utf8(`${encodeRevocations(all)}\n`)),
    });
  }

  /** Takes over what the trust machine is about to store. */
  note({ tombstones }: TrustSnapshot): void {
    // A snapshot is taken with every change, and mostly of the same tombstones.
    const fresh = tombstones.filter((tombstone) => !this.#noted.has(tombstone));
    for (const tombstone of fresh) this.#noted.add(tombstone);
    const added = fresh.flatMap(documentsOf).filter((each) => this.#add(each));
    if (added.length > 0) this.#gate.put([...this.#known.values()]);
  }

  /** Those between us and the peer, or all. */
  of(peer?: NodeId): readonly TrustRevocation[] {
    const all = [...this.#known.values()];
    return peer === undefined ? all : all.filter((each) => each.node === peer || each.peer === peer);
  }

  close(): Promise<void> {
    return this.#gate.close();
  }

  #add(revocation: TrustRevocation): boolean {
    const key = keyOf(revocation);
    const known = this.#known.get(key);
    if (known !== undefined && known.serial >= revocation.serial) return false;
    this.#known.delete(key);
    this.#known.set(key, revocation);
    if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value!);
    return true;
  }
}

function documentsOf({ revocation, peerRevocation }: TrustTombstone): readonly TrustRevocation[] {
  return [revocation, peerRevocation].flatMap((text) => {
    const document = text === undefined ? 'none' : decodeTrustRevocation(text);
    return typeof document === 'string' ? [] : [document];
  });
}

function keyOf({ node, peer }: TrustRevocation): string {
  return `${node}:${peer}`;
}
