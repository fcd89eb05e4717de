import type { MetricName } from '../../api/metrics.ts';

/** One value. */
export interface SampleRow {
  /** Of the name, with histograms: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric of docs/metrics.md with its values now; none when there is nothing to tell. */
export interface MetricRow {
  readonly name: MetricName;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly samples: readonly SampleRow[];
}

export interface MetricMethods {
  metrics: [Record<string, never>, { metrics: readonly MetricRow[] }];
}
