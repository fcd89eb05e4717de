import { PilotError } from '../../../api/errors.ts';
import { BACKUP_LIMIT, decodeBackup, openBackup } from '../../../wire/backup-file.ts';
import { claimRun, isClaim } from '../../background/run-file.ts';
import { defineCommand } from '../../command.ts';
import { identityAt, identityIn, restoreBackup } from '../../identity-backup.ts';
import { PASSPHRASE_FLAGS, readPassphrase } from '../../passphrase.ts';
import { fileNotFound } from '../../payload.ts';
import { path } from '../../values.ts';
import { noFile } from './backup.ts';

export const identityRestore = defineCommand({
  name: 'identity restore',
  group: 'Identity',
  summary: 'Become the node of a backup again',
  details:
    'The daemon must be stopped. An identity that is here stays unless --replace is given; then a copy of it is kept. Two machines must not run as the same node at once.',
  flags: {
    file: { value: path, summary: 'the backup' },
    replace: { summary: 'even if there is an identity here' },
    ...PASSPHRASE_FLAGS,
  },
  timeout: '60s',
  returns: '{node_id, hostname, fingerprint, registries, created_at, former_identity?}',
  examples: [
    {
      line: 'pilotctl identity restore --file node-a.backup --passphrase-file secret.txt',
      about: 'On a new machine',
    },
  ],
  async run(context, { flags }) {
    const { host, home } = context;
    const { crypto } = host;
    if (flags.file === undefined) throw noFile();
    const passphrase = await readPassphrase(context, flags.passphraseFile);
    const bytes = await host.files.read(flags.file, BACKUP_LIMIT);
    if (bytes === undefined) throw fileNotFound(flags.file);
    const sealed = decodeBackup(bytes);
    if (typeof sealed === 'string') {
      throw new PilotError('invalid_argument', `${flags.file} is not a backup of a node: ${sealed}`);
    }
    const key = await host.passphraseKey(passphrase, sealed.derivation.salt, sealed.derivation);
    const content = openBackup(crypto.aead(key), sealed);
    if (content === undefined) {
      throw new PilotError('permission_denied', 'The passphrase is wrong, or the file is damaged', {
        hint: 'check the passphrase',
      });
    }
    const fingerprint = identityIn(content, crypto);
    // No daemon may start meanwhile.
    const claim = await claimRun(host, home.daemon, {});
    if (!isClaim(claim)) {
      throw new PilotError('already_exists', `The daemon is running (pid ${claim.pid})`, {
        hint: 'stop it first with: pilotctl daemon stop',
      });
    }
    try {
      const storage = host.storage(home.root);
      const present = await identityAt(storage, crypto);
      if (present !== undefined && flags.replace !== true) {
        throw new PilotError('already_exists', `There is an identity here already (${present})`, {
          hint: 'use another PILOT_HOME, or give --replace',
        });
      }
      const former = await restoreBackup(storage, crypto, content);
      const data = {
        node_id: content.node,
        hostname: content.hostname,
        fingerprint,
        registries: content.registries,
        created_at: content.created,
        ...(former !== undefined && { former_identity: former }),
      };
      return {
        data,
        human: `restored node ${content.node} (${fingerprint})${former === undefined ? '' : `\nthe identity that was here is kept in ${former}`}\nstart it with: pilotctl daemon start`,
      };
    } finally {
      await claim.release();
    }
  },
});
