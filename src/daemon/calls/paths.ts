import { CAUSES } from '../../api/causes.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Instant, Millis } from '../../base/units.ts';
import type { NatBehaviour } from '../../core/nat/behaviour.ts';
import { natName } from '../../core/nat/describe.ts';
import type { CandidateFacts, PathFacts, PunchFacts } from '../../core/path/facts.ts';
import type { CandidateRow, NatRow, PathMethods, PunchRow, Result } from '../../ipc/methods.ts';
import { intParam, textParam } from '../../ipc/params.ts';
import type { Abort } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import type { CallContext, Given, Handlers } from './context.ts';

/** How long the outcome of a first contact is waited for. Chosen: relay, punch and its retries take less. */
const WAIT: Millis = 8_000;

/** How peers are reached, and why. */
export const PATH_CALLS: Handlers<PathMethods> = {
  why,
  netcheck: ({ explanations }, _params, signal) => explanations.netcheck(signal),
};

async function why(context: CallContext, params: Given, signal: Abort): Promise<Result<'why'>> {
  const { book, clock, explanations, node, targets } = context;
  const target = textParam(params, 'target');
  const wait = intParam(params, 'wait_ms', 0, 120_000, WAIT);
  const found = await targets.find(target, signal);
  if (found.network !== 0) await context.networks.expectMember(found.network, found.node);
  const { explanation, paths } = await explanations.of(found.node, target, wait, signal);
  const now = clock.now();
  const selected = paths?.established === true ? paths.candidates.find((one) => one.selected) : undefined;
  return {
    node_id: found.node,
    address: formatAddress({ network: found.network, node: found.node }),
    hostname: found.hostname === '' ? book.nameOf(found.node) : found.hostname,
    verdict: explanation.verdict,
    cause: explanation.cause,
    sentence: explanation.sentence,
    help: explanation.help ?? null,
    remarks: explanation.remarks.map((cause) => ({ cause, meaning: CAUSES[cause].meaning })),
    path: selected?.kind ?? '',
    endpoint: selected === undefined ? '' : formatEndpoint(selected.endpoint),
    rtt_ms: rounded(selected?.rtt),
    nat_here: natRow(node.nat()),
    nat_there: paths?.peer === undefined ? null : natRow(paths.peer),
    candidates: (paths?.candidates ?? []).map((one) => candidateRow(one, now)),
    punch: paths?.punch === undefined ? null : punchRow(paths.punch, now),
    reason: selected === undefined ? '' : (paths?.reason ?? ''),
    first_path_ms: since(paths, paths?.firstProvenAt),
    first_direct_ms: since(paths, paths?.firstDirectAt),
    changed_ago_ms: paths?.changedAt === undefined ? null : rounded(now - paths.changedAt),
  };
}

export function natRow(nat: NatBehaviour): NatRow {
  return { name: natName(nat), ...nat };
}

function candidateRow(one: CandidateFacts, now: Instant): CandidateRow {
  const { kind, origin, phase, selected, probes, provenAt, heardAt } = one;
  return {
    ...{ kind, endpoint: formatEndpoint(one.endpoint), origin, state: phase, selected, probes },
    proven_ago_ms: provenAt === undefined ? null : rounded(now - provenAt),
    heard_ago_ms: heardAt === undefined ? null : rounded(now - heardAt),
    rtt_ms: rounded(one.rtt),
    loss: one.loss ?? null,
    datagram_size: one.size,
    datagram_search: one.sizePhase,
  };
}

function punchRow({ strategy, outcome, at, packets, budget }: PunchFacts, now: Instant): PunchRow {
  return { strategy, outcome, ago_ms: Math.round(now - at), packets, budget };
}

function since(paths: PathFacts | undefined, at: Instant | undefined): number | null {
  return paths?.startedAt === undefined || at === undefined ? null : rounded(at - paths.startedAt);
}

function rounded(millis: Millis | undefined): number | null {
  return millis === undefined ? null : Math.max(0, Math.round(millis * 100) / 100);
}
