import { PilotError } from '../../api/errors.ts';
import type { Instant } from '../../base/units.ts';
import type { PilotNode } from '../../core/node.ts';
import type { Method, Result } from '../../ipc/methods.ts';
import type { Abort, Clock } from '../../runtime/ports.ts';
import type { Explanations } from '../explanations.ts';
import type { Identities } from '../identities.ts';
import type { MessageDesk } from '../message-desk.ts';
import type { Networks } from '../networks.ts';
import type { OwnState } from '../own-state.ts';
import type { PeerBook } from '../peer-book.ts';
import type { Pings } from '../pings.ts';
import type { RegistryClient } from '../registry-client.ts';
import type { StreamTable } from '../streams.ts';
import type { Targets } from '../targets.ts';
import type { TrustEffects } from '../trust-effects.ts';

/** What the calls work with. */
export interface CallContext {
  readonly version: string;
  readonly own: OwnState;
  readonly node: PilotNode;
  readonly clock: Clock;
  readonly registry: RegistryClient;
  readonly identities: Identities;
  readonly targets: Targets;
  readonly networks: Networks;
  readonly book: PeerBook;
  readonly streams: StreamTable;
  readonly messages: MessageDesk;
  readonly pings: Pings;
  readonly explanations: Explanations;
  readonly trustEffects: TrustEffects;
  run(mutation: () => void): void;
  info(): Result<'info'>;
  metrics(): Result<'metrics'>['metrics'];
  /** Stays out of the registry from now on. */
  withdraw(): void;
  /** Calls back when trust in anybody changed, until cancelled. */
  onTrustChange(receiver: () => void): () => void;
}

/** Parameters as they came; read them with `ipc/params.ts`. */
export type Given = Readonly<Record<string, unknown>>;

export type Handler<M extends Method> = (
  context: CallContext,
  params: Given,
  signal: Abort,
) => Promise<Result<M>>;

/** The handlers of a group of methods. */
export type Handlers<Group> = { readonly [M in Extract<keyof Group, Method>]: Handler<M> };

/** Runs one command of the node and hands its result, or what it throws, to the caller. */
export function decide<Value>(context: CallContext, command: (now: Instant) => Value): Value {
  let outcome: { readonly value: Value } | { readonly thrown: unknown } | undefined;
  context.run(() => {
    try {
      outcome = { value: command(context.clock.now()) };
    } catch (thrown) {
      outcome = { thrown };
    }
  });
  if (outcome === undefined) throw new PilotError('unavailable', 'The daemon is stopping');
  if ('thrown' in outcome) throw outcome.thrown;
  return outcome.value;
}

/** A decision about trust is only reported once it is on disk. Errors: `disk_full`, `io_error`. */
export async function saved(context: CallContext): Promise<void> {
  try {
    await context.trustEffects.saved();
  } catch (thrown) {
    const error = thrown as PilotError;
    throw new PilotError(error.code, `The decision holds for now but could not be saved: ${error.message}`, {
      cause: error,
    });
  }
}
