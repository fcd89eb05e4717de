import { PilotError } from '../../../api/errors.ts';
import { claim, isClaim } from '../../background/run-file.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import type { StorePlace, TransferFacts } from '../../host.ts';
import { storeLock } from '../../local/handover.ts';
import { isPostgresUrl, path } from '../../values.ts';

const STORE =
  'directory of the store, by default that of this home, or the postgres:// URL of a database (its password better in PGPASSWORD)';

export const registryExport = defineCommand({
  name: 'registry export',
  group: 'Registry and beacon',
  summary: 'Write everything a registry keeps into a file, for another kind of store',
  details:
    'A registry on a directory must be stopped first; one on a database may run, and the file is then of one moment. ' +
    'Whoever has the file can be this registry: keep it as safe as the store.',
  flags: {
    store: { value: path, summary: STORE },
    to: { value: path, summary: 'file to make; must not exist yet' },
  },
  timeout: '60m',
  returns: '{file, rows, digest}',
  examples: [{ line: 'pilotctl registry export --to registry.jsonl', about: 'Before moving to PostgreSQL' }],
  async run(context, { flags }) {
    const { host } = context;
    if (flags.to === undefined) throw missing('--to FILE');
    const file = host.absolute(flags.to);
    if ((await host.files.info(file)) !== undefined) {
      throw new PilotError('already_exists', `${file} exists already`, { hint: 'choose another file' });
    }
    const facts = await withStore(context, flags.store, (place) => host.stores.exportTo(place, file));
    return { data: { file, ...facts }, human: `exported ${told(facts)} to ${file}` };
  },
});

export const registryImport = defineCommand({
  name: 'registry import',
  group: 'Registry and beacon',
  summary: 'Fill an empty store with what another registry exported',
  details:
    'All of it or nothing: the file is checked while it is read, and what was written is read again and compared. ' +
    'Nodes keep their addresses, names, trust and networks, and clients find the same certificate.',
  flags: {
    store: { value: path, summary: STORE },
    from: { value: path, summary: 'file that `pilotctl registry export` made' },
  },
  timeout: '60m',
  returns: '{file, rows, digest}',
  examples: [
    {
      line: 'pilotctl registry import --from registry.jsonl --store postgres://pilot@db.example.net/pilot',
      about: 'Into a new database',
    },
  ],
  async run(context, { flags }) {
    const { host } = context;
    if (flags.from === undefined) throw missing('--from FILE');
    const file = host.absolute(flags.from);
    if ((await host.files.info(file)) === undefined)
      throw new PilotError('not_found', `There is no file ${file}`, {
        hint: 'write one with: pilotctl registry export --to FILE',
      });
    const facts = await withStore(context, flags.store, (place) => host.stores.importFrom(place, file));
    return {
      data: { file, ...facts },
      human: `imported ${told(facts)}, and read them again\nstart it with: pilotctl rendezvous start`,
    };
  },
});

/** Nobody else serves a directory meanwhile. */
async function withStore<T>(
  { host, home }: Context,
  chosen: string | undefined,
  use: (place: StorePlace) => Promise<T>,
): Promise<T> {
  if (chosen !== undefined && isPostgresUrl(chosen)) return use({ directory: '', database: chosen });
  const directory = chosen === undefined ? home.registry : host.absolute(chosen);
  const lock = await claim(host, storeLock(directory), { program: 'transfer', home: home.root });
  if (!isClaim(lock)) {
    throw new PilotError('already_exists', `The store ${directory} is in use (pid ${lock.pid})`, {
      hint: 'stop it first with: pilotctl rendezvous stop',
    });
  }
  try {
    return await use({ directory, database: undefined });
  } finally {
    await lock.release();
  }
}

function told({ rows }: TransferFacts): string {
  return `${rows.nodes ?? 0} nodes, ${rows.trust_pairs ?? 0} trusted pairs and ${rows.networks ?? 0} networks`;
}

function missing(what: string): PilotError {
  return new PilotError('invalid_argument', `${what.split(' ')[0]} is missing`, { hint: `give ${what}` });
}
