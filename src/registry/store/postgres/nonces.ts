import type { Instant, Millis, NodeId, UnixMillis } from '../../../base/units.ts';
import type { Clock } from '../../../runtime/ports.ts';
import type { Engine } from '../sql/store.ts';
import { run, type Steps } from '../steps.ts';

/** Older ones are refused for their time. Twice the window in which signatures are taken. */
const LIFETIME: Millis = 10 * 60 * 1000;
const SWEEP: Millis = 60_000;

/** What signed requests any process on the database has seen. */
export class SharedNonces {
  readonly #engine: Engine;
  readonly #clock: Clock;
  #sweptAt: Instant;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
    this.#sweptAt = clock.now();
  }

  claim(node: NodeId, nonce: string, at: UnixMillis): Promise<boolean> {
    const sweeps = this.#clock.now() - this.#sweptAt >= SWEEP;
    if (sweeps) this.#sweptAt = this.#clock.now();
    const oldest = this.#clock.wallNow() - LIFETIME;
    return this.#engine.write(() => claimed(node, nonce, at, sweeps ? oldest : undefined));
  }
}

function* claimed(
  node: NodeId,
  nonce: string,
  at: UnixMillis,
  oldest: UnixMillis | undefined,
): Steps<boolean> {
  if (oldest !== undefined) yield* run('DELETE FROM nonces WHERE at < ?', oldest);
  const sql = 'INSERT INTO nonces (node, nonce, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING';
  return (yield* run(sql, node, nonce, at)) === 1;
}
