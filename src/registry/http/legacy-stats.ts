import type { Overview } from '../../api/dashboard.ts';
import type { UnixMillis } from '../../base/units.ts';
import type { SampleHistory } from './history.ts';

const DAY_SECONDS = 86_400;

/** The figures as pages of old registries show them. spec/13 §6 */
export function legacyStats(overview: Overview, history: SampleHistory, now: UnixMillis): object {
  const month = history.span('month', now);
  const rows = month.at.map((ts, i) => ({
    ts,
    total_nodes: month.registered[i]!,
    online_nodes: month.online[i]!,
    trust_links: month.links[i]!,
  }));
  const day = history.span('day', now).requests_per_second.filter((rate) => rate >= 0);
  const perSecond = day.length === 0 ? 0 : day.reduce((sum, rate) => sum + rate, 0) / day.length;
  return {
    total_nodes: overview.nodes.records,
    active_nodes: overview.nodes.online,
    total_trust_links: overview.trust.links,
    total_requests: overview.requests.total,
    req_per_day: Math.round(perSecond * DAY_SECONDS),
    uptime_secs: Math.floor((now - overview.started_at) / 1000),
    versions: Object.fromEntries(overview.versions),
    hourly: rows.filter(({ online_nodes }) => online_nodes >= 0),
  };
}
