import { PilotError } from '../api/errors.ts';
import type { MessageBackend } from './backend.ts';
import type { Result } from './methods.ts';
import { intParam } from './params.ts';
import type { ClientSession } from './session.ts';

/** Local port of the streams that carry copies of watched messages: nobody can listen there. */
export const WATCH_PORT = 0;
/** Nodes one client may wait for. Chosen. */
const WATCH_LIMIT = 4096;

const METHODS = ['messages_serve', 'messages_release', 'messages_watch', 'messages_unwatch'] as const;
type MessageMethod = (typeof METHODS)[number];

export function isMessageMethod(method: string): method is MessageMethod {
  return (METHODS as readonly string[]).includes(method);
}

/** The calls by which one client takes messages of the node. docs/decisions/0015 */
export async function messageCall(
  session: ClientSession,
  method: MessageMethod,
  params: Readonly<Record<string, unknown>>,
): Promise<object> {
  const messages = session.backend.messages;
  if (messages === undefined) {
    throw new PilotError('unavailable', 'This daemon takes no messages: the data exchange service is off');
  }
  if (!session.extended) throw new PilotError('invalid_argument', `Say hello before ${method}`);
  switch (method) {
    case 'messages_serve': {
      const served = messages.serve((stream) => session.accept(served.port, stream));
      session.claim('serve', served);
      return { port: served.port };
    }
    case 'messages_release':
      session.release('serve');
      return { port: 0 };
    case 'messages_watch':
      return watch(session, messages, nodeOf(params));
    case 'messages_unwatch': {
      const node = nodeOf(params);
      session.release(`watch ${node}`);
      return { node_id: node };
    }
    default:
      throw new PilotError('invalid_argument', `Unknown method: ${method satisfies never}`);
  }
}

async function watch(
  session: ClientSession,
  messages: MessageBackend,
  node: number,
): Promise<Result<'messages_watch'>> {
  if (session.claims.size >= WATCH_LIMIT) {
    throw new PilotError('unavailable', `This program waits for ${WATCH_LIMIT} nodes already`);
  }
  const key = `watch ${node}`;
  session.release(key);
  const watched = await messages.watch(node, (stream) => session.accept(WATCH_PORT, stream));
  session.release(key);
  session.claim(key, watched);
  return { known: watched.isKnown, echoes: watched.echoes };
}

function nodeOf(params: Readonly<Record<string, unknown>>): number {
  return intParam(params, 'node_id', 1, 0xffff_ffff);
}
