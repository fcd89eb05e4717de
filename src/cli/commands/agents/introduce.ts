import { asPilotError, PilotError } from '../../../api/errors.ts';
import type { Millis } from '../../../base/units.ts';
import { DATA_EXCHANGE_PORT } from '../../../services/data-exchange/client.ts';
import type { Context } from '../../context.ts';
import { type FoundPeer, findPeer } from '../../peers.ts';

/** How long an agent that approves by itself may take. */
const PATIENCE: Millis = 10_000;

/**
 * Finds an agent; one that hides from strangers is asked for trust first: messages both ways, since older agents
 * answer with a message of their own, and nothing else. An agent that approves by rule answers at once. Errors: those of `findPeer`, `untrusted`.
 */
export async function findAgent(context: Context, text: string): Promise<FoundPeer> {
  const client = await context.client();
  try {
    const found = await findPeer(context, text);
    // An address is an address whoever has it; a name is told only to those who may know the node.
    if (found.shown !== text && !/^\d+$/.test(text)) return found;
    const isTrusted = (await client.trusted()).some((peer) => peer.node_id === found.address.node);
    if (isTrusted || found.address.network !== 0) return found;
    await client.lookup(text, context.signal);
    return found;
  } catch (thrown) {
    if (asPilotError(thrown).code !== 'not_found') throw thrown;
  }
  context.output.note(`asking "${text}" for trust first: messages, nothing else`);
  const messages = { ports: String(DATA_EXCHANGE_PORT) };
  const terms = { give: messages, get: messages };
  const { status } = await client.trust.handshake(text, 'to ask a question', {
    terms,
    signal: context.signal,
  });
  if (status === 'sent') {
    const patience = Math.min(PATIENCE, context.stepTimeout.timeout ?? PATIENCE);
    const { trusted } = await client.waitForTrust(text, patience, context.signal);
    if (!trusted) {
      throw new PilotError(
        'untrusted',
        `Cannot ask "${text}": it has not approved, or there is no such node`,
        {
          hint: 'the request stays open; see: pilotctl trust',
        },
      );
    }
  }
  return findPeer(context, text);
}
