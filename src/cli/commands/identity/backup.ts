import { PilotError } from '../../../api/errors.ts';
import { sealBackup } from '../../../wire/backup-file.ts';
import { defineCommand } from '../../command.ts';
import { gatherBackup, identityIn } from '../../identity-backup.ts';
import { PASSPHRASE_FLAGS, readPassphrase } from '../../passphrase.ts';
import { path } from '../../values.ts';

/** 64 MiB of memory for some tenths of a second: dear for whoever guesses, cheap enough for a small machine. */
const COST = { logN: 16, r: 8, p: 1 };

export const identityBackup = defineCommand({
  name: 'identity backup',
  group: 'Identity',
  summary: 'Write an encrypted backup of this node',
  details:
    'Holds the identity key, the node id, trust, known keys of peers and the settings of the registry; not messages and files. Whoever has the file and the passphrase is this node.',
  flags: { file: { value: path, summary: 'where to write it; must not exist yet' }, ...PASSPHRASE_FLAGS },
  timeout: '60s',
  returns: '{file, node_id, hostname, fingerprint, created_at}',
  examples: [
    {
      line: 'PILOT_PASSPHRASE=... pilotctl identity backup --file node-a.backup',
      about: 'With the passphrase from the environment',
    },
  ],
  async run(context, { flags }) {
    const { host, home } = context;
    if (flags.file === undefined) throw noFile();
    const passphrase = await readPassphrase(context, flags.passphraseFile);
    const content = await gatherBackup(host.storage(home.root), host.clock.wallNow());
    const derivation = { ...COST, salt: host.random.bytes(16) };
    const key = await host.passphraseKey(passphrase, derivation.salt, derivation);
    const sealed = sealBackup(host.crypto.aead(key), derivation, host.random.bytes(12), content);
    const file = host.absolute(flags.file);
    if (!(await host.files.create(file, sealed))) {
      throw new PilotError('already_exists', `${file} exists already`, { hint: 'choose another file' });
    }
    const data = {
      file,
      node_id: content.node,
      hostname: content.hostname,
      fingerprint: identityIn(content, host.crypto),
      created_at: content.created,
    };
    return {
      data,
      human: `backup of node ${content.node} (${data.fingerprint}) written to ${file}\nrestore with: pilotctl identity restore --file ${file}`,
    };
  },
});

export function noFile(): PilotError {
  return new PilotError('invalid_argument', '--file is missing', { hint: 'give --file FILE' });
}
