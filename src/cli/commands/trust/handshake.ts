import { PilotError } from '../../../api/errors.ts';
import { defineCommand } from '../../command.ts';
import { peer, text } from '../../values.ts';

export const handshake = defineCommand({
  name: 'handshake',
  group: 'Trust',
  summary: 'Ask a peer for mutual trust',
  details:
    'Nothing becomes trusted until the other side approves, or has asked on its own. A private node can be asked by ' +
    'name; whether the name exists is not told to strangers.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    justification: { value: text, summary: 'shown to the peer with the request', fallback: '' },
  },
  flags: { wait: { summary: 'wait until the peer has approved (up to --timeout)' } },
  timeout: '30s',
  returns: '{status: "sent" | "approved" | "already_trusted", node_id?, hostname?}',
  examples: [
    { line: 'pilotctl handshake node-b "let us work together"', about: 'Ask node-b' },
    {
      line: 'pilotctl handshake 0:0000.0000.0002 --wait --timeout 10m',
      about: 'Ask, and wait for the answer',
    },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const asked = await client.handshake(args.peer, args.justification, context.signal);
    const node = asked.node_id === undefined ? `"${args.peer}"` : `node ${asked.node_id}`;
    if (asked.status === 'already_trusted') {
      return { data: asked, human: `${node} is trusted already\ntry: pilotctl ping ${args.peer}` };
    }
    const approved = {
      data: { ...asked, status: 'approved' },
      human: `trust established with ${node}\ntry: pilotctl ping ${args.peer}`,
    };
    if (asked.status === 'approved') return approved;
    if (flags.wait) {
      context.output.note(`handshake request sent to ${node}; waiting for its approval...`);
      const patience = context.stepTimeout.timeout ?? 30_000;
      const { trusted, node_id } = await client.waitForTrust(args.peer, patience, context.signal);
      if (trusted) return { ...approved, data: { ...approved.data, node_id } };
      throw new PilotError('timeout', `${node} has not approved yet; the request stays open`, {
        hint: 'see later with: pilotctl trust',
      });
    }
    return {
      data: asked,
      human: [
        `handshake request sent to ${node}`,
        `next: there, run: pilotctl approve ${await ownName(client)}`,
        'check: pilotctl trust',
      ].join('\n'),
    };
  },
});

async function ownName(client: { info(): Promise<{ hostname: string; address: string }> }): Promise<string> {
  const { hostname, address } = await client.info();
  return hostname === '' ? address : hostname;
}
