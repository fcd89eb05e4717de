import { PilotError } from '../api/errors.ts';
import type { FileHolder } from '../registry/index.ts';
import type { ControlOperation } from './control.ts';

/**
 * `backup_begin` keeps the file of the store as it is until the end of the connection, so that the other side can copy
 * first the file and then its log. Without a file it refuses: `unavailable`.
 */
export function backupOperations(
  store: FileHolder | undefined,
  directory: string,
): Readonly<Record<string, ControlOperation>> {
  return {
    async backup_begin(_request, session) {
      if (store === undefined) {
        throw new PilotError(
          'unavailable',
          'Cannot copy the store of this registry: it is a PostgreSQL database',
          {
            hint: 'use pg_dump, or: pilotctl registry export',
          },
        );
      }
      const letGo = await store.holdFile();
      session.onEnd(letGo);
      return { store: directory };
    },
    async backup_end() {
      return {};
    },
  };
}
