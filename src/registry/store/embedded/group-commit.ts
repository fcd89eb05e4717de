import { PilotError } from '../../../api/errors.ts';
import { type Sql, storeError } from './sql.ts';

/** Changes of one transaction; more would hold up everybody else for too long. */
export const LARGEST_GROUP = 256;

export interface GroupCommitOptions {
  readonly sql: Sql;
  /** For errors. */
  readonly path: string;
  /** Runs a function after the current turn of the event loop. */
  readonly defer: (run: () => void) => void;
  /** Resolves when what was committed can't be lost any more. */
  readonly sync: () => Promise<void>;
  /** Called after a sync of so many changes; nothing is committed before it resolves. */
  readonly synced?: (changes: number) => Promise<void> | undefined;
  /** Runs once, before the first change; if it throws, that change fails and the next one tries again. */
  readonly beforeFirst?: () => void;
}

interface Change {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: PilotError) => void;
}

interface Made {
  readonly change: Change;
  readonly value: unknown;
}

/**
 * Changes that wait at the same time share a transaction and one sync to disk; each caller hears of its change only
 * after the sync. The disk works while the event loop goes on: new changes wait for their turn, and so do reads, so
 * that nobody sees what may yet be lost. Reads asked for at other times are answered at once.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #beforeFirst: (() => void) | undefined;
  /** Changes not made yet. */
  #queue: Change[] = [];
  /** Reads that wait for the sync. */
  #reads: (() => void)[] = [];
  #scheduled = false;
  /** Something is committed that a power cut may take back. */
  #unsynced = false;
  /** Nothing may be committed until then. */
  #syncing: Promise<void> | undefined;
  #closed = false;
  #broken: PilotError | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#beforeFirst = options.beforeFirst;
  }

  write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#isClosed());
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve, reject });
      this.#schedule();
    });
  }

  read<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#isClosed());
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(work());
        } catch (thrown) {
          reject(storeError(thrown, this.#options.path));
        }
      };
      if (this.#unsynced) this.#reads.push(run);
      else run();
    });
  }

  /** Everything asked for so far is made, and nothing more taken. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.drain();
  }
  /** Until nothing waits. */
  async drain(): Promise<void> {
    for (;;) {
      if (this.#syncing !== undefined) await this.#syncing;
      else if (this.#queue.length > 0) this.#flush();
      else return;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#syncing !== undefined) return;
    this.#scheduled = true;
    this.#options.defer(() => {
      this.#scheduled = false;
      if (this.#syncing === undefined) this.#flush();
    });
  }

  /** Makes the changes that wait, and starts the sync. */
  #flush(): void {
    let made: Made[] = [];
    for (const change of this.#queue.splice(0, LARGEST_GROUP)) {
      try {
        this.#begin();
        made.push({ change, value: this.#attempt(change.work) });
      } catch (thrown) {
        const error = storeError(thrown, this.#options.path);
        change.reject(error);
        if (this.#options.sql.inTransaction) continue;
        // The database gave up the whole transaction: what was made in it is gone.
        for (const { change: lost } of made.splice(0)) lost.reject(error);
      }
    }
    try {
      if (this.#options.sql.inTransaction) this.#options.sql.exec('COMMIT');
    } catch (thrown) {
      const error = storeError(thrown, this.#options.path);
      this.#rollBack();
      for (const { change } of made) change.reject(error);
      made = [];
    }
    if (made.length > 0) this.#syncing = this.#synced(made);
    else if (this.#queue.length > 0) this.#schedule();
  }

  async #synced(made: Made[]): Promise<void> {
    const count = made.length;
    this.#unsynced = true;
    try {
      await this.#options.sync();
      for (const { change, value } of made.splice(0)) change.resolve(value as never);
      this.#letRead();
      const folding = this.#options.synced?.(count);
      if (folding !== undefined) await folding;
    } catch (thrown) {
      // What the disk has now nobody knows; the next process reads it anew.
      this.#broken = storeError(thrown, this.#options.path);
      for (const { change } of made) change.reject(this.#broken);
      for (const change of this.#queue.splice(0)) change.reject(this.#broken);
    }
    this.#letRead();
    this.#syncing = undefined;
    if (this.#queue.length > 0) this.#schedule();
  }

  #begin(): void {
    if (this.#options.sql.inTransaction) return;
    this.#beforeFirst?.();
    this.#beforeFirst = undefined;
    this.#options.sql.exec('BEGIN IMMEDIATE');
  }

  #letRead(): void {
    this.#unsynced = false;
    for (const run of this.#reads.splice(0)) run();
  }

  /** A change that fails takes nothing else of its group with it, unless the database gave up the whole group. */
  #attempt<T>(work: () => T): T {
    const { sql } = this.#options;
    sql.run('SAVEPOINT change');
    try {
      const value = work();
      sql.run('RELEASE change');
      return value;
    } catch (thrown) {
      if (!this.#undoneAlone()) this.#rollBack();
      throw thrown;
    }
  }

  #undoneAlone(): boolean {
    if (!this.#options.sql.inTransaction) return false;
    try {
      this.#options.sql.exec('ROLLBACK TO change; RELEASE change');
      return true;
    } catch {
      return false;
    }
  }

  #rollBack(): void {
    try {
      if (this.#options.sql.inTransaction) this.#options.sql.exec('ROLLBACK');
    } catch {
      // Nothing to undo: the database already did.
    }
  }

  #isClosed(): PilotError {
    return new PilotError('unavailable', `Cannot use the registry store ${this.#options.path}: it is closed`);
  }
}
