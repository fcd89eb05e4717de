import type { Acceleration } from '../../api/acceleration.ts';
import { formatEndpoint, parseHostPort } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../../base/units.ts';
import type { NatBehaviour } from '../../core/nat/behaviour.ts';
import { natName } from '../../core/nat/describe.ts';
import type { BeaconFacts } from '../../core/path/node-facts.ts';
import type {
  BeaconRow,
  CarrierRow,
  FamilyRow,
  MappingRow,
  NatRow,
  NetcheckReport,
} from '../../ipc/methods.ts';
import type { Abort, Clock, Net } from '../../runtime/ports.ts';
import { addressesOf, type Probed, type ProbedBeacon, probeBeacons } from './beacon-probe.ts';
import { findingsOf } from './findings.ts';
import { NEEDED_SIZE } from './packet-sizes.ts';
import { type ProbedRegistry, probeRegistry } from './registry-probe.ts';

/** Where an old registry, which announces no beacon, has one. spec/22 §3 */
const BEACON_PORT = 9001;

/** What only a running daemon knows. */
export interface LiveFacts {
  /** Of the tunnel's own socket. */
  readonly nat: NatBehaviour;
  readonly endpoint: Endpoint | undefined;
  readonly beacons: readonly BeaconFacts[];
  readonly mapping: MappingRow | null;
  readonly carrier: CarrierRow | null;
}

export interface NetcheckInput {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Endpoint | undefined;
  readonly tls: { readonly fingerprint?: string } | undefined;
  /** Names or addresses; empty: those that the registry announces. */
  readonly beacons: readonly Endpoint[];
  readonly acceleration: Acceleration;
  readonly live?: LiveFacts;
}

/** Measures how the network treats this machine. Never fails but by the signal. */
export async function netcheck(input: NetcheckInput, signal: Abort): Promise<NetcheckReport> {
  const { net, clock, registry, live } = input;
  const started = clock.now();
  const asked = registry === undefined ? undefined : await probeRegistry(input, registry, input.tls, signal);
  const beacons = await addressesOf(net, beaconsOf(input, asked));
  const probed = await probeBeacons(input, beacons, signal);
  const nat = natOf(probed, live);
  const measured = {
    daemon: live !== undefined,
    udp: udpState(probed, live),
    nat,
    endpoint: endpointOf(probed, live),
    ...familiesOf(net, probed.beacons),
    beacons: probed.beacons.map(beaconRow),
    registry: asked?.row ?? null,
    port_mapping: live?.mapping ?? null,
    carrier: live?.carrier ?? null,
    acceleration: input.acceleration,
    receive_buffer: probed.receiveBuffer ?? null,
    packet: { largest: probed.largest ?? null, needed: NEEDED_SIZE, whole: probed.whole },
  };
  return { ...measured, took_ms: Math.round(clock.now() - started), findings: findingsOf(measured) };
}

/** Of a wildcard host the registry means its own. */
function beaconsOf({ beacons, registry }: NetcheckInput, asked: ProbedRegistry | undefined): Endpoint[] {
  if (beacons.length > 0) return [...beacons];
  if (registry === undefined) return [];
  const announced = (asked?.beacons ?? []).flatMap((text) => {
    const found = parseHostPort(text.startsWith(':') ? `0.0.0.0${text}` : text);
    if (found === undefined || found.port === 0) return [];
    const isWildcard = found.host === '0.0.0.0' || found.host === '::';
    return [isWildcard ? { ...found, host: registry.host } : found];
  });
  return announced.length > 0 ? announced : [{ host: registry.host, port: BEACON_PORT }];
}

function udpState(probed: Probed, live: LiveFacts | undefined): NetcheckReport['udp'] {
  if (probed.beacons.some(({ observed }) => observed !== undefined)) return 'works';
  if (live?.beacons.some(({ usable, observed }) => usable && observed !== undefined)) return 'works';
  return probed.beacons.length === 0 ? 'untested' : 'blocked';
}

/** The tunnel's own socket has been watched for longer. */
function natOf(probed: Probed, live: LiveFacts | undefined): NatRow {
  const isKnown = live?.nat.translation === 'blocked' || (live && live.nat.mapping !== 'unknown');
  const nat = live !== undefined && isKnown ? live.nat : probed.nat;
  return { name: natName(nat), ...nat };
}

function endpointOf(probed: Probed, live: LiveFacts | undefined): string {
  const seen = live?.endpoint ?? probed.beacons.find(({ observed }) => observed !== undefined)?.observed;
  return seen === undefined ? '' : formatEndpoint(seen);
}

function beaconRow({ name, endpoint, rtt, observed, surveys }: ProbedBeacon): BeaconRow {
  return {
    beacon: name,
    address: formatEndpoint(endpoint),
    family: familyOf(endpoint.host),
    answers: observed !== undefined,
    rtt_ms: rtt === undefined ? null : Math.round(rtt * 100) / 100,
    observed: observed === undefined ? '' : formatEndpoint(observed),
    surveys,
  };
}

function familiesOf(net: Net, beacons: readonly ProbedBeacon[]): { ipv4: FamilyRow; ipv6: FamilyRow } {
  const own = net.localAddresses().filter((host) => !/^fe[89ab]/i.test(host));
  const state = (family: 'IPv4' | 'IPv6'): FamilyRow => {
    const addresses = own.filter((host) => familyOf(host) === family);
    const asked = beacons.filter(({ endpoint }) => familyOf(endpoint.host) === family);
    const works = asked.some(({ observed }) => observed !== undefined);
    if (works) return { state: 'works', addresses };
    if (addresses.length === 0) return { state: 'none', addresses };
    // Broken is what fails while the other family works.
    const others = beacons.some(({ observed }) => observed !== undefined);
    return { state: asked.length > 0 && others ? 'broken' : 'untested', addresses };
  };
  return { ipv4: state('IPv4'), ipv6: state('IPv6') };
}

function familyOf(host: string): 'IPv4' | 'IPv6' {
  return host.includes(':') ? 'IPv6' : 'IPv4';
}
