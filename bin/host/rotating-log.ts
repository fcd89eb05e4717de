import { copyFileSync, fstatSync, ftruncateSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * A log file that is copied aside and emptied when it grows beyond `maxBytes`; `backups` old ones are kept as
 * `FILE.1` (newest) to `FILE.N`. The file itself stays the same one, so what the runtime prints when it dies lands
 * there too, and `tail -f` goes on.
 */
export function rotatingLog(file: string, maxBytes: number, backups: number): { write(line: string): void } {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const descriptor = openSync(file, 'a', 0o600);
  let size = fstatSync(descriptor).size;
  return {
    write(line) {
      const bytes = Buffer.from(line);
      if (size > 0 && size + bytes.length > maxBytes) {
        setAside(file, backups);
        ftruncateSync(descriptor);
        size = 0;
      }
      try {
        writeSync(descriptor, bytes);
        size += bytes.length;
      } catch {
        // A full disk must not end the service that fills no disk.
      }
    },
  };
}

function setAside(file: string, backups: number): void {
  if (backups === 0) return;
  try {
    for (let n = backups - 1; n >= 1; n--) {
      try {
        renameSync(`${file}.${n}`, `${file}.${n + 1}`);
      } catch {
        // There is no such backup yet.
      }
    }
    copyFileSync(file, `${file}.1`);
  } catch {
    // No room for a backup: the old lines are lost, the service goes on.
  }
}
