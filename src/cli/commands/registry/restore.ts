import { PilotError } from '../../../api/errors.ts';
import { claim, isClaim } from '../../background/run-file.ts';
import { defineCommand } from '../../command.ts';
import { storeLock } from '../../local/handover.ts';
import { path } from '../../values.ts';

export const registryRestore = defineCommand({
  name: 'registry restore',
  group: 'Registry and beacon',
  summary: 'Put a backup of a registry in place of its store',
  details:
    'The registry must be stopped. The backup is checked first and stays as it is. What is there stays unless --replace is given; then it is kept beside the store. ' +
    'Nodes that registered after the backup get new addresses, and trust that was withdrawn after it is withdrawn again when the daemons say so.',
  flags: {
    from: { value: path, summary: 'directory of the backup' },
    store: { value: path, summary: 'directory of the store; by default that of this home' },
    replace: { summary: 'even if there is a store' },
  },
  timeout: '10m',
  returns: '{store, nodes, networks, bytes, former?}',
  examples: [{ line: 'pilotctl registry restore --from /backup/registry-monday', about: 'On a new machine' }],
  async run(context, { flags }) {
    const { host, home } = context;
    if (flags.from === undefined) {
      throw new PilotError('invalid_argument', '--from is missing', { hint: 'give --from DIRECTORY' });
    }
    const from = host.absolute(flags.from);
    const store = flags.store === undefined ? home.registry : host.absolute(flags.store);
    const partial = `${store}.${host.processes.pid}.partial`;
    context.onEnd(() => host.stores.remove(partial));
    const bytes = await host.stores.copy(from, partial);
    const counts = await host.stores.check(partial);
    const lock = await claim(host, storeLock(store), { program: 'restore', home: home.root });
    if (!isClaim(lock)) {
      throw new PilotError('already_exists', `The store ${store} is in use (pid ${lock.pid})`, {
        hint: 'stop it first with: pilotctl rendezvous stop',
      });
    }
    const there = (await host.files.info(`${store}/registry.db`)) !== undefined;
    if (there && flags.replace !== true) {
      await lock.release();
      throw new PilotError('already_exists', `There is a store in ${store} already`, {
        hint: 'give --replace, or choose another --store',
      });
    }
    // Whoever starts now finds the old store locked, none, or the new one; never a mixture. The lock moves along.
    const former = `${store}.before-${host.clock.wallNow()}`;
    await host.stores.move(store, former);
    await host.files.remove(storeLock(former));
    if (!(await host.stores.move(partial, store))) {
      throw new PilotError('already_exists', `Something made a new store in ${store}`, {
        hint: 'stop it first with: pilotctl rendezvous stop',
      });
    }
    if (!there) await host.stores.remove(former);
    return {
      data: { store, ...counts, bytes, ...(there && { former }) },
      human:
        `restored ${counts.nodes} nodes and ${counts.networks} networks to ${store}` +
        (there ? `\nthe store that was there is kept in ${former}` : '') +
        '\nstart it with: pilotctl rendezvous start',
    };
  },
});
