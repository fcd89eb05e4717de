import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'libsql';
import { Folder } from './folder.ts';
import { Sql } from './sql.ts';

test('the log is folded into the file after enough changes, not while the file is held, and begins anew', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pilot-folder-'));
  try {
    const path = join(directory, 'x.db');
    const sql = new Sql(new Database(path));
    sql.one('PRAGMA locking_mode = EXCLUSIVE');
    sql.one('PRAGMA journal_mode = WAL');
    sql.exec('PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (text TEXT) STRICT');
    const folder = new Folder(sql, path);
    const mark = 'folded into the file';
    const inFile = (): boolean => readFileSync(path).includes(mark);
    sql.run('INSERT INTO t (text) VALUES (?)', mark);
    assert.equal(folder.committed(1), undefined);
    folder.held = true;
    assert.equal(folder.committed(10_000), undefined);
    assert.equal(inFile(), false);
    folder.held = false;
    await folder.committed(2000);
    assert.equal(inFile(), true);
    const log = statSync(`${path}-wal`).size;
    sql.run('INSERT INTO t (text) VALUES (?)', 'more');
    assert.equal(statSync(`${path}-wal`).size, log, 'the log is written to from its beginning');
    sql.close();
    folder.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
