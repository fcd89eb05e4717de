import { asPilotError } from '../../../api/errors.ts';
import type { BeaconRow, FamilyRow, FindingRow, NetcheckReport } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import { pinnedKey } from '../../config/pins.ts';
import { netOf } from '../../config/proxies.ts';
import type { Context } from '../../context.ts';
import { remembered } from '../../local/records.ts';
import { formatFields, formatMillis, formatSpan, formatTable, printable } from '../../text.ts';
import { accelerationText } from './acceleration.ts';
import { natText } from './why.ts';

export const netcheck = defineCommand({
  name: 'netcheck',
  group: 'Diagnostics',
  summary: 'Check how the network treats this node: UDP, NAT, IPv6, beacons, registry, clock, packet size',
  details:
    'Takes about four seconds. Works without a daemon too; then it knows nothing of port mapping and proxies. What it can ' +
    'find: docs/connectivity.md.',
  timeout: '30s',
  returns:
    '{daemon, took_ms, udp, nat: {name, translation, mapping, filtering, allocation, step}, endpoint, ipv4: {state, addresses}, ipv6, beacons: [{beacon, address, family, answers, rtt_ms, observed, surveys}], registry: {registry, state, secure, connect_ms, rtt_ms, clock_ahead_ms, problem}, port_mapping: {mode, method, external, gateway, problem}, carrier: {transport, in_use, proxy, problem, detail}, acceleration: {sealing, udp, why}, receive_buffer, packet: {largest, needed, whole}, findings: [{code, level, meaning, subject, help}]}',
  examples: [
    { line: 'pilotctl netcheck', about: 'Does UDP get out, and what kind of NAT is in front of this node?' },
    { line: 'pilotctl netcheck --json', about: 'The same for a program: match on data.findings[].code' },
  ],
  async run(context) {
    context.output.note('asking registry and beacons, a few seconds...');
    const data = await measure(context);
    return { data, human: report(data) };
  },
});

/** By the daemon where there is one: it knows its own socket, its router and its proxy. */
async function measure(context: Context): Promise<NetcheckReport> {
  try {
    const client = await context.client();
    return await client.netcheck(context.signal);
  } catch (thrown) {
    if (asPilotError(thrown).code !== 'not_running') throw thrown;
  }
  const resolved = await context.settings();
  const { registry, registry_tls, beacon, accelerator } = resolved.settings;
  const { host, home } = context;
  const local = registry === undefined ? await remembered(host, home) : undefined;
  const fingerprint = local?.fingerprint ?? (await pinnedKey(context, resolved));
  return host.netcheck(
    {
      net: netOf(host, resolved.settings),
      registry: registry ?? local?.registry,
      tls: registry_tls ? { ...(fingerprint !== undefined && { fingerprint }) } : undefined,
      acceleration: host.acceleration(accelerator),
      beacons: beacon !== undefined ? [beacon] : local === undefined ? [] : [local.beacon],
    },
    context.signal,
  );
}

function report(check: NetcheckReport): string {
  const by = check.daemon ? 'by its daemon' : 'while its daemon is down';
  return [
    `Network of this node, measured ${by} in ${formatSpan(check.took_ms)}`,
    '',
    formatFields(rows(check), '  '),
    ...(check.beacons.length === 0 ? [] : ['', indented(beaconTable(check.beacons))]),
    '',
    ...check.findings.flatMap(findingLines),
  ].join('\n');
}

function rows(check: NetcheckReport): [string, string | undefined][] {
  return [
    ['UDP', UDP[check.udp]],
    ['NAT', natText(check.nat)],
    ['Seen as', check.endpoint === '' ? undefined : check.endpoint],
    ['IPv4', familyText(check.ipv4)],
    ['IPv6', familyText(check.ipv6)],
    ['Port mapping', mappingText(check)],
    ['Carrier', carrierText(check)],
    ['Packets', packetText(check)],
    ['Accelerator', accelerationText(check.acceleration)],
    ['Registry', registryText(check)],
    ['Clock', clockText(check)],
  ];
}

const UDP: Readonly<Record<NetcheckReport['udp'], string>> = {
  works: 'gets through',
  blocked: 'no beacon answers',
  untested: 'not tested: no beacon is known',
};

const FAMILIES: Readonly<Record<FamilyRow['state'], string>> = {
  works: 'works',
  broken: 'broken: no beacon answers',
  untested: 'not proven: no beacon of this family answers',
  none: 'none',
};

function familyText({ state, addresses }: FamilyRow): string {
  return addresses.length === 0 ? FAMILIES[state] : `${FAMILIES[state]} (${addresses.join(', ')})`;
}

function mappingText({ port_mapping: mapping }: NetcheckReport): string | undefined {
  if (mapping === null) return undefined;
  if (mapping.external !== '') return `${mapping.external} by ${mapping.method}, router ${mapping.gateway}`;
  if (mapping.mode === 'off') return 'switched off';
  return `none${mapping.problem === '' ? '' : `: ${printable(mapping.problem)}`}`;
}

function carrierText({ carrier }: NetcheckReport): string | undefined {
  if (carrier === null) return undefined;
  const used = { udp: 'UDP in use', compat: 'TCP 443 in use', none: 'none works' }[carrier.in_use];
  const proxy = carrier.proxy === '' ? '' : `, proxy ${printable(carrier.proxy)}`;
  const detail = carrier.detail === '' ? '' : `: ${printable(carrier.detail)}`;
  return `${used} (${carrier.transport})${proxy}${detail}`;
}

function packetText({ packet: { largest, needed } }: NetcheckReport): string | undefined {
  return largest === null ? undefined : `up to ${largest} bytes arrive, ${needed} are needed`;
}

function registryText({ registry }: NetcheckReport): string {
  if (registry === null) return 'none configured';
  const { registry: name, state, secure, connect_ms, rtt_ms, problem } = registry;
  if (state === 'proxy_auth_failed') return `${name}: ${printable(problem)}`;
  if (state === 'fingerprint_mismatch') return `${name}: its key is not the one pinned`;
  if (state !== 'answers') return `${name}: ${printable(problem)}`;
  const times = [
    connect_ms === null ? undefined : `connected in ${formatMillis(connect_ms)}`,
    rtt_ms === null ? undefined : `answers in ${formatMillis(rtt_ms)}`,
  ].filter((part) => part !== undefined);
  return [name, secure ? 'TLS' : 'no TLS', ...times].join(', ');
}

function clockText({ registry }: NetcheckReport): string | undefined {
  const ahead = registry?.clock_ahead_ms;
  if (ahead === null || ahead === undefined) return undefined;
  if (Math.abs(ahead) < 1000) return 'as that of the registry';
  return `${formatSpan(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} that of the registry`;
}

function beaconTable(beacons: readonly BeaconRow[]): string {
  const best = (one: BeaconRow): number => one.rtt_ms ?? Number.POSITIVE_INFINITY;
  const rows = [...beacons]
    .sort((a, b) => best(a) - best(b))
    .map(({ beacon, address, answers, rtt_ms, observed }) => [
      beacon,
      address === beacon ? '' : address,
      answers ? 'answers' : 'silent',
      rtt_ms === null ? '' : formatMillis(rtt_ms),
      observed,
    ]);
  return formatTable(['BEACON', 'ADDRESS', 'UDP', 'RTT', 'SEES US AS'], rows);
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ');
}

const MARKS: Readonly<Record<FindingRow['level'], string>> = {
  problem: 'problem',
  note: 'note',
  good: 'good',
};

function findingLines({ level, meaning, subject, help }: FindingRow): string[] {
  const about = subject === '' ? '' : ` (${printable(subject)})`;
  const first = `${`${MARKS[level]}:`.padEnd(9)}${meaning}${about}`;
  return help === null ? [first] : [first, `${' '.repeat(9)}${help}`];
}
