import { type Cause, helpFor, type Verdict } from '../../api/causes.ts';
import { isCarrier } from '../../base/endpoint.ts';
import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import { isSymmetric } from '../nat/describe.ts';
import { isLocal } from '../nat/survey.ts';
import type { CandidateFacts, PathFacts } from './facts.ts';
import type { AboutPeer, OwnFacts } from './node-facts.ts';
import { sentenceFor } from './sentences.ts';
import { baseSize } from './sizes.ts';

/** Without a result for this long, first packets and the first attempt at a direct path count as under way. Chosen. */
export const UNDER_WAY: Millis = 5_000;
/** A direct path that ended this recently is being looked for again. Chosen: the first attempts take about that. */
const JUST_LOST: Millis = 15_000;

export interface Explanation {
  readonly verdict: Verdict;
  readonly cause: Cause;
  /** For people, without a final period. */
  readonly sentence: string;
  /** The one thing that would help; undefined when nothing is wrong. */
  readonly help: string | undefined;
  /** What else is true and worth knowing. */
  readonly remarks: readonly Cause[];
}

export interface ExplainInput {
  /** Name of the peer as its user knows it. */
  readonly peer: string;
  readonly own: OwnFacts;
  readonly about: AboutPeer;
  /** Undefined when there never was a tunnel. */
  readonly paths: PathFacts | undefined;
}

/** Says by which way a peer is reached, why not by a better one, and what would help. Total: any facts have an answer. */
export function explain(input: ExplainInput, now: Instant): Explanation {
  const { verdict, cause } = judge(input, now);
  return {
    verdict,
    cause,
    sentence: sentenceFor(cause, input, now),
    help: helpFor(cause, input.peer),
    remarks: remarks(input).filter((remark) => remark !== cause),
  };
}

interface Judgement {
  readonly verdict: Verdict;
  readonly cause: Cause;
}

function judge(input: ExplainInput, now: Instant): Judgement {
  const { about, paths } = input;
  if (about.relation === 'self') return { verdict: 'idle', cause: 'this_node' };
  const selected = paths?.established === true ? selectedOf(paths) : undefined;
  if (paths === undefined || selected === undefined) return unreached(input, now);
  if (selected.kind === 'relay')
    return { verdict: 'relayed', cause: whyRelayed(input, paths, selected, now) };
  return { verdict: 'direct', cause: selected.kind === 'lan' ? 'same_lan' : 'direct' };
}

/** First what settles the matter whatever the NATs do, then what passes by itself, then the NATs. */
function whyRelayed(input: ExplainInput, facts: PathFacts, selected: CandidateFacts, now: Instant): Cause {
  const { own, about } = input;
  if (own.relayOnly) return 'relay_only_here';
  if (own.streamsOnly) return 'streams_only_here';
  if (facts.own.translation === 'blocked' || isCarrier(selected.endpoint)) return 'udp_blocked_here';
  if (facts.peer?.translation === 'blocked') return 'udp_blocked_there';
  const direct = facts.candidates.filter(({ kind }) => kind !== 'relay');
  if (about.relayOnly && direct.length === 0) return 'relay_only_there';
  if (!shareFamily(own, direct)) return 'no_common_family';
  if (facts.firstDirectAt !== undefined && now - (facts.changedAt ?? now) < JUST_LOST) return 'direct_lost';
  if (isUnderWay(facts, now)) return 'punching';
  if (direct.some((one) => own.beacons.some(({ observed }) => observed?.host === one.endpoint.host)))
    return 'no_hairpin';
  const nats = natCause(facts);
  if (nats !== undefined) return nats;
  if (about.speaksPaths === false) return 'peer_old';
  if (direct.length === 0) return 'no_candidates';
  if (isSymmetric(facts.own)) return 'symmetric_here';
  if (facts.peer !== undefined && isSymmetric(facts.peer)) return 'symmetric_there';
  return 'no_direct_answer';
}

/** What leads out on our side meets an address of the peer that is good anywhere; local ones say nothing. */
function shareFamily(own: OwnFacts, direct: readonly CandidateFacts[]): boolean {
  // A beacon may name a place that the peer has left: what the peer says itself counts more.
  const current = direct.filter(({ origin }) => origin !== 'commanded');
  const hosts = (current.length > 0 ? current : direct).map(({ endpoint }) => endpoint.host);
  const outside = hosts.filter((host) => !isLocal(host));
  const told = outside.length > 0 ? outside : hosts;
  return told.length === 0 || told.some((host) => families(own).has(familyOf(host)));
}

function natCause({ own, peer }: PathFacts): Cause | undefined {
  if (peer === undefined) return undefined;
  if (isSymmetric(own) && isSymmetric(peer)) return 'both_symmetric';
  const [hard, easy] = isSymmetric(own) ? [own, peer] : [peer, own];
  const strict = easy.filtering === 'address-and-port-dependent';
  return isSymmetric(hard) && strict && easy.translation === 'nat'
    ? 'symmetric_vs_port_restricted'
    : undefined;
}

function isUnderWay(facts: PathFacts, now: Instant): boolean {
  if (facts.punch !== undefined) return facts.punch.outcome === 'running';
  return now - (facts.firstProvenAt ?? facts.startedAt ?? Number.NEGATIVE_INFINITY) < UNDER_WAY;
}

/** Nearest cause first: this machine, this node, the way out, the peer. */
function unreached({ own, about, paths }: ExplainInput, now: Instant): Judgement {
  const cause = (name: Cause): Judgement => ({ verdict: 'unreachable', cause: name });
  if (own.addresses.length === 0) return cause('no_network');
  const beaconless = !own.beacons.some(({ usable }) => usable);
  if (own.registry === 'unreachable' && beaconless) return cause(wayOut(own, paths) ?? 'offline');
  if (!own.registered)
    return cause(own.registry === 'unreachable' ? 'registry_unreachable' : 'not_registered');
  if (about.identityChanged) return cause('identity_changed');
  if (about.directory === 'refused') {
    return cause(about.relation === 'asked' ? 'trust_pending' : 'no_such_peer');
  }
  if (about.relation === 'asked') return cause('trust_pending');
  if (about.relation === 'none') return cause('not_trusted');
  if (paths?.startedAt === undefined) {
    const blind = own.registry === 'unreachable' && about.directory === 'unknown';
    return blind ? cause('registry_unreachable') : { verdict: 'idle', cause: 'idle' };
  }
  if (now - paths.startedAt < UNDER_WAY) return { verdict: 'connecting', cause: 'connecting' };
  if (beaconless) return cause(wayOut(own, paths) ?? 'no_beacon');
  if (own.registry === 'unreachable' && about.directory === 'unknown' && !paths.established)
    return cause('registry_unreachable');
  return cause(about.online === true ? 'peer_silent' : 'peer_offline');
}

function wayOut(own: OwnFacts, paths: PathFacts | undefined): Cause | undefined {
  if (own.carrierProblem !== undefined) return own.carrierProblem;
  return paths?.own.translation === 'blocked' ? 'udp_blocked_here' : undefined;
}

function remarks({ own, paths }: ExplainInput): Cause[] {
  const found: Cause[] = [];
  if (own.registry === 'unreachable') found.push('registry_unreachable');
  if (own.beacons.length > 0 && !own.beacons.some(({ usable }) => usable)) found.push('no_beacon');
  if (own.carrierProblem !== undefined) found.push(own.carrierProblem);
  if (paths?.own.translation === 'blocked') found.push('udp_blocked_here');
  const used = paths === undefined ? undefined : selectedOf(paths);
  if (used !== undefined && used.size < baseSize(used.kind === 'relay')) found.push('small_datagrams');
  const has6 = own.addresses.some((host) => isGlobal(host) && familyOf(host) === 'IPv6');
  if (has6 && !families(own).has('IPv6')) found.push('ipv6_broken');
  return found;
}

export function selectedOf(facts: PathFacts): CandidateFacts | undefined {
  return facts.candidates.find(({ selected }) => selected);
}

/** Families that lead out: we have an address, and beacons of the family do not all stay silent while others answer. */
function families({ addresses, beacons }: OwnFacts): ReadonlySet<'IPv4' | 'IPv6'> {
  const answering = beacons.filter(({ observed, usable }) => usable && observed !== undefined);
  const isBroken = (family: string): boolean =>
    answering.length > 0 &&
    beacons.some(({ endpoint }) => isOf(endpoint, family)) &&
    !answering.some(({ endpoint }) => isOf(endpoint, family));
  return new Set(
    addresses
      .filter(isGlobal)
      .map(familyOf)
      .filter((family) => !isBroken(family)),
  );
}

/** Link-local IPv6 addresses lead nowhere. */
function isGlobal(host: string): boolean {
  return !/^fe[89ab]/i.test(host);
}

function isOf(endpoint: Endpoint, family: string): boolean {
  return !isCarrier(endpoint) && familyOf(endpoint.host) === family;
}

export function familyOf(host: string): 'IPv4' | 'IPv6' {
  return host.includes(':') ? 'IPv6' : 'IPv4';
}
