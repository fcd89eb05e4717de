import { CAUSES, type Cause } from '../../api/causes.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Instant } from '../../base/units.ts';
import { UNKNOWN_NAT } from '../nat/behaviour.ts';
import { natName } from '../nat/describe.ts';
import type { ExplainInput } from './explain.ts';
import type { PathFacts } from './facts.ts';

/** The cause in one sentence with the names and times of this case. */
export function sentenceFor(cause: Cause, { peer, paths }: ExplainInput, now: Instant): string {
  const selected = paths?.candidates.find((one) => one.selected);
  switch (cause) {
    case 'same_lan':
    case 'direct': {
      const to = selected === undefined ? '' : ` at ${formatEndpoint(selected.endpoint)}`;
      const where = cause === 'same_lan' ? 'over the local network' : 'directly';
      return `Packets go ${where} to ${peer}${to}${howOpened(paths)}`;
    }
    case 'both_symmetric':
    case 'symmetric_vs_port_restricted':
      return `${CAUSES[cause].meaning} (here: ${natName(paths?.own ?? UNKNOWN_NAT)}; ${peer}: ${natName(paths?.peer ?? UNKNOWN_NAT)})`;
    case 'direct_lost':
      return `${CAUSES[cause].meaning} (for ${seconds(now - (paths?.changedAt ?? now))} now)`;
    case 'no_direct_answer': {
      const tried = paths?.candidates.filter(({ kind }) => kind !== 'relay') ?? [];
      const probes = tried.reduce((sum, one) => sum + one.probes, 0);
      return `${CAUSES[cause].meaning} (${count(tried.length, 'address', 'addresses')} of ${peer} tried with ${count(probes, 'packet', 'packets')})`;
    }
    case 'connecting':
      return `${CAUSES[cause].meaning} to ${peer}, for ${seconds(now - (paths?.startedAt ?? now))} now`;
    default:
      return CAUSES[cause].meaning.replace(/^The peer\b/, () => peer).replace(/\bthe peer\b/, () => peer);
  }
}

function howOpened(paths: PathFacts | undefined): string {
  const punch = paths?.punch;
  if (punch?.outcome !== 'direct') return '';
  if (punch.strategy === 'simple') return ', opened by a punch';
  return punch.strategy === 'birthday' ? ', opened by trying many ports' : ', opened by predicting the port';
}

function count(amount: number, one: string, many: string): string {
  return `${amount} ${amount === 1 ? one : many}`;
}

function seconds(millis: number): string {
  return `${Math.max(0, Math.round(millis / 1000))} s`;
}
