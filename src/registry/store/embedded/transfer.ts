import type { LastSeen } from '../sql/last-seen.ts';
import { NUMBERED, type TransferEngine } from '../sql/transfer.ts';
import { all, one, type Row, run, type Steps } from '../steps.ts';

/** How rows leave and enter a SQLite file. */
export function embeddedTransfer(sha256: TransferEngine['sha256'], seen: LastSeen): TransferEngine {
  return {
    sha256,
    lastNumbers,
    raiseNumbers,
    current: (table, row) => (table === 'nodes' ? withTime(row, seen) : row),
  };
}

/** Heartbeats are beside the rows. */
function withTime(row: Row, seen: LastSeen): Row {
  return { ...row, last_seen: Math.max(Number(row.last_seen), seen.at(Number(row.id))) };
}

function* lastNumbers(): Steps<Record<string, number>> {
  const rows = yield* all('SELECT name, seq FROM sqlite_sequence');
  const known = new Map(rows.map(({ name, seq }) => [String(name), Number(seq)]));
  return Object.fromEntries(NUMBERED.map((name) => [name, known.get(name) ?? 0]));
}

function* raiseNumbers(last: Readonly<Record<string, number>>): Steps<void> {
  for (const name of NUMBERED) {
    const number = last[name] ?? 0;
    const known = yield* one('SELECT seq FROM sqlite_sequence WHERE name = ?', name);
    if (known === undefined)
      yield* run('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)', name, number);
    else if (Number(known.seq) < number)
      yield* run('UPDATE sqlite_sequence SET seq = ? WHERE name = ?', number, name);
  }
}
