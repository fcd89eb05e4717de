import { sourceOf } from '../source.ts';
import type { HostnameRelease, NodeRecord } from '../store/store.ts';
import type { Recorded } from './audit/recorded.ts';
import type { Call } from './call.ts';
import { refusal } from './refusal.ts';

/** When a holder that is away loses its name. Nobody counts as away in the first minutes after a start. */
export function hostnameRelease(call: Call): HostnameRelease {
  const { config, startedAt, clock } = call.shared;
  const justStarted = clock.now() - startedAt.monotonic < config.staleAfter;
  return {
    unprovenSeenBefore: justStarted ? 0 : call.at - config.staleAfter,
    anySeenBefore: call.at - config.hostnameHeld,
  };
}

/** Throws `rate_limited` for somebody who has lately asked for many names that others have. */
export function checkMayAskForName(call: Call): void {
  const { takenNames, clock } = call.shared;
  if (takenNames.has(sourceOf(call.remote.host), clock.now())) return;
  throw refusal('rate_limited', 'rate limited: too many hostnames that others have');
}

/** What somebody who wants a taken name is told. The holder's id only when anybody may see it. spec/10 §5.3 */
export function takenHostname(call: Call, hostname: string, holder: NodeRecord | undefined): string {
  call.shared.takenNames.spend(sourceOf(call.remote.host), call.shared.clock.now());
  const visible = holder !== undefined && (holder.public || !holder.proven);
  return `hostname "${hostname}" already in use${visible ? ` by node ${holder.id}` : ''}`;
}

/** The entry for a name that a node now has; a holder who lost it by that is the target. */
export function renamed(
  node: Pick<NodeRecord, 'id' | 'hostname'>,
  hostname: string,
  holder: NodeRecord | undefined,
): Recorded[] {
  if (node.hostname === hostname) return [];
  return [
    {
      action: 'hostname.changed',
      node: node.id,
      ...(holder === undefined || holder.id === node.id ? {} : { target: holder.id }),
      details: { hostname, before: node.hostname },
    },
  ];
}
