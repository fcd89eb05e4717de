import { asPilotError, PilotError } from '../api/errors.ts';
import { equal } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Clock, Log, Storage } from '../runtime/ports.ts';
import { encodeKeyRotation, MAX_ROTATIONS, signKeyRotation } from '../wire/key-rotation.ts';
import { STAGED_FILE, type StagedIdentity, saveIdentity, saveStaged } from './identity.ts';
import type { RegistryClient } from './registry-client.ts';
import type { NodeState } from './state-file.ts';

export interface IdentityRotationHost {
  /** The key in force. */
  identity(): SigningKey;
  state(): NodeState;
  /** Errors: those of the storage. */
  saveState(change: Partial<NodeState>): Promise<void>;
  /** Everything goes on under this key. */
  adopt(identity: SigningKey): void;
}

/** Who we are after a rotation. */
export interface Rotated {
  readonly epoch: number;
  readonly key: SigningKey;
}

/**
 * Replaces our identity key: the new key is on disk before the registry hears of it, becomes the identity once the
 * registry has it, and only then is the staged copy removed. Whatever ends the process in between, the registry says
 * afterwards which of the two keys is ours, and there is one.
 */
export class IdentityRotation {
  readonly #storage: Storage;
  readonly #crypto: Crypto;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #registry: RegistryClient;
  readonly #host: IdentityRotationHost;
  #staged: StagedIdentity | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: {
    storage: Storage;
    crypto: Crypto;
    random: Random;
    clock: Clock;
    log: Log;
    registry: RegistryClient;
    host: IdentityRotationHost;
    staged: StagedIdentity | undefined;
  }) {
    this.#storage = options.storage;
    this.#crypto = options.crypto;
    this.#random = options.random;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#registry = options.registry;
    this.#host = options.host;
    this.#staged = options.staged;
  }

  /** Which of two keys is ours is not known yet. */
  get isOpen(): boolean {
    return this.#staged !== undefined;
  }

  /** Errors: `registry_unreachable` (the outcome may be open: it is settled by itself), `unavailable`, those of the storage. */
  rotate(): Promise<Rotated> {
    return this.#inTurn(async () => {
      await this.#settle();
      return this.#rotate();
    });
  }

  /** Finds out how an interrupted rotation ended. To be called before registering. Errors: `registry_unreachable`. */
  settle(): Promise<void> {
    return this.#staged === undefined ? Promise.resolve() : this.#inTurn(() => this.#settle());
  }

  async #rotate(): Promise<Rotated> {
    const { node, keyEpoch } = this.#host.state();
    if (node === undefined) {
      throw new PilotError('registry_unreachable', 'Cannot rotate the key: this node is not registered yet');
    }
    const seed = this.#random.bytes(32);
    const key = this.#crypto.signingKey(seed);
    const at = Math.floor(this.#clock.wallNow() / 1000);
    const rotation = signKeyRotation(this.#host.identity(), key, { node, epoch: keyEpoch + 1, at });
    const staged = { seed, key, rotation };
    await saveStaged(this.#storage, staged);
    this.#staged = staged;
    try {
      await this.#registry.records.rotateKey(key, encodeKeyRotation(rotation));
    } catch (thrown) {
      await this.#afterFailure(asPilotError(thrown));
      if (this.#staged !== undefined || !this.#isCurrent(staged)) throw thrown;
      return { epoch: rotation.epoch, key };
    }
    await this.#complete(staged);
    return { epoch: rotation.epoch, key };
  }

  /** The registry may have taken the key although its answer was lost. */
  async #afterFailure(error: PilotError): Promise<void> {
    try {
      await this.#settle();
    } catch (thrown) {
      this.#log.event('warn', 'node.key_rotation_open', { message: asPilotError(thrown).message });
      throw new PilotError(
        'registry_unreachable',
        `Whether the registry has the new key is not known (${error.message}): this is settled as soon as it answers`,
        { hint: 'see: pilotctl info', cause: error },
      );
    }
  }

  async #settle(): Promise<void> {
    const staged = this.#staged;
    if (staged === undefined) return;
    const { node } = this.#host.state();
    const isOurs = node === undefined ? false : await this.#registryHas(staged.key.publicKey);
    if (isOurs) {
      await this.#registry.records.useIdentity(staged.key);
      await this.#complete(staged);
      return;
    }
    await this.#storage.remove(STAGED_FILE);
    this.#staged = undefined;
    this.#log.event('info', 'node.key_rotation_abandoned', { epoch: staged.rotation.epoch });
  }

  /** Whoever names the right key of a private node may see it. */
  async #registryHas(key: Uint8Array): Promise<boolean> {
    try {
      const info = await this.#registry.lookup(this.#host.state().node ?? 0, key);
      return equal(info.publicKey, key);
    } catch (thrown) {
      if (asPilotError(thrown).code === 'not_found') return false;
      throw thrown;
    }
  }

  async #complete(staged: StagedIdentity): Promise<void> {
    const { rotations } = this.#host.state();
    await saveIdentity(this.#storage, staged);
    await this.#host.saveState(afterRotation(staged, rotations));
    this.#host.adopt(staged.key);
    await this.#storage.remove(STAGED_FILE);
    this.#staged = undefined;
    this.#log.event('info', 'node.key_rotated', { epoch: staged.rotation.epoch });
  }

  #isCurrent({ key }: StagedIdentity): boolean {
    return equal(this.#host.identity().publicKey, key.publicKey);
  }

  #inTurn<Value>(step: () => Promise<Value>): Promise<Value> {
    const mine = this.#turn.catch(() => {}).then(step);
    this.#turn = mine.catch(() => {});
    return mine;
  }
}

/** What a completed rotation changes of the node's state. */
export function afterRotation(
  { rotation }: StagedIdentity,
  before: readonly string[],
): Pick<NodeState, 'keyEpoch' | 'rotations'> {
  const text = encodeKeyRotation(rotation);
  const rotations = [...before.filter((known) => known !== text), text].slice(-MAX_ROTATIONS);
  return { keyEpoch: rotation.epoch, rotations };
}
