import type { UnixMillis } from '../../../base/units.ts';
import { all, lock, one, type Row, run, type Steps } from '../steps.ts';
import type { AdminToken } from '../store.ts';

const IN_FORCE = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)';

/** Admin tokens, by the part of them that is no secret. */
export class TokenTable {
  *add(token: AdminToken, most: number): Steps<'added' | 'exists' | 'full'> {
    yield* lock('tokens');
    if ((yield* this.byId(token.id)) !== undefined) return 'exists';
    const sql = `SELECT count(*) AS count FROM admin_tokens WHERE ${IN_FORCE}`;
    if (Number((yield* one(sql, token.createdAt))!.count) >= most) return 'full';
    yield* run(
      `INSERT INTO admin_tokens (id, name, hash, scopes, networks, created_by, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      token.id,
      token.name,
      token.hash,
      JSON.stringify(token.scopes),
      JSON.stringify(token.networks),
      token.createdBy,
      token.createdAt,
      token.expiresAt ?? null,
    );
    return 'added';
  }
  *byId(id: string): Steps<AdminToken | undefined> {
    const row = yield* one('SELECT * FROM admin_tokens WHERE id = ?', id);
    return row === undefined ? undefined : tokenOf(row);
  }
  *list(limit: number): Steps<AdminToken[]> {
    const sql = 'SELECT * FROM admin_tokens ORDER BY created_at DESC, id LIMIT ?';
    return (yield* all(sql, limit)).map(tokenOf);
  }
  *revoke(id: string, at: UnixMillis): Steps<boolean> {
    const sql = `UPDATE admin_tokens SET revoked_at = ? WHERE id = ? AND ${IN_FORCE}`;
    return (yield* run(sql, at, id, at)) > 0;
  }
  *used(id: string, at: UnixMillis): Steps<void> {
    yield* run('UPDATE admin_tokens SET used_at = ? WHERE id = ?', at, id);
  }
}

function tokenOf(row: Row): AdminToken {
  const time = (value: unknown): number | undefined => (value === null ? undefined : Number(value));
  return {
    id: String(row.id),
    name: String(row.name),
    hash: String(row.hash),
    scopes: JSON.parse(String(row.scopes)) as string[],
    networks: JSON.parse(String(row.networks)) as number[],
    createdBy: String(row.created_by),
    createdAt: Number(row.created_at),
    expiresAt: time(row.expires_at),
    revokedAt: time(row.revoked_at),
    usedAt: time(row.used_at),
  };
}
