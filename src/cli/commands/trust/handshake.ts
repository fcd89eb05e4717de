import { PilotError } from '../../../api/errors.ts';
import type { HandshakeResult } from '../../../sdk/index.ts';
import { defineCommand, type Result } from '../../command.ts';
import type { Context } from '../../context.ts';
import { TERMS_FLAGS, termsOf } from '../../terms.ts';
import { peer, text } from '../../values.ts';
import { describeTerms, whatChanged } from './words.ts';

export const handshake = defineCommand({
  name: 'handshake',
  group: 'Trust',
  summary: 'Ask a peer for mutual trust, or for other terms of it',
  details:
    'Nothing becomes trusted until the other side approves, or has asked on its own. A private node can be asked by ' +
    'name; whether the name exists is not told to strangers. Ports may be named: echo, messages, text, events. Asked ' +
    'again of a trusted peer, less than what holds takes effect here at once; more waits for the peer.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    justification: { value: text, summary: 'shown to the peer with the request', fallback: '' },
  },
  flags: {
    ...TERMS_FLAGS,
    reason: { value: text, summary: 'the same as the second argument' },
    wait: { summary: 'wait until the peer has approved (up to --timeout)' },
  },
  timeout: '30s',
  returns:
    '{status: "sent" | "approved" | "already_trusted" | "narrowed", node_id?, hostname?, terms?, before?}; terms are {give, get, not_after?, renew}',
  examples: [
    { line: 'pilotctl handshake node-b "let us work together"', about: 'Ask node-b' },
    {
      line: 'pilotctl handshake node-b --ports 80,messages --expires 24h --reason "index run"',
      about: 'For a day, and two ports only',
    },
    { line: 'pilotctl handshake node-b --give none --get 80', about: 'Reach a web server, offer nothing' },
    {
      line: 'pilotctl handshake 0:0000.0000.0002 --wait --timeout 10m',
      about: 'Ask, and wait for the answer',
    },
  ],
  async run(context, { args, flags }) {
    if (args.justification !== '' && flags.reason !== undefined && flags.reason !== args.justification) {
      throw new PilotError('invalid_argument', 'The reason is given twice: as an argument and as --reason', {
        hint: 'give it once',
      });
    }
    const client = await context.client();
    const terms = termsOf(flags);
    const reason = flags.reason ?? args.justification;
    const asked = await client.handshake(args.peer, reason, { terms, signal: context.signal });
    const node = asked.node_id === undefined ? `"${args.peer}"` : `node ${asked.node_id}`;
    if (asked.status === 'narrowed') return narrowed(context, asked, node);
    if (asked.status === 'already_trusted') {
      const { terms: now, before } = asked;
      const holds = now === undefined ? '' : ` (${describeTerms(now, context.host)})`;
      const changes = now === undefined || before === undefined ? [] : whatChanged(before, now, context.host);
      return {
        data: asked,
        human: [
          `${node} is trusted already${holds}`,
          ...changes.map((change) => `  ${change}`),
          `try: pilotctl ping ${args.peer}`,
        ].join('\n'),
      };
    }
    const approved = {
      data: { ...asked, status: 'approved' },
      human: `trust established with ${node}\ntry: pilotctl ping ${args.peer}`,
    };
    if (asked.status === 'approved') return approved;
    const change = asked.before !== undefined;
    if (flags.wait && !change) {
      context.output.note(`handshake request sent to ${node}; waiting for its approval...`);
      const patience = context.stepTimeout.timeout ?? 30_000;
      const { trusted, node_id } = await client.waitForTrust(args.peer, patience, context.signal);
      if (trusted) return { ...approved, data: { ...approved.data, node_id } };
      throw new PilotError('timeout', `${node} has not approved yet; the request stays open`, {
        hint: 'see later with: pilotctl trust',
      });
    }
    const { hostname, address } = await client.info();
    const ownName = hostname === '' ? address : hostname;
    return {
      data: asked,
      human: [
        change
          ? `asked ${node} for other terms; what holds today goes on`
          : `handshake request sent to ${node}`,
        `next: there, run: pilotctl approve ${ownName}`,
        change ? `check: pilotctl trust show ${args.peer}` : 'check: pilotctl trust',
      ].join('\n'),
    };
  },
});

function narrowed({ host }: Context, asked: HandshakeResult, node: string): Result {
  const { before, terms } = asked;
  const changes = before === undefined || terms === undefined ? [] : whatChanged(before, terms, host);
  return {
    data: asked,
    human: [
      `narrowed the trust in ${node}; it holds here from now on, and the peer need not approve`,
      ...changes.map((change) => `  ${change}`),
    ].join('\n'),
  };
}
