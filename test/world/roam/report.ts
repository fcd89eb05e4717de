import type { Rates } from './meter.ts';
import type { Late, SoakResult } from './soak.ts';

/** What a soak saw, for people. */
export function report(result: SoakResult, seconds: number): string {
  const { times, late, checks, heals, pairs, virtualMs } = result;
  const at = (share: number): string =>
    `${((times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? Number.NaN) / 1000).toFixed(2)} s`;
  return [
    `seed ${result.seed}, hash ${result.hash}: ${(virtualMs / 3_600_000).toFixed(1)} virtual hours in ${seconds.toFixed(0)} s`,
    `${pairs} trusted pairs, ${heals} heals, ${checks} pairs looked at`,
    `back after: median ${at(0.5)}, 90 % ${at(0.9)}, 99 % ${at(0.99)}, longest ${at(1)}`,
    `late: ${late.length}`,
    ...late.slice(0, 40).map((one) => `  ${describeLate(one)}`),
    `bytes/s per node, tunnels used minutes ago: ${summary(result.warm)}`,
    `bytes/s per node, tunnels long unused: ${summary(result.idle)}`,
    ...result.failures.map((failure) => `broken: ${failure}`),
  ].join('\n');
}

export function describeLate({ at, pair, why, after }: Late): string {
  const when = after === undefined ? 'never' : `${(after / 1000).toFixed(1)} s`;
  return `${(at / 1000).toFixed(3)} ${pair}: ${when} after ${why}`;
}

function summary(rates: readonly Rates[]): string {
  const mean = (of: (rate: Rates) => number): string =>
    (rates.reduce((sum, rate) => sum + of(rate), 0) / rates.length).toFixed(1);
  const most = Math.max(...rates.map(({ total }) => total)).toFixed(1);
  return `mean ${mean(({ total }) => total)} (UDP ${mean(({ udp }) => udp)}, registry ${mean(({ tcp }) => tcp)}), most ${most}`;
}
