import type { TermsRow } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import { describeEnd, describeGrant } from '../../terms.ts';
import { formatFields, printable } from '../../text.ts';
import { peer } from '../../values.ts';
import { describeApprover, describeTerms, nameOf } from './words.ts';

export const trustShow = defineCommand({
  name: 'trust show',
  group: 'Trust',
  summary: 'Show everything about the trust in one peer',
  args: { peer: { value: peer, summary: 'hostname, address or node id' } },
  timeout: '15s',
  returns:
    'as a row of `trust`, and {own_node_id, own_fingerprint, fingerprint, terms, peer_terms?, reason, not_before?, signatures?, certificate?, change?}',
  examples: [{ line: 'pilotctl trust show node-b', about: 'What may node-b reach here, and until when?' }],
  async run(context, { args }) {
    const client = await context.client();
    const shown = await client.trust.show(args.peer);
    const { host } = context;
    const time = (seconds: number | undefined): string | undefined =>
      seconds === undefined ? undefined : host.localTime(seconds * 1000);
    const expires = time(shown.expires_at);
    const said = (terms: TermsRow | undefined): string | undefined =>
      terms === undefined ? undefined : describeTerms(terms, host);
    const name = printable(nameOf(shown));
    const human = formatFields([
      ['Peer', `${name} (${shown.address})`],
      ['Kind', shown.kind],
      ['Gives', `${describeGrant(shown.gives)} (what ${name} may reach here)`],
      ['Gets', `${describeGrant(shown.gets)} (what this node may reach there)`],
      ['From', time(shown.not_before)],
      [
        'Expires',
        expires === undefined
          ? 'never'
          : `${expires}, ${describeEnd(shown.expires_at, host.clock.wallNow())}${shown.renew ? ', renewed before' : ''}`,
      ],
      ['Approved', `${time(shown.approved_at)}, by ${describeApprover(shown.approved_by)}`],
      ['Reason', shown.reason === '' ? undefined : printable(shown.reason)],
      ['Serial', shown.serial === 0 ? undefined : String(shown.serial)],
      ['Own terms', said(shown.terms)],
      ['Peer terms', said(shown.peer_terms)],
      [
        'Asked',
        shown.change === undefined
          ? undefined
          : `${shown.change.asked_by === 'us' ? 'by this node' : `by ${name}, answer with: pilotctl approve ${name}`}: ${said(shown.change.terms)}`,
      ],
      ['Own key', `${shown.own_fingerprint} (node ${shown.own_node_id})`],
      ['Peer key', `${shown.fingerprint} (node ${shown.node_id})`],
      ['Signatures', shown.signatures],
    ]);
    return { data: shown, human };
  },
});
