import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Instant, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { RegistryPush } from '../directory/types.ts';
import type { Clock, Log, Storage } from '../runtime/ports.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import { type NodeRecord, verifyNodeRecord } from '../wire/node-record.ts';
import type { StagedIdentity } from './identity.ts';
import { IdentityRotation } from './identity-rotation.ts';
import { OwnRecord } from './own-record.ts';
import type { OwnState } from './own-state.ts';
import { PeerKeys } from './peer-keys.ts';
import type { Pins } from './pins.ts';
import type { RegistryClient } from './registry-client.ts';
import { Warnings } from './warnings.ts';

export interface IdentitiesHost {
  readonly node: PilotNode;
  readonly own: OwnState;
  run(mutation: () => void): void;
  now(): Instant;
  /** Where peers find us, comparable; undefined while the registry does not know us. */
  place(): string | undefined;
  /** Where the peer is should be asked again. */
  locate(peer: NodeId): void;
}

/** Who is who: our key, its rotation and our signed record; the keys of peers; what the user should know of them. */
export class Identities {
  readonly warnings: Warnings;
  readonly keys: PeerKeys;
  readonly record: OwnRecord;
  readonly rotation: IdentityRotation;
  readonly #crypto: Crypto;
  readonly #host: IdentitiesHost;
  #identity: SigningKey;

  constructor(options: {
    identity: SigningKey;
    staged: StagedIdentity | undefined;
    pins: Pins;
    storage: Storage;
    crypto: Crypto;
    random: Random;
    clock: Clock;
    log: Log;
    registry: RegistryClient;
    host: IdentitiesHost;
  }) {
    const { host, clock, log, crypto, registry } = options;
    this.#identity = options.identity;
    this.#crypto = crypto;
    this.#host = host;
    this.warnings = new Warnings(log, () => clock.wallNow());
    const { node, own, run, now } = host;
    this.keys = new PeerKeys({
      pins: options.pins,
      registry,
      crypto,
      clock,
      log,
      warnings: this.warnings,
      host: {
        trustedKey: (peer) => node.trusted().find((record) => record.node === peer)?.publicKey,
        trustedPeers: () => node.trusted().map((record) => record.node),
        askingKey: (peer) => node.pending().find((request) => request.node === peer)?.publicKey,
        isEstablished: (peer) => node.peer(peer)?.established === true,
        keyRotated: (peer, rotations) => run(() => node.keyRotated(peer, rotations, now())),
        restored: (peer) => queueMicrotask(() => host.locate(peer)),
        useKey: (peer, key) => run(() => node.answerKey(peer, key, now())),
      },
    });
    this.record = new OwnRecord({
      registry,
      clock,
      log,
      host: {
        identity: () => this.#identity,
        facts: () => {
          const place = host.place();
          if (place === undefined || own.nodeId === 0) return undefined;
          const { keyEpoch, tags, services, recordSeq } = own.current;
          return {
            node: own.nodeId,
            epoch: keyEpoch,
            hostname: own.hostname,
            public: own.current.public,
            tags,
            services,
            place,
            lastSeq: recordSeq,
          };
        },
        saveSeq: (recordSeq) => own.save({ recordSeq }),
      },
    });
    this.rotation = new IdentityRotation({
      storage: options.storage,
      crypto,
      random: options.random,
      clock,
      log,
      registry,
      staged: options.staged,
      host: {
        identity: () => this.#identity,
        state: () => own.current,
        saveState: (change) => own.save(change),
        adopt: (identity) => {
          this.#identity = identity;
          run(() => node.setIdentity(identity, now()));
          this.record.changed();
        },
      },
    });
  }

  /** Our key. */
  get identity(): SigningKey {
    return this.#identity;
  }

  get fingerprint(): string {
    return this.fingerprintOf(this.#identity.publicKey);
  }

  fingerprintOf(key: Uint8Array): string {
    return fingerprintOf(this.#crypto, key);
  }

  /** True when the record is signed by the key. */
  verifies(record: NodeRecord, key: Uint8Array): boolean {
    return verifyNodeRecord(this.#crypto, record, key);
  }

  /** True when the push was about keys and nothing else follows from it. */
  onPush({ event, from }: RegistryPush): boolean {
    if (event !== 'key_rotated') return false;
    if (from === undefined) void this.keys.sweep();
    else if (this.keys.pinnedKey(from) !== undefined) void this.keys.refresh(from);
    return true;
  }

  /** We are registered: our record may be missing there, and pushes may have been missed. */
  registered(): void {
    this.record.registered();
    void this.keys.sweep();
  }

  /** Our own name with what proves it, for people to pass on; the address while we have no name. */
  ownName(address: string): string {
    const { hostname } = this.#host.own;
    return `${hostname === '' ? address : hostname}#${this.fingerprint}`;
  }

  stop(): void {
    this.keys.stop();
    this.record.stop();
  }

  /** A tunnel stands; called within the node's drain. */
  established(peer: NodeId): void {
    queueMicrotask(() => this.keys.established(peer));
  }
}
