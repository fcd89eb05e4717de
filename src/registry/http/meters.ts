/** What Prometheus reads, made from the catalogue; nothing is counted unless somebody serves it. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { REGISTRY_METRICS, REQUEST_BUCKETS, type RegistryMetricName } from '../../api/registry-metrics.ts';

type NamesOf<Type> = {
  [Name in RegistryMetricName]: (typeof REGISTRY_METRICS)[Name]['type'] extends Type ? Name : never;
}[RegistryMetricName];
export type GaugeName = NamesOf<'gauge'>;
export type CounterName = NamesOf<'counter'>;
export type HistogramName = NamesOf<'histogram'>;

/** Every metric of the catalogue, and prom-client's own of the process and of Node. */
export class Meters {
  readonly #registry = new Registry();
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();

  constructor() {
    for (const [name, { type, labels, help }] of Object.entries(REGISTRY_METRICS)) {
      const shared = { name, help, labelNames: [...labels], registers: [this.#registry] };
      if (type === 'gauge') this.#gauges.set(name, new Gauge(shared));
      else if (type === 'counter') this.#counters.set(name, new Counter(shared));
      else this.#histograms.set(name, new Histogram({ ...shared, buckets: [...REQUEST_BUCKETS] }));
    }
    collectDefaultMetrics({ register: this.#registry });
  }

  gauge(name: GaugeName): Gauge {
    return this.#gauges.get(name)!;
  }
  counter(name: CounterName): Counter {
    return this.#counters.get(name)!;
  }
  histogram(name: HistogramName): Histogram {
    return this.#histograms.get(name)!;
  }
  /** Sets a counter to what something else has counted since the start. */
  counted(name: CounterName, value: number, labels: Record<string, string> = {}): void {
    const counter = this.counter(name);
    counter.remove(labels);
    counter.inc(labels, value);
  }
  get contentType(): string {
    return this.#registry.contentType;
  }
  text(): Promise<string> {
    return this.#registry.metrics();
  }
  /** Stops what prom-client watches of the process. */
  close(): void {
    this.#registry.clear();
  }
}
