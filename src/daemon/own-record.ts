import { asPilotError } from '../api/errors.ts';
import type { SigningKey } from '../base/crypto.ts';
import type { Millis } from '../base/units.ts';
import type { Clock, Log, Timer } from '../runtime/ports.ts';
import {
  encodeNodeRecord,
  type NodeRecord,
  type NodeRecordMembers,
  type ServiceEntry,
  signNodeRecord,
} from '../wire/node-record.ts';
import type { RegistryClient } from './registry-client.ts';

/** What we can do beyond version 1; signed, so that nobody can make us look older than we are. */
const FEATURES: readonly string[] = ['certificates1'];
const SUITES: readonly string[] = ['pilot1'];

const DAY: Millis = 24 * 3_600_000;
/** A record this old is signed anew. */
const RESIGN_AFTER: Millis = DAY;
/** Long enough for a node to be away for a while, short enough for old ones to die out. */
const VALID_FOR: Millis = 30 * DAY;
/** Several changes at once make one record. */
const DEBOUNCE: Millis = 100;
const FIRST_RETRY: Millis = 1_000;
const LONGEST_RETRY: Millis = 300_000;

export interface OwnRecordHost {
  identity(): SigningKey;
  /** Undefined while the registry does not know us. */
  facts(): OwnFacts | undefined;
  /** Stores the number before a record with it exists. Errors: those of the storage. */
  saveSeq(seq: number): Promise<void>;
}

export interface OwnFacts {
  readonly node: number;
  readonly epoch: number;
  readonly hostname: string;
  readonly public: boolean;
  readonly tags: readonly string[];
  readonly services: readonly ServiceEntry[];
  /** Where we are, comparable: a move is a new record. */
  readonly place: string;
  readonly lastSeq: number;
}

/** Signs what we are and gives it to the registry, again whenever it changes, and daily. */
export class OwnRecord {
  readonly #registry: RegistryClient;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #host: OwnRecordHost;
  #timer: Timer | undefined;
  #running = false;
  #again = false;
  #failures = 0;
  #published: { readonly record: NodeRecord; readonly content: string; readonly issued: number } | undefined;
  #given = false;
  #stopped = false;

  constructor(options: { registry: RegistryClient; clock: Clock; log: Log; host: OwnRecordHost }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#host = options.host;
  }

  /** The record the registry has of us, when it took one. */
  get current(): NodeRecord | undefined {
    return this.#given ? this.#published?.record : undefined;
  }

  /** Something of what we are may have changed. */
  changed(): void {
    this.#arm(DEBOUNCE);
  }

  /** We were registered, perhaps at a registry that does not have the record. */
  registered(): void {
    this.#given = false;
    this.#failures = 0;
    this.#arm(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(delay: Millis): void {
    if (this.#stopped) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#timer = this.#clock.at(this.#clock.now() + delay, () => void this.#turn());
  }

  async #turn(): Promise<void> {
    this.#running = true;
    this.#again = false;
    let delay: Millis = RESIGN_AFTER / 24;
    try {
      await this.#publish();
      this.#failures = 0;
    } catch (thrown) {
      delay = this.#failed(asPilotError(thrown));
    }
    this.#running = false;
    this.#arm(this.#again ? DEBOUNCE : delay);
  }

  async #publish(): Promise<void> {
    const facts = this.#host.facts();
    if (facts === undefined) return;
    const { lastSeq, ...content } = facts;
    const identity = this.#host.identity();
    const now = Math.floor(this.#clock.wallNow());
    const text = JSON.stringify([content, [...identity.publicKey]]);
    const published = this.#published;
    const isFresh = published?.content === text && Math.abs(now - published.issued) < RESIGN_AFTER;
    if (isFresh && this.#given) return;
    if (!isFresh) {
      const seq = Math.max(lastSeq + 1, now);
      await this.#host.saveSeq(seq);
      this.#published = {
        record: signNodeRecord(identity, membersOf(facts, seq, now)),
        content: text,
        issued: now,
      };
      this.#given = false;
    }
    const { record } = this.#published!;
    await this.#registry.records.publishRecord(encodeNodeRecord(record));
    this.#given = true;
    this.#log.event('debug', 'node.record_published', { seq: record.seq, epoch: record.epoch });
  }

  /** Registries that know no records are asked again, but seldom. */
  #failed({ code, message }: { code: string; message: string }): Millis {
    this.#failures++;
    this.#log.event(this.#failures === 1 ? 'info' : 'debug', 'node.record_not_published', { code, message });
    return Math.min(FIRST_RETRY * 2 ** Math.min(this.#failures - 1, 10), LONGEST_RETRY);
  }
}

function membersOf(facts: OwnFacts, seq: number, now: number): Omit<NodeRecordMembers, 'key'> {
  const { node, epoch, hostname, tags, services } = facts;
  const issued = Math.floor(now / 1000);
  return {
    node,
    epoch,
    seq,
    hostname,
    public: facts.public,
    tags,
    features: FEATURES,
    suites: SUITES,
    services,
    issued,
    expires: issued + VALID_FOR / 1000,
  };
}
