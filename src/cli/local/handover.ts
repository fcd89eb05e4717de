import { PilotError } from '../../api/errors.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import type { Millis } from '../../base/units.ts';
import { holderOf } from '../background/run-file.ts';
import type { Context } from '../context.ts';
import type { Home } from '../home.ts';
import type { Host } from '../host.ts';
import { remembered } from './records.ts';

/** Held by the process that serves a store. */
export function storeLock(store: string): string {
  return `${store}/host.run`;
}

/** While it is fresh, daemons leave the store to the rendezvous that is about to serve it. */
function reservation(store: string): string {
  return `${store}/reserved`;
}

/** Longest time a rendezvous may take to start; a longer reservation is a wrong clock or nonsense, ms. */
const RESERVED: Millis = 60_000;

/** Keeps daemons from serving the store until the returned function is called, but not for long. */
async function reserve(host: Pick<Host, 'files' | 'clock'>, store: string): Promise<() => Promise<void>> {
  await host.files.replace(reservation(store), String(host.clock.wallNow() + RESERVED));
  return () => host.files.remove(reservation(store));
}

export async function isReserved(host: Pick<Host, 'files' | 'clock'>, store: string): Promise<boolean> {
  const bytes = await host.files.read(reservation(store), 64);
  if (bytes === undefined) return false;
  const left = Number(fromUtf8(bytes)) - host.clock.wallNow();
  return left > 0 && left <= RESERVED;
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
 * Has the daemons of this machine leave the store to this command, until the returned function is called.
 * Errors: `already_exists` when a rendezvous holds the store, `timeout`.
 */
export async function takeStore(context: Context, store: string): Promise<() => Promise<void>> {
  const { host } = context;
  const holder = await holderOf(host, storeLock(store));
  if (holder !== undefined && holder.facts.program !== 'daemon') {
    throw new PilotError(
      'already_exists',
      `A rendezvous with this store is already running (pid ${holder.pid})`,
      {
        hint: 'see: pilotctl rendezvous status, or choose another --store',
      },
    );
  }
  const giveBack = await reserve(host, store);
  try {
    if (holder !== undefined) await awaitRelease(context, store, holder.pid);
    return giveBack;
  } catch (error) {
    await giveBack();
    throw error;
  }
}

async function awaitRelease(context: Context, store: string, pid: number): Promise<void> {
  const { host, output } = context;
  output.note(`taking over the network of this machine from the daemon (pid ${pid})...`);
  host.processes.signal(pid, 'SIGUSR2');
  const until = host.clock.now() + PATIENCE;
  while ((await holderOf(host, storeLock(store))) !== undefined) {
    if (host.clock.now() > until) {
      throw new PilotError('timeout', `The daemon (pid ${pid}) does not let go of ${store}`, {
        hint: 'stop it first with: pilotctl daemon stop',
      });
    }
    await host.clock.sleep(POLL, context.signal);
  }
}
