import { PilotError } from '../../api/errors.ts';
import type { Method } from '../../ipc/methods.ts';
import type { Abort } from '../../runtime/ports.ts';
import type { CallContext, Given, Handler } from './context.ts';
import { DIAGNOSTIC_CALLS } from './diagnostics.ts';
import { IDENTITY_CALLS } from './identity.ts';
import { MESSAGE_CALLS } from './messages.ts';
import { NAME_CALLS } from './names.ts';
import { NETWORK_CALLS, networkCall } from './networks.ts';
import { PATH_CALLS } from './paths.ts';
import { TRUST_CALLS } from './trust.ts';

export type { CallContext } from './context.ts';

/** Every method that is not about a client's own streams. */
export type DaemonMethod = Exclude<
  Method,
  | 'hello'
  | 'dial'
  | 'listen'
  | 'unlisten'
  | 'close'
  | 'end_writing'
  | 'send_datagram'
  | 'listen_datagrams'
  | 'unlisten_datagrams'
  | 'messages_serve'
  | 'messages_release'
  | 'messages_watch'
  | 'messages_unwatch'
>;

const HANDLERS: { readonly [M in DaemonMethod]: Handler<M> } = {
  ...DIAGNOSTIC_CALLS,
  ...PATH_CALLS,
  ...MESSAGE_CALLS,
  ...NAME_CALLS,
  ...IDENTITY_CALLS,
  ...TRUST_CALLS,
  ...NETWORK_CALLS,
};

/** What users wait for and the registry answers. */
const NEED_REGISTRY: ReadonlySet<string> = new Set(
  [NAME_CALLS, IDENTITY_CALLS, TRUST_CALLS, NETWORK_CALLS].flatMap((calls) => Object.keys(calls)),
);

/** Errors: those of the method; `invalid_argument` for an unknown one. */
export async function answerCall(
  context: CallContext,
  method: string,
  params: Given,
  signal: Abort,
): Promise<object> {
  if (method === 'network' || NEED_REGISTRY.has(method)) context.registry.hurry();
  if (method === 'network') return networkCall(context, params);
  if (!Object.hasOwn(HANDLERS, method)) throw new PilotError('invalid_argument', `Unknown method: ${method}`);
  return HANDLERS[method as DaemonMethod](context, params, signal);
}
