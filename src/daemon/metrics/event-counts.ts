import { EVENTS } from '../../api/events.ts';
import type { Log, LogLevel } from '../../runtime/ports.ts';

/** A log that also counts the events of the catalogue, whether they are written or not. */
export class EventCounts implements Log {
  readonly #log: Log;
  readonly #counts = new Map<string, number>();
  readonly #seen: (name: string, fields: Readonly<Record<string, unknown>>) => void;

  /** `seen` is called with each counted event. */
  constructor(log: Log, seen: (name: string, fields: Readonly<Record<string, unknown>>) => void) {
    this.#log = log;
    this.#seen = seen;
  }

  event(level: LogLevel, name: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#log.event(level, name, fields);
    if (!Object.hasOwn(EVENTS, name)) return;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    this.#seen(name, fields ?? {});
  }

  /** Every event of the catalogue, also those that did not happen. */
  all(): [string, number][] {
    return Object.keys(EVENTS).map((name) => [name, this.#counts.get(name) ?? 0]);
  }
}
