import { equal, toHex, utf8 } from '../../../base/bytes.ts';
import type { Crypto } from '../../../base/crypto.ts';
import type { Endpoint, Millis, UnixMillis } from '../../../base/units.ts';
import type { Clock } from '../../../runtime/ports.ts';
import type { RegistryConfig } from '../../config.ts';
import { sourceOf } from '../../source.ts';
import type { AdminToken, Store } from '../../store/store.ts';
import { Budget } from '../budget.ts';
import { type Operator, operatorOf, THE_OPERATOR } from './operator.ts';

/** `pat_` ‖ id ‖ `_` ‖ 64 hex digits, so that a scanner of leaked secrets can tell what it found. */
const TOKEN = /^pat_([0-9a-f]{12})_[0-9a-f]{64}$/;
/** How exactly it is known when a token was last used. */
const USE_NOTED: Millis = 60 * 60 * 1000;

/** Tells whose token it is. */
export class Authorizer {
  readonly #config: RegistryConfig;
  readonly #store: Store;
  readonly #crypto: Crypto;
  readonly #clock: Clock;
  readonly #guesses: Budget;

  constructor(config: RegistryConfig, store: Store, crypto: Crypto, clock: Clock) {
    this.#config = config;
    this.#store = store;
    this.#crypto = crypto;
    this.#clock = clock;
    this.#guesses = new Budget(config.adminGuessesPerHost);
  }

  /**
   * undefined for tokens that are unknown, revoked or over. The operator's own token can be weak, so that after some
   * wrong ones from a network address no guess at it counts; tokens made here are too long to be guessed.
   */
  async authorize(token: string, from: Endpoint): Promise<Operator | undefined> {
    if (token === '') return undefined;
    const id = TOKEN.exec(token)?.[1];
    if (id !== undefined) return this.#made(id, token);
    const source = sourceOf(from.host);
    const now = this.#clock.now();
    if (this.#config.adminToken === '' || !this.#guesses.has(source, now)) return undefined;
    // Hashes have equal length, so comparing them says nothing about how much of the token was right.
    if (equal(this.#hash(this.#config.adminToken), this.#hash(token))) return THE_OPERATOR;
    this.#guesses.spend(source, now);
    return undefined;
  }

  async #made(id: string, token: string): Promise<Operator | undefined> {
    const known = await this.#store.token(id);
    const at = this.#clock.wallNow();
    const right = equal(utf8(known?.hash ?? '0'.repeat(64)), utf8(toHex(this.#hash(token))));
    if (known === undefined || !right || !isInForce(known, at)) return undefined;
    if (known.usedAt === undefined || at - known.usedAt >= USE_NOTED) await this.#store.tokenUsed(id, at);
    return operatorOf(known);
  }
  #hash(token: string): Uint8Array {
    return this.#crypto.sha256(utf8(token));
  }
}

export function isInForce({ revokedAt, expiresAt }: AdminToken, at: UnixMillis): boolean {
  return revokedAt === undefined && (expiresAt === undefined || expiresAt > at);
}
