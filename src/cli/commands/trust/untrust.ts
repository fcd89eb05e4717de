import { defineCommand } from '../../command.ts';
import { peer, text } from '../../values.ts';

export const untrust = defineCommand({
  name: 'untrust',
  group: 'Trust',
  summary: 'Withdraw trust from a peer',
  details:
    'Takes effect at once: open streams end, session keys are dropped, and peer and registry get a signed revocation, ' +
    'now or when they are back. New trust needs a new request and approval.',
  args: { peer: { value: peer, summary: 'hostname, address or node id' } },
  flags: { reason: { value: text, summary: 'told to the peer, and part of the revocation', fallback: '' } },
  timeout: '15s',
  returns: '{status: "revoked", node_id}',
  examples: [
    { line: 'pilotctl untrust node-b', about: 'No longer trust node-b' },
    { line: 'pilotctl untrust node-b --reason "laptop lost"', about: 'And say why' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const revoked = await client.untrust(args.peer, flags.reason);
    return { data: revoked, human: `no longer trusting node ${revoked.node_id}` };
  },
});
