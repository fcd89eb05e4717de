import type { Instant } from '../../base/units.ts';
import type { Path } from '../path/path.ts';
import type { Paths } from '../path/paths.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Arrival } from './types.ts';
import type { Whereabouts } from './whereabouts.ts';

/** The paths by which frames of one peer come, known ones and new ones. */
export class Ways {
  readonly #paths: Paths;
  readonly #whereabouts: Whereabouts;
  /** Paths that a frame suggests by where it came from, which its sender may have made up. */
  readonly #heard = new TokenBucket(1, 12);
  /** Paths that only a key exchange, which may be a replay, suggests. */
  readonly #suggestions = new TokenBucket(4, 8);
  /** Answers to pings by ways that are not proven. */
  readonly #pongs = new TokenBucket(5, 60);

  constructor(paths: Paths, whereabouts: Whereabouts) {
    this.#paths = paths;
    this.#whereabouts = whereabouts;
  }

  at({ relay, from, via }: Arrival): Path | undefined {
    return this.#paths.find(relay, from, via);
  }

  /** Whoever makes up where its pings come from has us answer somebody else. */
  mayAnswer(way: Arrival, now: Instant): boolean {
    return way.relay || this.at(way)?.phase === 'proven' || this.#pongs.take(now);
  }

  /** Of an authentic frame. */
  heard(way: Arrival, now: Instant): Path | undefined {
    const known = this.at(way);
    if (known !== undefined) return known;
    if (!way.relay && !this.#heard.take(now)) return undefined;
    return this.#paths.add(this.#whereabouts.kindOf(way), way.from, 'heard', now, way.via);
  }

  /** Of a key exchange. */
  suggested(way: Arrival, now: Instant): Path | undefined {
    const known = this.at(way);
    if (known !== undefined) return known;
    if (!way.relay && !this.#suggestions.take(now)) return undefined;
    return this.#paths.add(this.#whereabouts.kindOf(way), way.from, 'exchange', now, way.via);
  }
}
