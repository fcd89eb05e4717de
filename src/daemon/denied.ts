import { PilotError } from '../api/errors.ts';
import type { Address, Port } from '../base/units.ts';
import type { Denial } from '../core/node-types.ts';
import { formatAddress } from '../wire/address.ts';

/** What our own rules don't let out, with the command that helps. `what` is such as `connect`. */
export function denied(what: string, to: Address, port: Port, denial: Denial): PilotError {
  const failed = `Cannot ${what} to ${formatAddress(to)} port ${port}`;
  const { node, network } = to;
  switch (denial) {
    case 'untrusted':
      return new PilotError('untrusted', `${failed}: no mutual trust`, {
        hint: `ask for trust with: pilotctl handshake ${node}`,
      });
    case 'scope':
      return new PilotError('scope_denied', `${failed}: the trust with this node does not cover the port`, {
        hint: `see what is granted: pilotctl trust show ${node}; ask for more: pilotctl handshake ${node} --get ${port}`,
      });
    case 'rate':
      return new PilotError('rate_limited', `${failed}: the trust allows no more streams in this minute`, {
        hint: `wait a minute, or see: pilotctl trust show ${node}`,
      });
    case 'not_member':
      return new PilotError('policy_denied', `${failed}: both nodes have to be members of the network`, {
        hint: `see: pilotctl network members ${network}`,
      });
    case 'policy':
      return new PilotError('policy_denied', `${failed}: the policy of the network does not allow it`, {
        hint:
          network === 0
            ? 'see the networks you share: pilotctl network list'
            : `see the policy: pilotctl network policy ${network}`,
      });
    default:
      return denial satisfies never;
  }
}
