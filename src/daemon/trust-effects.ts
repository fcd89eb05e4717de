import type { AutoApproveRule } from '../api/auto-approve.ts';
import { asPilotError, type PilotError } from '../api/errors.ts';
import { utf8 } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Instant, Millis, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { NodeOutput } from '../core/node-types.ts';
import { formatTrustFile } from '../core/trust/snapshot.ts';
import type { TrustSnapshot } from '../core/trust/types.ts';
import type { RegistryPush } from '../directory/types.ts';
import type { Clock, Log, Storage, Timer } from '../runtime/ports.ts';
import type { TrustRevocation } from '../wire/trust-revocation.ts';
import { registryFacts } from './asker-facts.ts';
import { AutoApproval } from './auto-approval.ts';
import type { PeerBook } from './peer-book.ts';
import { PersistGate } from './persist-gate.ts';
import type { RegistryClient } from './registry-client.ts';
import { Revocations } from './revocations.ts';
import { TRUST_FILE } from './state-file.ts';
import { certificateOf } from './trust-rows.ts';

/** How long, and how often, the answer to a request of ours is looked for beside the heartbeats. */
const ANSWER_WATCH: Millis = 300_000;
const ANSWER_INTERVAL: Millis = 5_000;

/** Between two looks at what the registry knows of one pair, and how many such looks are remembered. */
const COMPARE_INTERVAL: Millis = 30_000;
const COMPARED = 4096;

/** Datagrams held back while a trust decision is being written; more are lost, as on any network. */
const HELD_DATAGRAMS = 10_000;

type TrustEffect = Extract<NodeOutput, { type: 'trust' }>['output'];

export interface TrustEffectsHost {
  readonly node: PilotNode;
  run(mutation: () => void): void;
  now(): Instant;
  /** Trust in the peer, or a request for it, has changed. */
  changed(peer: NodeId): void;
  readonly book: PeerBook;
  /** Of a network of ours; "" while it is not known. */
  networkName(network: number): string;
}

/** Carries out what the trust machine decides: saves it, then tells the registry. Results go back to the machine. */
export class TrustEffects {
  readonly #host: TrustEffectsHost;
  readonly #registry: RegistryClient;
  readonly #gate: PersistGate<TrustSnapshot>;
  readonly #log: Log;
  /** Who waits for a request of ours to be under way, by request id. */
  readonly #deliveries = new Map<
    string,
    { readonly peer: NodeId | undefined; readonly receiver: (outcome: PilotError | undefined) => void }
  >();
  readonly #clock: Clock;
  readonly autoApproval: AutoApproval;
  readonly revocations: Revocations;
  readonly crypto: Crypto;
  /** When the registry was last asked what it knows of a pair. */
  readonly #compared = new Map<NodeId, Instant>();
  #polling: Promise<void> | undefined;
  #watching: Timer | undefined;
  #pollAgain = false;

  constructor(options: {
    host: TrustEffectsHost;
    registry: RegistryClient;
    storage: Storage;
    revocations: readonly TrustRevocation[];
    rules: readonly AutoApproveRule[];
    crypto: Crypto;
    clock: Clock;
    log: Log;
  }) {
    const { host, registry, storage, revocations, rules, crypto, clock, log } = options;
    this.#clock = clock;
    this.#host = host;
    this.#registry = registry;
    this.#gate = new PersistGate({
      save: (snapshot) => storage.replace(TRUST_FILE, utf8(formatTrustFile(snapshot))),
      clock,
      log,
      name: TRUST_FILE,
    });
    this.#log = log;
    this.crypto = crypto;
    this.revocations = new Revocations(revocations, { storage, clock, log });
    const { node } = host;
    const facts = registryFacts({ registry, crypto, networkName: (network) => host.networkName(network) });
    this.autoApproval = new AutoApproval({
      host: { node, facts, run: (mutation) => host.run(mutation), nameOf: (peer) => host.book.nameOf(peer) },
      rules,
      crypto,
      clock,
      log,
    });
  }

  /** Called within the node's drain. */
  handle(effect: TrustEffect): void {
    if (effect.type === 'persist') {
      this.#gate.put(effect.snapshot);
      this.revocations.note(effect.snapshot);
    } else this.#gate.after(() => this.#carryOut(effect));
  }

  /** The registry knows us, perhaps after a time away: what waited for it is looked at again. */
  registered(): void {
    this.autoApproval.resume();
  }

  /** Trust messages wait for us, or the registry has news of a pair of ours. */
  onPush({ event, from }: RegistryPush): void {
    void this.poll();
    if (event === 'trust_changed' && from !== undefined) this.#compare(from);
  }

  /**
   * The registry refused to tell of a peer. False when we do not trust it; else the registry may have lost what it knew
   * of the trust, and is told again if so.
   */
  recall(peer: NodeId): boolean {
    const isTrusted = this.#host.node.isTrusted(peer);
    if (isTrusted) this.#compare(peer);
    return isTrusted;
  }

  /** Tells the registry of a trust it does not know any more, or knows by an older certificate. */
  #compare(peer: NodeId): void {
    const now = this.#host.now();
    if (now - (this.#compared.get(peer) ?? Number.NEGATIVE_INFINITY) < COMPARE_INTERVAL) return;
    if (this.#compared.size >= COMPARED) this.#compared.clear();
    this.#compared.set(peer, now);
    this.#compareNow(peer).catch((thrown: unknown) => {
      const { code, message } = asPilotError(thrown);
      this.#log.event('debug', 'trust.not_compared', { peer, code, message });
    });
  }

  async #compareNow(peer: NodeId): Promise<void> {
    const there = await this.#registry.records.certificateWith(peer);
    const record = this.#host.node.trusted().find((each) => each.node === peer);
    // What is under way is told by the trust machine itself.
    if (record === undefined || record.reported !== true || record.draft !== undefined) return;
    const { certificate } = record;
    const known = there.certificate === undefined ? 0 : (certificateOf(there.certificate)?.serial ?? 0);
    if (there.trusted && (certificate === undefined || known >= record.serial)) return;
    await this.#registry.reportTrust(peer, certificate);
    this.#log.event('info', 'trust.reported_again', { peer, serial: record.serial });
  }

  /** Calls back once: when the peer has the request, or with what the registry said to it. */
  onDelivery(
    requestId: string,
    peer: NodeId | undefined,
    receiver: (outcome: PilotError | undefined) => void,
  ): () => void {
    this.#deliveries.set(requestId, { peer, receiver });
    return () => this.#deliveries.delete(requestId);
  }

  /** A trust message of ours reached the peer itself. */
  delivered(peer: NodeId): void {
    for (const [requestId, waiting] of this.#deliveries) {
      if (waiting.peer !== peer) continue;
      this.#deliveries.delete(requestId);
      waiting.receiver(undefined);
    }
  }

  /** Fetches what the registry keeps for us. A poll tells the registry that the last one's result is stored. */
  poll(): Promise<void> {
    if (this.#polling !== undefined) {
      this.#pollAgain = true;
      return this.#polling;
    }
    this.#polling = this.#pollAll().finally(() => {
      this.#polling = undefined;
    });
    return this.#polling;
  }

  async #pollAll(): Promise<void> {
    try {
      for (let more = true; more; ) {
        this.#pollAgain = false;
        const polled = await this.#registry.pollHandshakes();
        const { node } = this.#host;
        this.#host.run(() => {
          const now = this.#host.now();
          for (const request of polled.requests) {
            if (request.hostname !== '') this.#host.book.named(request.from, request.hostname);
            node.relayedRequest(inSeconds(request), now);
          }
          for (const response of polled.responses) node.relayedResponse(inSeconds(response), now);
          for (const revocation of polled.revocations) node.relayedRevoke(revocation, now);
        });
        const anything = polled.requests.length + polled.responses.length + polled.revocations.length > 0;
        if (anything) await this.#gate.settled();
        // What was fetched is only acknowledged by the next poll.
        more = polled.more || anything || this.#pollAgain;
      }
    } catch (thrown) {
      const { code, message } = asPilotError(thrown);
      this.#log.event('debug', 'trust.poll_failed', { code, message });
    }
  }

  #carryOut(effect: Exclude<TrustEffect, { type: 'persist' }>): void {
    switch (effect.type) {
      case 'relayRequest': {
        this.#watchForAnswer();
        const { target, justification, message, requestId } = effect;
        this.#report(
          'relayRequest',
          requestId,
          this.#registry.requestHandshake({ target, justification, message }),
        );
        return;
      }
      case 'relayRespond': {
        const { to, accept, message } = effect;
        this.#report('relayRespond', to, this.#registry.respondHandshake({ peer: to, accept, message }));
        return;
      }
      case 'reportTrust': {
        const { peer, certificate } = effect;
        const reported = this.#registry.reportTrust(peer, certificate === '' ? undefined : certificate);
        this.#report('reportTrust', peer, reported);
        return;
      }
      case 'revokeTrust': {
        const { peer, message, revocation } = effect;
        const revoked = this.#registry.revokeTrust(peer, message, revocation === '' ? undefined : revocation);
        this.#report('revokeTrust', peer, revoked);
        return;
      }
      case 'dropped':
        this.#log.event('info', 'trust.dropped', { peer: effect.peer });
        this.#host.changed(effect.peer);
        return;
      case 'event': {
        const { name, ...fields } = effect.event;
        this.#log.event(name === 'trust.refused_message' ? 'debug' : 'info', name, fields);
        if (name === 'handshake.pending') this.autoApproval.consider(effect.event.peer);
        this.#host.changed(effect.event.peer);
        return;
      }
      default:
        effect satisfies never;
    }
  }

  /** Old registries do not push: an answer that is expected is looked for. */
  #watchForAnswer(): void {
    if (this.#watching !== undefined) return;
    const until = this.#host.now() + ANSWER_WATCH;
    const look = (): void => {
      this.#watching = undefined;
      if (this.#host.now() >= until || this.#host.node.outgoing().length === 0) return;
      void this.poll();
      this.#watching = this.#clock.at(this.#host.now() + ANSWER_INTERVAL, look);
    };
    this.#watching = this.#clock.at(this.#host.now() + ANSWER_INTERVAL, look);
  }

  reconnected(): void {
    this.#host.run(() => this.#host.node.registryBack(this.#host.now()));
  }

  stop(): void {
    this.#watching?.cancel();
    this.#watching = undefined;
    this.autoApproval.stop();
  }

  /** Resolves when every decision so far is on disk. Errors: those of the storage. */
  saved(): Promise<void> {
    return this.#gate.settled();
  }

  /** What leaves the node has to wait until the decisions it may follow from are on disk. */
  get isHolding(): boolean {
    return this.#gate.isHolding;
  }

  hold(send: () => void): void {
    if (this.#gate.heldCount < HELD_DATAGRAMS) this.#gate.after(send);
  }

  /** Errors: those of the storage. */
  async close(): Promise<void> {
    await Promise.all([this.#gate.close(), this.revocations.close()]);
  }

  #report(
    kind: 'relayRequest' | 'relayRespond' | 'reportTrust' | 'revokeTrust',
    subject: NodeId | string,
    done: Promise<unknown>,
  ): void {
    const settle = (error: PilotError | undefined): void => {
      if (error !== undefined) {
        this.#log.event('debug', 'trust.registry_refused', {
          kind,
          subject,
          code: error.code,
          message: error.message,
        });
      }
      this.#host.run(() =>
        this.#host.node.registryDone(kind, subject, error === undefined, this.#host.now()),
      );
      if (typeof subject === 'string') {
        this.#deliveries.get(subject)?.receiver(error);
        this.#deliveries.delete(subject);
      }
    };
    done.then(
      () => settle(undefined),
      (thrown: unknown) => settle(asPilotError(thrown)),
    );
  }
}

function inSeconds<Message extends { readonly timestamp: number }>(message: Message): Message {
  return { ...message, timestamp: Math.floor(message.timestamp / 1000) };
}
