/** A registry service on a clock that stands still, and clients that sign. */
import { toHex, utf8 } from '../base/bytes.ts';
import type { SigningKey } from '../base/crypto.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import { nodeCrypto, nodeRandom } from '../platform/index.ts';
import type { Clock, Timer } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import { encodeKeyRotation, signKeyRotation } from '../wire/key-rotation.ts';
import { contentSignedBytes } from '../wire/registry-signatures.ts';
import type { RegistryConfig } from './config.ts';
import { ConnectionState } from './connection.ts';
import { createRegistryService, type OperatedRegistry, type RegistryService } from './service/service.ts';
import { memoryStore } from './store/memory.ts';
import type { Store } from './store/store.ts';

export const crypto = nodeCrypto();
export const random = nodeRandom();
export const log = { event() {} };
const EPOCH = 1_800_000_000_000;

/** Time passes only in `advance`, which runs what falls due. */
export class ManualClock implements Clock {
  #now = 1000;
  #epoch = EPOCH;
  #timers: { when: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }
  wallNow(): number {
    return this.#epoch + this.#now;
  }
  /** Changes the wall clock only. */
  setBack(duration: number): void {
    this.#epoch -= duration;
  }
  at(when: number, run: () => void): Timer {
    const timer = { when, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => void this.at(this.#now + delay, resolve));
  }
  get timers(): number {
    return this.#timers.length;
  }
  async advance(duration: number): Promise<void> {
    const end = this.#now + duration;
    await settle();
    for (;;) {
      const next = this.#timers.filter(({ when }) => when <= end).sort((a, b) => a.when - b.when)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.when);
      next.run();
      await settle();
    }
    this.#now = end;
  }
}

export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function identity(seed: number): SigningKey {
  return crypto.signingKey(new Uint8Array(32).fill(seed));
}
export function legacySignature(key: SigningKey, text: string): string {
  return encodeBase64(key.sign(utf8(text)));
}
export function keyText(key: { readonly publicKey: Uint8Array }): string {
  return encodeBase64(key.publicKey);
}

/** Adds time, nonce and the signature over everything. */
export function signed(clock: Clock, key: SigningKey, request: object, changes: object = {}): object {
  const content = { ...request, ts: clock.wallNow(), nonce: toHex(random.bytes(16)), ...changes };
  return { ...content, sig: encodeBase64(key.sign(contentSignedBytes(content))) };
}

/** The request that rotates a node's key, with the document both keys sign. */
export function rotation(
  oldKey: SigningKey,
  newKey: SigningKey,
  node: NodeId,
  epoch = 1,
): { type: string; node_id: NodeId; new_public_key: string; rotation: string } {
  const document = signKeyRotation(oldKey, newKey, { node, epoch, at: EPOCH / 1000 });
  return {
    type: 'rotate_key',
    node_id: node,
    new_public_key: keyText(newKey),
    rotation: encodeKeyRotation(document),
  };
}

export type Reply = Record<string, unknown>;

export interface TestRegistry {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly service: OperatedRegistry;
  connect(host?: string): TestConnection;
  /** A new process on the same store. */
  restart(): TestRegistry;
}

export function testRegistry(
  config: Partial<RegistryConfig> = {},
  clock: ManualClock = new ManualClock(),
  store: Store = memoryStore(),
): TestRegistry {
  const service = createRegistryService({ store, clock, random, crypto, log, config });
  let port = 50_000;
  return {
    clock,
    store,
    service,
    connect: (host = '198.51.100.7') => new TestConnection(service, clock, { host, port: port++ }),
    restart: () => testRegistry(config, clock, store),
  };
}

/** One client connection: unsigned, old-style and fully signed requests. */
export class TestConnection {
  readonly service: RegistryService;
  readonly state: ConnectionState;
  readonly pushed: object[] = [];
  readonly #clock: Clock;
  readonly #remote: Endpoint;

  constructor(service: RegistryService, clock: Clock, remote: Endpoint) {
    this.service = service;
    this.#clock = clock;
    this.#remote = remote;
    this.state = new ConnectionState(remote, false, (message) => this.pushed.push(message));
  }

  send(request: object): Promise<Reply> {
    return this.service.handle(request, { remote: this.#remote, connection: this.state });
  }
  /** Adds time, nonce and the signature over everything. */
  sign(key: SigningKey, request: object, changes: object = {}): object {
    return signed(this.#clock, key, request, changes);
  }
  signed(key: SigningKey, request: object, changes: object = {}): Promise<Reply> {
    return this.send(this.sign(key, request, changes));
  }
  /** As old daemons register: no proof. */
  registerOld(key: SigningKey, fields: object = {}): Promise<Reply> {
    return this.send({ type: 'register', listen_addr: ':4000', public_key: keyText(key), ...fields });
  }
  async registerProven(key: SigningKey, fields: object = {}): Promise<NodeId> {
    const reply = await this.tryProven(key, fields);
    if (reply.type !== 'register_ok') throw new Error(`not registered: ${JSON.stringify(reply)}`);
    return Number(reply.node_id);
  }
  async tryProven(key: SigningKey, fields: object = {}): Promise<Reply> {
    const { nonce } = await this.send({ type: 'challenge' });
    const request = {
      type: 'register',
      listen_addr: '0.0.0.0:4000',
      public_key: keyText(key),
      challenge: nonce,
      ...fields,
    };
    return this.signed(key, request);
  }
}
