import type { HostnameRelease, NodeRecord } from '../store/store.ts';
import type { Call } from './call.ts';

/** When a holder that is away loses its name. Nobody counts as away in the first minutes after a start. */
export function hostnameRelease(call: Call): HostnameRelease {
  const { config, startedAt } = call.shared;
  const justStarted = call.at - startedAt < config.staleAfter;
  return {
    unprovenSeenBefore: justStarted ? 0 : call.at - config.staleAfter,
    anySeenBefore: call.at - config.hostnameHeld,
  };
}

/** What somebody who wants a taken name is told. The holder's id only when anybody may see it. spec/10 §5.3 */
export function takenHostname(hostname: string, holder: NodeRecord | undefined): string {
  const visible = holder !== undefined && (holder.public || !holder.proven);
  return `hostname "${hostname}" already in use${visible ? ` by node ${holder.id}` : ''}`;
}
