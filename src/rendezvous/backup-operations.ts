import type { FileHolder } from '../registry/index.ts';
import type { ControlOperation } from './control.ts';

/**
 * `backup_begin` keeps the file of the store as it is until the end of the connection, so that the other side can copy
 * first the file and then its log.
 */
export function backupOperations(
  store: FileHolder,
  directory: string,
): Readonly<Record<string, ControlOperation>> {
  return {
    async backup_begin(_request, session) {
      const letGo = await store.holdFile();
      session.onEnd(letGo);
      return { store: directory };
    },
    async backup_end() {
      return {};
    },
  };
}
