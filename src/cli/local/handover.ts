import { PilotError } from '../../api/errors.ts';
import { holderOf } from '../background/run-file.ts';
import type { Context } from '../context.ts';
import type { Home } from '../home.ts';
import type { Host } from '../host.ts';
import { remembered } from './records.ts';

/** Held by the process that serves a store. */
export function storeLock(store: string): string {
  return `${store}/host.run`;
}

/** True when the store is there and this user may serve it. */
export async function mayServe(host: Pick<Host, 'files' | 'processes'>, store: string): Promise<boolean> {
  if (store === '') return false;
  const info = await host.files.info(store).catch(() => undefined);
  return info?.kind === 'directory' && info.owner === host.processes.user;
}

/** The store of the network the daemons of this machine have, when this user may serve it. */
export async function localStore(host: Host, home: Home): Promise<string | undefined> {
  const network = await remembered(host, home);
  return network !== undefined && (await mayServe(host, network.store)) ? network.store : undefined;
}

/** How long a daemon may take to let go of the store, ms. */
const PATIENCE = 5000;
const POLL = 50;

/**
 * When a daemon hosts the store for this machine, has it step back in favour of this command.
 * Errors: `already_exists` when a rendezvous holds the store, `timeout`.
 */
export async function askToRelease(context: Context, store: string): Promise<void> {
  const { host, output } = context;
  const holder = await holderOf(host, storeLock(store));
  if (holder === undefined) return;
  if (holder.facts.program !== 'daemon') {
    throw new PilotError(
      'already_exists',
      `A rendezvous with this store is already running (pid ${holder.pid})`,
      {
        hint: 'see: pilotctl rendezvous status, or choose another --store',
      },
    );
  }
  output.note(`taking over the network of this machine from the daemon (pid ${holder.pid})...`);
  host.processes.signal(holder.pid, 'SIGUSR2');
  const until = host.clock.now() + PATIENCE;
  while ((await holderOf(host, storeLock(store))) !== undefined) {
    if (host.clock.now() > until) {
      throw new PilotError('timeout', `The daemon (pid ${holder.pid}) does not let go of ${store}`, {
        hint: 'stop it first with: pilotctl daemon stop',
      });
    }
    await host.clock.sleep(POLL, context.signal);
  }
}
