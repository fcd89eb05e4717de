import { PilotError } from '../../../api/errors.ts';
import { claim, holderOf, isClaim } from '../../background/run-file.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { withRendezvous } from '../../local/control.ts';
import { storeLock } from '../../local/handover.ts';
import { formatSize } from '../../text.ts';
import { path } from '../../values.ts';

export const registryBackup = defineCommand({
  name: 'registry backup',
  group: 'Registry and beacon',
  summary: 'Copy the store and the TLS key of the registry of this machine, also while it runs',
  details:
    'For a store that is a directory. The copy has everything that was acknowledged before the command began, is checked, and appears as a whole or not at all. ' +
    'Requests are answered meanwhile. Whoever has it can be this registry: keep it as safe as the store.',
  flags: {
    to: { value: path, summary: 'directory to make; must not exist yet' },
    store: { value: path, summary: 'store of a registry that does not run; by default that of this home' },
  },
  timeout: '10m',
  returns: '{directory, nodes, networks, bytes, running}',
  examples: [
    { line: 'pilotctl registry backup --to /backup/registry-monday', about: 'Every night from cron, say' },
  ],
  async run(context, { flags }) {
    const { host } = context;
    if (flags.to === undefined) {
      throw new PilotError('invalid_argument', '--to is missing', { hint: 'give --to DIRECTORY' });
    }
    const to = host.absolute(flags.to);
    if ((await host.files.info(to)) !== undefined) {
      throw new PilotError('already_exists', `${to} exists already`, { hint: 'choose another directory' });
    }
    // Beside it, so that a rename is enough to finish.
    const partial = `${to}.${host.processes.pid}.partial`;
    context.onEnd(() => host.stores.remove(partial));
    const { running, bytes } = await copyStore(context, flags.store, partial);
    const counts = await host.stores.check(partial);
    if (!(await host.stores.move(partial, to))) {
      throw new PilotError('already_exists', `${to} exists already`, { hint: 'choose another directory' });
    }
    return {
      data: { directory: to, ...counts, bytes, running },
      human:
        `backup of ${counts.nodes} nodes and ${counts.networks} networks (${formatSize(bytes)}) in ${to}\n` +
        `restore with: pilotctl registry restore --from ${to}`,
    };
  },
});

async function copyStore(
  context: Context,
  chosen: string | undefined,
  to: string,
): Promise<{ running: boolean; bytes: number }> {
  const { host, home } = context;
  const running = chosen === undefined ? await holderOf(host, home.rendezvous.run) : undefined;
  if (running !== undefined) {
    return withRendezvous(context, async (ask) => {
      const { store } = await ask('backup_begin');
      const bytes = await host.stores.copy(String(store), to);
      // Answered only by the process that held the file all the time.
      await ask('backup_end');
      return { running: true, bytes };
    });
  }
  const store = chosen === undefined ? home.registry : host.absolute(chosen);
  const lock = await claim(host, storeLock(store), { program: 'backup', home: home.root });
  if (!isClaim(lock)) {
    throw new PilotError('already_exists', `The store ${store} is in use (pid ${lock.pid})`, {
      hint: 'stop that process, or run the command with the PILOT_HOME of its rendezvous',
    });
  }
  try {
    return { running: false, bytes: await host.stores.copy(store, to) };
  } finally {
    await lock.release();
  }
}
