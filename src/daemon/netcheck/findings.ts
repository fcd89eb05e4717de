import { FINDINGS, type FindingCode, type FindingLevel } from '../../api/findings.ts';
import { NOTHING_LISTENS } from '../../directory/probe.ts';
import type { FindingRow, NetcheckReport } from '../../ipc/methods.ts';

/** A clock this far off, ms, keeps trust from being made: requests say when they were signed. */
const CLOCK_WRONG = 30_000;
const CLOCK_OFF = 5_000;

/** Below this, a burst of a fast path does not fit. */
const SMALL_BUFFER = 1024 * 1024;

type Measured = Omit<NetcheckReport, 'findings' | 'took_ms'>;

/** What the measurements mean, worst first. */
export function findingsOf(report: Measured): FindingRow[] {
  const found: { code: FindingCode; subject?: string }[] = [];
  const add = (code: FindingCode, subject = ''): void => void found.push({ code, subject });

  const { registry, beacons, carrier, nat } = report;
  if (report.ipv4.addresses.length + report.ipv6.addresses.length === 0) add('no_address');
  if (registry === null && beacons.length === 0) add('no_registry_configured');
  // A refusal comes from a host that was reached.
  const isCutOff =
    report.udp === 'blocked' && registry?.state === 'unreachable' && registry.problem !== NOTHING_LISTENS;
  if (isCutOff) add('offline');
  else if (registry?.state === 'fingerprint_mismatch') add('registry_key_changed', registry.registry);
  else if (registry?.state === 'proxy_auth_failed') add('proxy_auth_failed', registry.problem);
  else if (registry !== null && registry.state !== 'answers') add('registry_unreachable', registry.registry);

  if (report.udp === 'works') {
    add('udp_works');
    for (const name of silentBeacons(report)) add('beacon_silent', name);
  } else if (report.udp === 'blocked' && !isCutOff) {
    if (registry?.state === 'answers') add('udp_blocked');
    else for (const name of silentBeacons(report)) add('beacon_silent', name);
  }
  if (report.ipv6.state === 'broken') add('ipv6_broken');

  const refused = carrier?.problem === 'proxy_auth_failed';
  if (refused && registry?.state !== 'proxy_auth_failed') add('proxy_auth_failed', carrier.proxy);
  else if (carrier !== null && carrier.problem !== '' && !refused) add('carrier_failed', carrier.proxy);
  if (carrier?.in_use === 'compat') add('udp_over_stream');

  const { largest, needed } = report.packet;
  if (largest !== null && largest < needed) add('packets_too_large', `at most ${largest} of ${needed} bytes`);
  if (registry?.state === 'answers' && !registry.secure) add('registry_not_tls', registry.registry);
  const ahead = registry?.clock_ahead_ms ?? 0;
  if (Math.abs(ahead) > CLOCK_WRONG) add('clock_wrong', clockText(ahead));
  else if (Math.abs(ahead) > CLOCK_OFF) add('clock_off', clockText(ahead));

  const waiting = report.receive_buffer;
  if (waiting !== null && waiting < SMALL_BUFFER) add('small_buffers', `${Math.round(waiting / 1024)} KiB`);
  const { sealing, why } = report.acceleration;
  if (sealing === 'node' && why !== 'switched_off') add('not_accelerated');

  const isMapped = report.port_mapping !== null && report.port_mapping.external !== '';
  if (isMapped) add('port_mapped', report.port_mapping?.external);
  if (report.udp === 'works') {
    if (nat.name.startsWith('symmetric') && !isMapped) add('nat_symmetric');
    else if (nat.mapping === 'endpoint-independent' || isMapped) add('nat_easy', nat.name);
    else if (beacons.some(({ answers, surveys }) => answers && !surveys)) add('old_beacon');
  }
  return found
    .map(({ code, subject = '' }) => row(code, subject))
    .sort((a, b) => ORDER[a.level] - ORDER[b.level]);
}

const ORDER: Readonly<Record<FindingLevel, number>> = { problem: 0, note: 1, good: 2 };

function row(code: FindingCode, subject: string): FindingRow {
  const { level, meaning, help } = FINDINGS[code];
  return { code, level, meaning, subject, help: help === '' ? null : help };
}

/** Names of which no address answers; one that answers in one family only is a matter of that family. */
function silentBeacons({ beacons }: Measured): string[] {
  const names = [...new Set(beacons.map(({ beacon }) => beacon))];
  return names.filter((name) => !beacons.some(({ beacon, answers }) => beacon === name && answers));
}

function clockText(ahead: number): string {
  return `${(Math.abs(ahead) / 1000).toFixed(1)} s ${ahead > 0 ? 'ahead' : 'behind'}`;
}
