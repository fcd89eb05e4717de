import { FileSync } from './files.ts';
import type { Sql } from './sql.ts';

/** Changes, and groups of them, after which the log is folded into the file. Chosen: a fold is rare, and some ten milliseconds of copying. */
const CHANGES = 2000;
const GROUPS = 256;

/**
 * Folds the log of a database into its file. The database would do so within a commit, with two syncs that hold up the
 * event loop. Here the log is on the disk already when it begins; the file follows while the event loop goes on, and
 * only then the log is written to again from its beginning.
 */
export class Folder {
  /** While true, the file stays as it is, and the log grows. */
  held = false;
  readonly #sql: Sql;
  readonly #file: FileSync;
  #changes = 0;
  #groups = 0;

  constructor(sql: Sql, path: string) {
    this.#sql = sql;
    this.#file = new FileSync(path);
  }

  /** A group is in the log, and the log on the disk. Nothing may be committed before what is returned resolves. */
  committed(changes: number): Promise<void> | undefined {
    this.#changes += changes;
    this.#groups++;
    if (this.held || (this.#changes < CHANGES && this.#groups < GROUPS)) return undefined;
    this.#changes = 0;
    this.#groups = 0;
    this.#sql.exec('PRAGMA synchronous = OFF');
    try {
      this.#sql.one('PRAGMA wal_checkpoint(PASSIVE)');
    } finally {
      this.#sql.exec('PRAGMA synchronous = NORMAL');
    }
    return this.#file.sync();
  }

  /** After the database was closed. */
  close(): void {
    this.#file.close();
  }
}
