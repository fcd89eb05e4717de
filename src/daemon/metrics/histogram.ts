import { TIME_BUCKETS } from '../../api/metrics.ts';
import type { Millis } from '../../base/units.ts';
import type { SampleRow } from '../../ipc/methods.ts';

/** Times in buckets, as Prometheus wants them: each bucket counts everything up to its bound. */
export class TimeHistogram {
  readonly #buckets = TIME_BUCKETS.map(() => 0);
  #count = 0;
  #sum = 0;

  observe(time: Millis): void {
    const seconds = Math.max(0, time) / 1000;
    TIME_BUCKETS.forEach((bound, at) => {
      if (seconds <= bound) this.#buckets[at]!++;
    });
    this.#count++;
    this.#sum += seconds;
  }

  samples(): SampleRow[] {
    const bucket = (le: string, value: number): SampleRow => ({ suffix: '_bucket', labels: { le }, value });
    return [
      ...TIME_BUCKETS.map((bound, at) => bucket(String(bound), this.#buckets[at]!)),
      bucket('+Inf', this.#count),
      { suffix: '_sum', labels: {}, value: Math.round(this.#sum * 1e6) / 1e6 },
      { suffix: '_count', labels: {}, value: this.#count },
    ];
  }
}
