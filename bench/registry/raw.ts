/** What the database below the store does by itself: the yardstick of the figures beside it. */
import Database from 'libsql';

export interface RawSpeed {
  /** Rows inserted per second, 2,000 in a transaction, each transaction synced. */
  readonly inserts: number;
  /** One row in a transaction, synced. */
  readonly durable: number;
  /** Rows read by id per second. */
  readonly reads: number;
  /** Rows changed per second, 1,000 in a transaction: what heartbeats would cost there. */
  readonly updates: number;
}

const GROUP = 2000;

/** A table as wide as that of nodes, with its indexes, and nothing else. */
export function rawSpeed(path: string, rows: number, seconds: number): RawSpeed {
  const db = new Database(path);
  db.exec(
    'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768',
  );
  db.exec(`CREATE TABLE nodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, public_key BLOB NOT NULL UNIQUE, hostname TEXT UNIQUE,
    endpoint TEXT NOT NULL, lan TEXT NOT NULL, tags TEXT NOT NULL, version TEXT NOT NULL, last_seen INTEGER NOT NULL)`);
  const insert = db.prepare(
    'INSERT INTO nodes (public_key, hostname, endpoint, lan, tags, version, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const key = Buffer.alloc(32);
  let made = 0;
  const add = (): void => {
    made++;
    // Spread as keys are.
    for (let i = 0; i < 8; i++) key.writeUInt32LE(Math.imul(made, 2654435761 + 2 * i) >>> 0, i * 4);
    insert.run([key, null, '203.0.113.7:4000', '["10.0.0.7:4000"]', '[]', '0.1.0', 1_800_000_000_000]);
  };
  const began = performance.now();
  while (made < rows) {
    db.exec('BEGIN');
    for (let i = 0; i < GROUP && made < rows; i++) add();
    db.exec('COMMIT');
  }
  const inserts = (rows * 1000) / (performance.now() - began);
  const durable = rate(seconds, 1, () => {
    db.exec('BEGIN');
    add();
    db.exec('COMMIT');
  });
  const read = db.prepare('SELECT * FROM nodes WHERE id = ?');
  let at = 1;
  const next = (): number => {
    at = ((at * 48_271) % 2_147_483_647) + 1;
    return (at % rows) + 1;
  };
  const reads = rate(seconds, 100, () => {
    for (let i = 0; i < 100; i++) read.get([next()]);
  });
  const update = db.prepare('UPDATE nodes SET last_seen = ? WHERE id = ?');
  const updates = rate(seconds, 1000, () => {
    db.exec('BEGIN');
    for (let i = 0; i < 1000; i++) update.run([made++, next()]);
    db.exec('COMMIT');
  });
  db.close();
  return { inserts, durable, reads, updates };
}

function rate(seconds: number, each: number, run: () => void): number {
  const began = performance.now();
  let times = 0;
  do {
    run();
    times += each;
  } while (performance.now() - began < seconds * 1000);
  return (times * 1000) / (performance.now() - began);
}
