import { PilotError } from '../../../api/errors.ts';
import { type Sql, storeError } from './sql.ts';

/** More waiting changes than this are committed at once. */
const LARGEST_GROUP = 2000;

interface Waiting {
  committed(): void;
  failed(error: PilotError): void;
}

/**
 * All changes of one turn of the event loop share a transaction and one sync to disk; each caller hears of its
 * change only after the commit. Reads asked for meanwhile wait for it too, so nobody sees what may yet be undone.
 */
export class GroupCommit {
  readonly #sql: Sql;
  readonly #path: string;
  readonly #defer: (run: () => void) => void;
  #beforeFirst: (() => void) | undefined;
  #waiting: Waiting[] = [];
  #open = false;
  #closed = false;

  /** `beforeFirst` runs once, before the first change; if it throws, that change fails and the next one tries again. */
  constructor(sql: Sql, path: string, defer: (run: () => void) => void, beforeFirst?: () => void) {
    this.#sql = sql;
    this.#path = path;
    this.#defer = defer;
    this.#beforeFirst = beforeFirst;
  }

  write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#isClosed());
    return new Promise((resolve, reject) => {
      try {
        this.#begin();
        const value = this.#attempt(work);
        this.#waiting.push({ committed: () => resolve(value), failed: reject });
      } catch (thrown) {
        reject(storeError(thrown, this.#path));
      }
      if (this.#waiting.length >= LARGEST_GROUP) this.commit();
    });
  }

  read<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#isClosed());
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(work());
        } catch (thrown) {
          reject(storeError(thrown, this.#path));
        }
      };
      if (this.#open) this.#waiting.push({ committed: run, failed: run });
      else run();
    });
  }

  /** Makes everything so far durable, or undoes it and tells everybody. */
  commit(): void {
    if (!this.#open) return;
    try {
      this.#sql.exec('COMMIT');
    } catch (thrown) {
      this.#undo(storeError(thrown, this.#path));
      return;
    }
    this.#open = false;
    for (const { committed } of this.#waiting.splice(0)) committed();
  }

  close(): void {
    this.commit();
    this.#closed = true;
  }

  #begin(): void {
    if (this.#open) return;
    this.#beforeFirst?.();
    this.#beforeFirst = undefined;
    this.#sql.exec('BEGIN IMMEDIATE');
    this.#open = true;
    this.#defer(() => this.commit());
  }

  /** A change that fails takes nothing else of its group with it, unless the database gave up the whole group. */
  #attempt<T>(work: () => T): T {
    this.#sql.run('SAVEPOINT change');
    try {
      const value = work();
      this.#sql.run('RELEASE change');
      return value;
    } catch (thrown) {
      if (!this.#undoneAlone()) this.#undo(storeError(thrown, this.#path));
      throw thrown;
    }
  }

  #undoneAlone(): boolean {
    if (!this.#sql.inTransaction) return false;
    try {
      this.#sql.exec('ROLLBACK TO change; RELEASE change');
      return true;
    } catch {
      return false;
    }
  }

  #undo(error: PilotError): void {
    this.#open = false;
    if (this.#sql.inTransaction) {
      try {
        this.#sql.exec('ROLLBACK');
      } catch {
        // Nothing to undo: the database already did.
      }
    }
    for (const { failed } of this.#waiting.splice(0)) failed(error);
  }

  #isClosed(): PilotError {
    return new PilotError('unavailable', `Cannot use the registry store ${this.#path}: it is closed`);
  }
}
