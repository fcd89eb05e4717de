import type { NodeId } from '../base/units.ts';
import type { Clock, Log, Storage } from '../runtime/ports.ts';
import { PeerBook } from './peer-book.ts';
import { PersistGate } from './persist-gate.ts';
import { type Pin, Pins } from './pins.ts';
import { PEERS_FILE, type PeerNote, type PeersState, savePeers } from './state-file.ts';

/** Names and places may be lost for a moment; keys are saved at once. */
const SAVE_DELAY = 1_000;

/** What is remembered of peers from one run to the next: `peers.json`. */
export class KnownPeers {
  readonly book: PeerBook;
  readonly pins: Pins;
  readonly #gate: PersistGate<PeersState>;
  readonly #clock: Clock;
  #changed = false;
  #closed = false;

  constructor(options: {
    storage: Storage;
    clock: Clock;
    log: Log;
    peers: readonly PeerNote[];
    pins: readonly Pin[];
    /** Peers with whom there is trust, or a request for it. */
    isKept: (node: NodeId) => boolean;
    isTrusted: (node: NodeId) => boolean;
  }) {
    const { storage, clock, log } = options;
    this.#clock = clock;
    this.#gate = new PersistGate({
      save: (state) => savePeers(storage, state),
      clock,
      log,
      name: PEERS_FILE,
    });
    this.book = new PeerBook(options.peers, options.isKept, () => this.saveSoon());
    this.pins = new Pins(options.pins, options.isTrusted, (urgent) => {
      if (urgent) this.#save();
      else this.saveSoon();
    });
  }

  saveSoon(): void {
    if (this.#changed) return;
    this.#changed = true;
    this.#clock.at(this.#clock.now() + SAVE_DELAY, () => {
      if (!this.#closed) this.#save();
    });
  }

  /** Errors: those of the storage. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#changed) this.#save();
    return this.#gate.close();
  }

  #save(): void {
    this.#changed = false;
    this.#gate.put({ peers: this.book.kept(), pins: this.pins.kept() });
  }
}
