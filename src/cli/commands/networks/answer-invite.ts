import { type Command, defineCommand } from '../../command.ts';
import { NETWORK_ARG } from './values.ts';

function answerInvite(name: string, accept: boolean): Command {
  const own = accept ? 'network accept-invite' : 'network decline-invite';
  return defineCommand({
    name,
    group: 'Networks',
    summary: `${accept ? 'Accept' : 'Decline'} an invitation to a network`,
    ...(name !== own && { details: `The same as \`${own}\`.` }),
    args: { network: NETWORK_ARG },
    timeout: '30s',
    returns: '{network_id, accepted}',
    examples: [{ line: `pilotctl ${name} lab`, about: `${accept ? 'Join' : 'Do not join'} the network lab` }],
    async run(context, { args }) {
      const { networks } = await context.client();
      const answered = accept
        ? await networks.acceptInvite(args.network)
        : await networks.declineInvite(args.network);
      return {
        data: answered,
        human: `${accept ? 'accepted' : 'declined'} the invitation to network ${args.network}`,
      };
    },
  });
}

export const networkAcceptInvite = answerInvite('network accept-invite', true);
export const networkDeclineInvite = answerInvite('network decline-invite', false);
/** Names of spec/22 §2.10. */
export const networkAccept = answerInvite('network accept', true);
export const networkReject = answerInvite('network reject', false);
