import type { TermsRow, TrustedRow } from '../../../sdk/index.ts';
import type { Host } from '../../host.ts';
import { describeEnd, describeGrant } from '../../terms.ts';

type WordsHost = Pick<Host, 'clock' | 'localTime'>;

/** Terms on one line. */
export function describeTerms(terms: TermsRow, host: WordsHost): string {
  const parts = [`gives ${describeGrant(terms.give)}`, `gets ${describeGrant(terms.get)}`];
  if (terms.not_after !== undefined) {
    parts.push(`ends ${describeEnd(terms.not_after, host.clock.wallNow())}${terms.renew ? ', renewed' : ''}`);
  }
  return parts.join('; ');
}

/** One line for each term that is not what it was. */
export function whatChanged(before: TermsRow, after: TermsRow, host: WordsHost): string[] {
  const wall = host.clock.wallNow();
  const changes = [
    ['gives', describeGrant(before.give), describeGrant(after.give)],
    ['gets', describeGrant(before.get), describeGrant(after.get)],
    ['ends', describeEnd(before.not_after, wall), describeEnd(after.not_after, wall)],
    ['renewed', before.renew ? 'yes' : 'no', after.renew ? 'yes' : 'no'],
  ] as const;
  return changes.filter(([, old, now]) => old !== now).map(([what, old, now]) => `${what}: ${old} -> ${now}`);
}

/** `user`, `rule data`. */
export function describeApprover(approvedBy: string): string {
  if (approvedBy.startsWith('auto:')) return `rule ${approvedBy.slice('auto:'.length)}`;
  return { mutual: 'both asked', peer: 'the peer', renewal: 'renewal' }[approvedBy] ?? approvedBy;
}

/** Name where there is one, else the id. */
export function nameOf({ hostname, node_id }: Pick<TrustedRow, 'hostname' | 'node_id'>): string {
  return hostname === '' ? String(node_id) : hostname;
}
