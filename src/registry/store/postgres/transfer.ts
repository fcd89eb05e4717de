import { NUMBERED, type TransferEngine } from '../sql/transfer.ts';
import { one, type Steps } from '../steps.ts';

/** Their numbers come from these. */
const SEQUENCES: Readonly<Record<string, string>> = {
  nodes: 'nodes_id_seq',
  inbox: 'inbox_sequence_seq',
  invites: 'invites_sequence_seq',
  webhooks: 'webhooks_id_seq',
};

/** How rows leave and enter PostgreSQL. */
export function postgresTransfer(sha256: TransferEngine['sha256']): TransferEngine {
  return { sha256, lastNumbers, raiseNumbers };
}

function* lastNumbers(): Steps<Record<string, number>> {
  const last: Record<string, number> = {};
  for (const name of NUMBERED) {
    const sql = `SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS last FROM ${SEQUENCES[name]}`;
    last[name] = Number((yield* one(sql))!.last);
  }
  return last;
}

function* raiseNumbers(last: Readonly<Record<string, number>>): Steps<void> {
  for (const name of NUMBERED) {
    const number = last[name] ?? 0;
    if (number > 0) yield* one(`SELECT setval('${SEQUENCES[name]}', ?)`, number);
  }
  const pending = Number((yield* one('SELECT coalesce(max(id), 0) AS last FROM audit_pending'))!.last);
  if (pending > 0) yield* one("SELECT setval('audit_pending_id_seq', ?)", pending);
}
