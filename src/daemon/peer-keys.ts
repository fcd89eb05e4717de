import { asPilotError, PilotError } from '../api/errors.ts';
import { equal, toHex } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Instant, Millis, NodeId, UnixMillis } from '../base/units.ts';
import type { NodeInfo } from '../directory/types.ts';
import type { Clock, Log, Timer } from '../runtime/ports.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import {
  decodeKeyRotation,
  followRotations,
  type KeyRotation,
  verifyKeyRotation,
} from '../wire/key-rotation.ts';
import type { NodeRecord } from '../wire/node-record.ts';
import { PeerRecords } from './peer-records.ts';
import type { Pin, Pins } from './pins.ts';
import type { RegistryClient } from './registry-client.ts';
import type { Warnings } from './warnings.ts';

/** What was found out counts this long; a push about the peer ends it early. */
const LIFETIME: Millis = 10_000;
const CACHE_LIMIT = 2048;
/** Peers dialed in this run whose key is pinned once a tunnel proves it. */
const DIALED_LIMIT = 4096;
/** Look-ups under way at once when all trusted peers are checked. */
const SWEEP = 4;
const SWEEP_PAUSE: Millis = 60_000;

export interface PeerKeysHost {
  /** The key pinned with trust. */
  trustedKey(peer: NodeId): Uint8Array | undefined;
  trustedPeers(): readonly NodeId[];
  /** The key with which a peer asked us for trust. */
  askingKey(peer: NodeId): Uint8Array | undefined;
  isEstablished(peer: NodeId): boolean;
  /** Trust and tunnel go on under the peer's new key. */
  keyRotated(peer: NodeId, rotations: readonly KeyRotation[]): void;
  /** The tunnel to a peer without trust is to expect this key. */
  useKey(peer: NodeId, key: Uint8Array): void;
  /** The registry tells the truth of a peer again: where it is may be asked anew. */
  restored(peer: NodeId): void;
}

/** What the registry says of a peer, judged by what we know of it. */
export interface Judged {
  readonly info: NodeInfo;
  /** The key that counts. */
  readonly key: Uint8Array;
  /** The registry's word contradicts the pinned key. */
  readonly changed: boolean;
  /** Rotations whose signatures hold, oldest first. */
  readonly rotations: readonly KeyRotation[];
  /** Rotations of the key that counts, as far as they are proven. */
  readonly epoch: number;
  /** Its own word, when it verifies under the key that counts and is not older than one seen before. */
  readonly record: NodeRecord | undefined;
}

/**
 * Decides which identity key a peer has. The registry proposes; a pinned key counts until its owner signs another,
 * and records never go back.
 */
export class PeerKeys {
  readonly pins: Pins;
  readonly #registry: RegistryClient;
  readonly #crypto: Crypto;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #warnings: Warnings;
  readonly #host: PeerKeysHost;
  readonly #records: PeerRecords;
  readonly #inFlight = new Map<string, Promise<Judged>>();
  readonly #judged = new Map<NodeId, { readonly judged: Judged; readonly until: Instant }>();
  readonly #dialed = new Set<NodeId>();
  #sweeping = false;
  #sweepAfter: Instant = Number.NEGATIVE_INFINITY;
  #sweepTimer: Timer | undefined;

  constructor(options: {
    pins: Pins;
    registry: RegistryClient;
    crypto: Crypto;
    clock: Clock;
    log: Log;
    warnings: Warnings;
    host: PeerKeysHost;
  }) {
    this.pins = options.pins;
    this.#registry = options.registry;
    this.#crypto = options.crypto;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#warnings = options.warnings;
    this.#host = options.host;
    this.#records = new PeerRecords(options);
  }

  /** The key that counts without asking anybody. */
  pinnedKey(peer: NodeId): Uint8Array | undefined {
    return this.#host.trustedKey(peer) ?? this.pins.get(peer)?.key;
  }

  /** What lists of peers show without asking anybody. */
  shown(peer: NodeId): { readonly fingerprint: string; readonly identity_changed: boolean } {
    const key = this.pinnedKey(peer);
    return {
      fingerprint: key === undefined ? '' : fingerprintOf(this.#crypto, key),
      identity_changed: this.pins.get(peer)?.refused !== undefined,
    };
  }

  /** Asks the registry, unless it just answered. Errors: those of `lookup`. */
  check(peer: NodeId, claimed?: Uint8Array): Promise<Judged> {
    const known = this.#judged.get(peer);
    if (known !== undefined && known.until > this.#clock.now()) return Promise.resolve(known.judged);
    const named = claimed ?? this.pinnedKey(peer);
    // What the registry tells depends on the key that is named.
    const question = `${peer}:${named === undefined ? '' : toHex(named)}`;
    const asked = this.#inFlight.get(question);
    if (asked !== undefined) return asked;
    const asking = this.#registry
      .lookup(peer, named)
      .then((info) => this.#judge(peer, info))
      .finally(() => this.#inFlight.delete(question));
    this.#inFlight.set(question, asking);
    return asking;
  }

  /** As `check`, from the registry as it is now. */
  fresh(peer: NodeId): Promise<Judged> {
    this.#judged.delete(peer);
    return this.check(peer);
  }

  /** For the tunnel: the only key to believe of a peer, undefined when there is none. Errors: as `check`. */
  async identityKey(peer: NodeId, claimed?: Uint8Array): Promise<Uint8Array | undefined> {
    // It may have taken this key since. Who else signs as the peer is held back before it comes to this.
    const known = this.#judged.get(peer)?.judged.key;
    if (claimed !== undefined && known !== undefined && !equal(known, claimed)) this.#judged.delete(peer);
    try {
      return (await this.check(peer, claimed)).key;
    } catch (thrown) {
      // The registry may be away, or may not tell: that does not change who the peer is.
      const pin = this.pins.get(peer);
      if (pin !== undefined) return pin.key;
      if (asPilotError(thrown).code === 'not_found') return undefined;
      throw thrown;
    }
  }

  /** Why a peer without trust must not be talked to: its key is not the one it had. Never fails. */
  async problem(peer: NodeId): Promise<PilotError | undefined> {
    if (this.#host.trustedKey(peer) !== undefined || this.pins.get(peer) === undefined) return undefined;
    try {
      await this.check(peer);
    } catch (thrown) {
      this.#log.event('debug', 'directory.no_key', { peer, code: asPilotError(thrown).code });
    }
    const pin = this.pins.get(peer);
    return pin?.refused === undefined ? undefined : this.changedError(pin);
  }

  /**
   * Talks to a peer on behalf of the user. When its key is known to have changed, or that turns out to be why nobody
   * answers, that is the error. Errors: `identity_changed`, and those of `talk`.
   */
  async guard<Value>(peer: NodeId, talk: () => Promise<Value>): Promise<Value> {
    this.#dial(peer);
    if (this.pins.get(peer)?.refused !== undefined) {
      const problem = await this.problem(peer);
      if (problem !== undefined) throw problem;
    }
    try {
      return await talk();
    } catch (thrown) {
      const { code } = asPilotError(thrown);
      if (code !== 'timeout' && code !== 'untrusted' && code !== 'not_found') throw thrown;
      if (this.#host.trustedKey(peer) !== undefined) void this.refresh(peer);
      throw (await this.problem(peer)) ?? thrown;
    }
  }

  changedError({ node, key, refused }: Pin): PilotError {
    const seen = refused === undefined ? 'another' : fingerprintOf(this.#crypto, refused.key);
    return new PilotError(
      'identity_changed',
      `The registry presents node ${node} with another key (${seen}) than it had (${fingerprintOf(this.#crypto, key)}), without proof that its owner changed it`,
      { hint: `compare with the owner (pilotctl info there); if it is right: pilotctl forget-key ${node}` },
    );
  }

  /** The user wants to talk to the peer: its key is pinned once it has proven to have it. */
  #dial(peer: NodeId): void {
    if (this.#dialed.size >= DIALED_LIMIT) this.#dialed.clear();
    this.#dialed.add(peer);
    if (this.#host.isEstablished(peer)) this.established(peer);
  }

  /** A tunnel stands: the peer has proven the key we were told. */
  established(peer: NodeId): void {
    // It has the key we hold it to after all: the registry may have come to its senses.
    if (this.pins.get(peer)?.refused !== undefined) void this.refresh(peer);
    const trusted = this.#host.trustedKey(peer);
    if (trusted !== undefined) this.pins.pin(peer, trusted, 'trust', this.#wall());
    const known = this.#judged.get(peer)?.judged;
    if (trusted !== undefined || known === undefined || known.changed || !this.#dialed.has(peer)) return;
    this.pins.pin(peer, known.key, 'use', this.#wall());
    this.#records.note(peer, known.record);
  }

  /** The user vouches for the key by its fingerprint. Errors: `identity_changed`; those of `check`. */
  async expect(peer: NodeId, fingerprint: string, name: string, presented?: Uint8Array): Promise<void> {
    const trusted = this.#host.trustedKey(peer);
    // Its request was signed with the key that trust would rest on.
    const key =
      trusted ??
      this.#host.askingKey(peer) ??
      (await this.check(peer, this.pinnedKey(peer) ?? presented)).key;
    const pin = this.pins.get(peer);
    if (trusted === undefined && pin?.refused !== undefined) throw this.changedError(pin);
    const actual = fingerprintOf(this.#crypto, key);
    if (actual !== fingerprint) {
      throw new PilotError('identity_changed', `"${name}" has the key ${actual}, not ${fingerprint}`);
    }
    if (trusted === undefined) this.pins.pin(peer, key, 'fingerprint', this.#wall());
  }

  /** What was found out about the peer is out of date. */
  async refresh(peer: NodeId): Promise<void> {
    this.#judged.delete(peer);
    try {
      await this.check(peer);
    } catch (thrown) {
      this.#log.event('debug', 'directory.no_key', { peer, code: asPilotError(thrown).code });
    }
  }

  /** Looks for rotations of all trusted peers: pushes are lost while we are away. Never fails. */
  async sweep(): Promise<void> {
    if (this.#sweeping || this.#sweepTimer !== undefined) return;
    const now = this.#clock.now();
    // Somebody whose address changes all the time registers all the time.
    if (now < this.#sweepAfter) {
      this.#sweepTimer = this.#clock.at(this.#sweepAfter, () => {
        this.#sweepTimer = undefined;
        void this.sweep();
      });
      return;
    }
    this.#sweeping = true;
    this.#sweepAfter = now + SWEEP_PAUSE;
    const waiting = [...this.#host.trustedPeers()];
    const turn = async (): Promise<void> => {
      for (let peer = waiting.pop(); peer !== undefined; peer = waiting.pop()) {
        if (this.#registry.state === 'disconnected') return;
        await this.refresh(peer);
      }
    };
    await Promise.all(Array.from({ length: SWEEP }, turn));
    this.#sweeping = false;
  }

  /** Looks again at peers whose key the registry contradicted. Never fails. */
  async recheck(): Promise<void> {
    for (const { node, refused } of this.pins.kept()) {
      if (refused !== undefined && this.#registry.state === 'connected') await this.refresh(node);
    }
  }

  stop(): void {
    this.#sweepTimer?.cancel();
  }

  /** Lets go of a key pinned without trust: the next one is believed. Errors: `not_found`, `invalid_argument`. */
  forget(peer: NodeId): string {
    if (this.#host.trustedKey(peer) !== undefined) {
      throw new PilotError('invalid_argument', `Cannot forget the key of node ${peer}: trust rests on it`, {
        hint: `withdraw the trust first: pilotctl untrust ${peer}`,
      });
    }
    const pin = this.pins.get(peer);
    if (pin === undefined) throw new PilotError('not_found', `No key of node ${peer} is pinned`);
    this.pins.forget(peer);
    this.#judged.delete(peer);
    this.#warnings.clearNode(peer);
    // The tunnel remembers the key too.
    this.check(peer).then(
      ({ key }) => this.#host.useKey(peer, key),
      () => {},
    );
    return fingerprintOf(this.#crypto, pin.key);
  }

  #wall(): UnixMillis {
    return Math.floor(this.#clock.wallNow());
  }

  #judge(peer: NodeId, info: NodeInfo): Judged {
    const now = this.#wall();
    const trusted = this.#host.trustedKey(peer);
    const pin = trusted === undefined ? this.pins.get(peer) : this.pins.pin(peer, trusted, 'trust', now);
    const chain = rotationsOf(info);
    let key = info.publicKey;
    let changed = false;
    if (pin !== undefined) {
      key = pin.key;
      const reached = followRotations(this.#crypto, peer, pin.key, chain);
      if (typeof reached !== 'string' && !equal(reached.key, pin.key)) {
        key = reached.key;
        this.#follow(peer, reached, chain);
      }
      changed = !equal(info.publicKey, key);
      if (changed) this.#refuse(peer, pin, info, typeof reached === 'string' ? reached : 'no_rotation');
      else this.#confirm(peer);
    }
    const record = this.#records.proven(peer, key, info);
    const rotations = chain.filter((rotation) => verifyKeyRotation(this.#crypto, rotation));
    const epoch = Math.max(record?.epoch ?? 0, this.pins.get(peer)?.epoch ?? 0, rotations.at(-1)?.epoch ?? 0);
    const judged: Judged = { info, key, changed, rotations, epoch, record };
    this.#judged.delete(peer);
    this.#judged.set(peer, { judged, until: this.#clock.now() + LIFETIME });
    if (this.#judged.size > CACHE_LIMIT) {
      for (const oldest of this.#judged.keys()) {
        this.#judged.delete(oldest);
        break;
      }
    }
    return judged;
  }

  #follow(peer: NodeId, reached: { key: Uint8Array; epoch: number }, chain: readonly KeyRotation[]): void {
    this.#log.event('info', 'peer.key_rotated', {
      peer,
      epoch: reached.epoch,
      fingerprint: fingerprintOf(this.#crypto, reached.key),
    });
    const isTrusted = this.#host.trustedKey(peer) !== undefined;
    this.pins.rotated(peer, reached.key, reached.epoch, this.#wall());
    if (isTrusted) this.#host.keyRotated(peer, chain);
    else this.#host.useKey(peer, reached.key);
  }

  #refuse(peer: NodeId, pin: Pin, info: NodeInfo, reason: string): void {
    this.pins.refused(peer, info.publicKey, this.#wall());
    const seen = fingerprintOf(this.#crypto, info.publicKey);
    const had = fingerprintOf(this.#crypto, pin.key);
    if (this.#records.isFormer(peer, pin, info)) {
      this.#warnings.add(
        'registry.record_rolled_back',
        `The registry presents node ${peer} with a former key (${seen}): its newest is ${had}`,
        peer,
      );
    } else {
      this.#warnings.add(
        'peer.identity_changed',
        `The registry presents node ${peer} with the key ${seen}; it had ${had}, and nothing proves the change (${reason}). No traffic goes to the other key`,
        peer,
      );
    }
  }

  #confirm(peer: NodeId): void {
    if (this.pins.get(peer)?.refused !== undefined) this.#host.restored(peer);
    this.pins.confirmed(peer);
    this.#warnings.clear('peer.identity_changed', peer);
  }
}

function rotationsOf(info: NodeInfo): readonly KeyRotation[] {
  const read = (info.rotations ?? []).map((text) => decodeKeyRotation(text));
  return read.filter((rotation) => typeof rotation !== 'string').sort((a, b) => a.epoch - b.epoch);
}
