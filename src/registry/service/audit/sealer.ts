import { asPilotError } from '../../../api/errors.ts';
import type { Crypto } from '../../../base/crypto.ts';
import type { Millis } from '../../../base/units.ts';
import type { Clock, Log, Timer } from '../../../runtime/ports.ts';
import { auditHash } from '../../../wire/audit-entry.ts';
import type { Seal, Store } from '../../store/store.ts';

/** From a change to its place in the chain. */
const SEAL_DELAY: Millis = 50;
/** After the store failed. */
const RETRY_DELAY: Millis = 5000;
/** Records chained in one step, so that requests in between do not wait long. */
const SEAL_BATCH = 256;
/** Entries dropped in one step. */
const PRUNE_BATCH = 512;

/** Chains what changes left to be chained, a moment later and many at once, and keeps the log within its limit. */
export class Sealer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #seal: Seal;
  readonly #keep: number;
  #timer: Timer | undefined;
  #closed = false;
  /** Called when there are new entries. */
  onSealed: () => void = () => {};

  constructor(store: Store, clock: Clock, crypto: Crypto, log: Log, keep: number) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#seal = (seq, facts, prev) => auditHash(crypto, seq, facts, prev);
    this.#keep = keep;
  }

  /** There is something to chain. */
  arm(delay: Millis = SEAL_DELAY): void {
    if (this.#closed) return;
    this.#timer ??= this.#clock.at(this.#clock.now() + delay, () => {
      this.#timer = undefined;
      this.seal().catch((thrown: unknown) => {
        this.#log.event('warn', 'registry.audit_not_sealed', { error: asPilotError(thrown).message });
        this.arm(RETRY_DELAY);
      });
    });
  }

  /** Chains everything there is, and drops what is beyond the limit. */
  async seal(): Promise<void> {
    let sealed = 0;
    for (let count = SEAL_BATCH; count === SEAL_BATCH && !this.#closed; ) {
      count = await this.#store.sealAudit(SEAL_BATCH, this.#seal);
      sealed += count;
    }
    if (sealed === 0) return;
    this.onSealed();
    await this.#prune();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Only whole batches, each of which is itself an entry: who reads the log sees what was dropped. */
  async #prune(): Promise<void> {
    const { start, head } = await this.#store.auditBounds();
    const surplus = head.seq - start.seq - this.#keep;
    if (surplus < PRUNE_BATCH) return;
    const dropped = await this.#store.audited(
      (store) => store.pruneAudit(start.seq + PRUNE_BATCH, PRUNE_BATCH),
      (last) =>
        last === undefined
          ? []
          : [
              {
                at: this.#clock.wallNow(),
                action: 'audit.pruned',
                by: 'registry',
                details: { first: start.seq + 1, last: last.seq, hash: last.hash },
              },
            ],
    );
    if (dropped !== undefined) this.arm();
  }
}
