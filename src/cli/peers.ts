import { asPilotError, PilotError } from '../api/errors.ts';
import type { Address } from '../base/units.ts';
import { formatAddress } from '../wire/address.ts';
import type { Context } from './context.ts';

/** A peer as named on the command line, found. */
export interface FoundPeer {
  readonly text: string;
  readonly address: Address;
  /** Address as text. */
  readonly shown: string;
  /** Name and address for people. */
  readonly label: string;
}

/** Finds a peer by hostname, address or node id. Errors: `not_found` with a hint to ask for trust, `registry_unreachable`. */
export async function findPeer(context: Context, text: string): Promise<FoundPeer> {
  const client = await context.client();
  try {
    const address = await client.resolveTarget(text, context.signal);
    const shown = formatAddress(address);
    return { text, address, shown, label: shown === text ? shown : `${text} (${shown})` };
  } catch (thrown) {
    const error = asPilotError(thrown);
    if (error.code !== 'not_found') throw error;
    throw notFound(text, error);
  }
}

export function notFound(text: string, cause: PilotError): PilotError {
  return new PilotError(
    'not_found',
    `Cannot find "${text}": no such node, or it is private and does not trust this one`,
    {
      hint: `ask it for trust with: pilotctl handshake ${text} "reason"`,
      cause,
    },
  );
}
