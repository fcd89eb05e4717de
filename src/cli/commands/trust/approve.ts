import { defineCommand } from '../../command.ts';
import { TERMS_FLAGS, termsOf } from '../../terms.ts';
import { peer } from '../../values.ts';
import { notAsked } from './not-asked.ts';
import { describeTerms, whatChanged } from './words.ts';

export const approve = defineCommand({
  name: 'approve',
  group: 'Trust',
  summary: 'Grant a pending request for trust',
  details:
    'Without flags everything that is asked is granted; see it with `pilotctl pending`. Flags grant less: what holds ' +
    'then is what was asked and what is granted here. Of a trusted peer that asks for nothing, less than what holds ' +
    'takes effect at once.',
  args: { peer: { value: peer, summary: 'hostname, address or node id that asked' } },
  flags: TERMS_FLAGS,
  timeout: '15s',
  returns: '{status: "approved" | "narrowed", node_id, terms: {give, get, not_after?, renew}, before?}',
  examples: [
    { line: 'pilotctl approve node-a', about: 'Trust node-a, which has asked' },
    { line: 'pilotctl approve node-a --ports messages --expires 7d', about: 'Messages only, for a week' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const approved = await client.approve(args.peer, termsOf(flags)).catch(notAsked);
    const { terms, before } = approved;
    const changes = before === undefined ? [] : whatChanged(before, terms, context.host);
    return {
      data: approved,
      human: [
        approved.status === 'narrowed'
          ? `narrowed the trust in node ${approved.node_id}; the peer need not approve`
          : `${before === undefined ? 'trust established' : 'trust changed'} with node ${approved.node_id}`,
        describeTerms(terms, context.host),
        ...changes.map((change) => `  ${change}`),
        `try: pilotctl ping ${args.peer}`,
      ].join('\n'),
    };
  },
});
