import { asPilotError, PilotError } from '../api/errors.ts';
import { toHex } from '../base/bytes.ts';
import type { Instant, NodeId } from '../base/units.ts';
import type { NodeQuery, PeerEndpoints } from '../core/node-types.ts';
import type { Clock, Log } from '../runtime/ports.ts';
import type { PeerBook } from './peer-book.ts';
import type { PeerKeys } from './peer-keys.ts';
import type { RegistryClient } from './registry-client.ts';

/** Questions under way at once; more are answered "unknown" at once. Chosen: strangers cause them too. */
const IN_FLIGHT_LIMIT = 256;
/** How long an answer is used again. A pushed `peer_moved` ends it early. */
const ENDPOINTS_LIFETIME = 10_000;
const CACHE_LIMIT = 2048;

/** Nothing is known but the relay can be tried. */
const RELAY_ONLY: PeerEndpoints = { endpoint: undefined, lan: [] };

export interface AnswerReceiver {
  key(peer: NodeId, key: Uint8Array | undefined, claimed?: Uint8Array): void;
  endpoints(peer: NodeId, found: PeerEndpoints | undefined, detail?: string): void;
  /** False when we do not trust the peer; else the registry will be told of the trust, if it does not know. */
  recallTrust(peer: NodeId): boolean;
}

interface Cached<Value> {
  readonly value: Value;
  readonly until: Instant;
}

/** Answers the node's questions about peers from the registry, and when it is away from what was known last. */
export class DirectoryAnswers {
  readonly #registry: RegistryClient;
  readonly #book: PeerBook;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #receiver: AnswerReceiver;
  readonly #inFlight = new Set<string>();
  readonly #keys: PeerKeys;
  readonly #endpoints = new Map<NodeId, Cached<PeerEndpoints>>();
  readonly #failures = new Map<NodeId, PilotError>();

  constructor(options: {
    registry: RegistryClient;
    book: PeerBook;
    keys: PeerKeys;
    clock: Clock;
    log: Log;
    receiver: AnswerReceiver;
  }) {
    this.#keys = options.keys;
    this.#registry = options.registry;
    this.#book = options.book;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#receiver = options.receiver;
  }

  handle(query: NodeQuery): void {
    const { ask, peer } = query;
    if (ask === 'rotations') {
      void this.#keys.refresh(peer);
      return;
    }
    if (ask !== 'key' && ask !== 'endpoints') return;
    const claimed = ask === 'key' ? query.claimed : undefined;
    const name = `${ask}:${peer}:${claimed === undefined ? '' : toHex(claimed)}`;
    // The answer to the question under way serves this one too.
    if (this.#inFlight.has(name)) return;
    if (this.#inFlight.size >= IN_FLIGHT_LIMIT) {
      this.#log.event('warn', 'directory.questions_dropped', { peer });
      if (ask === 'key') this.#later(() => this.#receiver.key(peer, undefined, claimed));
      else this.#later(() => this.#receiver.endpoints(peer, RELAY_ONLY));
      return;
    }
    this.#inFlight.add(name);
    const answered = ask === 'key' ? this.#answerKey(peer, claimed) : this.#answerEndpoints(peer);
    void answered.finally(() => this.#inFlight.delete(name));
  }

  /** The peer has a new endpoint: tell the node, when it cares. */
  async moved(peer: NodeId): Promise<void> {
    if (!this.#endpoints.delete(peer) && this.#book.endpointsOf(peer) === undefined) return;
    this.handle({ ask: 'endpoints', peer });
  }

  /** Remembers where a peer is, for a day without the registry. Never fails. */
  async remember(peer: NodeId): Promise<void> {
    if (this.#registry.state === 'disconnected') return;
    try {
      const found = await this.#registry.resolve(peer);
      this.#book.located(peer, found);
      // Whoever tries to reach it already did not know where it is.
      this.#receiver.endpoints(peer, found);
    } catch (thrown) {
      this.#log.event('debug', 'directory.no_endpoints', { peer, code: asPilotError(thrown).code });
    }
  }

  /** What to tell somebody whose dial failed because the peer could not be found. */
  unresolved(peer: NodeId, detail: string | undefined): PilotError {
    return (
      this.#failures.get(peer) ??
      new PilotError('not_found', `Cannot find node ${peer}: ${detail ?? 'unknown'}`)
    );
  }

  async #answerKey(peer: NodeId, claimed: Uint8Array | undefined): Promise<void> {
    let key: Uint8Array | undefined;
    try {
      key = await this.#keys.identityKey(peer, claimed);
    } catch (thrown) {
      const { code, message } = asPilotError(thrown);
      this.#log.event('debug', 'directory.no_key', { peer, code, message });
    }
    this.#receiver.key(peer, key, claimed);
  }

  async #answerEndpoints(peer: NodeId): Promise<void> {
    const cached = this.#endpoints.get(peer);
    if (cached !== undefined && cached.until > this.#clock.now()) {
      this.#later(() => this.#receiver.endpoints(peer, cached.value));
      return;
    }
    if (this.#registry.state === 'disconnected') {
      this.#later(() => this.#receiver.endpoints(peer, this.#book.endpointsOf(peer) ?? RELAY_ONLY));
      return;
    }
    try {
      const [found, problem] = await Promise.all([this.#registry.resolve(peer), this.#keys.problem(peer)]);
      if (problem !== undefined) {
        this.#refuse(peer, problem);
        return;
      }
      this.#failures.delete(peer);
      this.#book.located(peer, found);
      remember(this.#endpoints, peer, found, this.#clock.now() + ENDPOINTS_LIFETIME);
      this.#receiver.endpoints(peer, found);
    } catch (thrown) {
      this.#endpointsFailed(peer, asPilotError(thrown));
    }
  }

  /**
   * Only a registry that says no ends the matter; for a peer we trust not even that it may not tell us. A private
   * node that does not trust us is to the registry's answers one that does not exist.
   */
  #endpointsFailed(peer: NodeId, error: PilotError): void {
    this.#log.event('debug', 'directory.no_endpoints', { peer, code: error.code, message: error.message });
    const isRefusal = error.code === 'not_found' || error.code === 'permission_denied';
    if (!isRefusal || this.#receiver.recallTrust(peer)) {
      this.#receiver.endpoints(peer, this.#book.endpointsOf(peer) ?? RELAY_ONLY);
      return;
    }
    const told = new PilotError(
      'untrusted',
      `Cannot reach node ${peer}: it is private and does not trust this node, or there is no such node`,
      { hint: `ask for trust with: pilotctl handshake ${peer}`, cause: error },
    );
    this.#refuse(peer, told);
  }

  #refuse(peer: NodeId, told: PilotError): void {
    if (this.#failures.size >= CACHE_LIMIT) this.#failures.clear();
    this.#failures.set(peer, told);
    this.#receiver.endpoints(peer, undefined, told.message);
  }

  /** The node is being drained while it asks. */
  #later(answer: () => void): void {
    queueMicrotask(answer);
  }
}

function remember<Value>(
  cache: Map<NodeId, Cached<Value>>,
  peer: NodeId,
  value: Value,
  until: Instant,
): void {
  cache.delete(peer);
  cache.set(peer, { value, until });
  if (cache.size <= CACHE_LIMIT) return;
  for (const oldest of cache.keys()) {
    cache.delete(oldest);
    return;
  }
}
