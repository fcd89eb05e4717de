import type { NodeId, UnixMillis } from '../../../base/units.ts';
import type { TrustHalf, TrustPair, TrustRows, TrustTombstone } from '../trust-ledger.ts';
import type { Sql } from './sql.ts';

/** The rows of `TrustLedger` in three tables. */
export class TrustTables implements TrustRows {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  peers(id: NodeId, limit: number, at: UnixMillis): NodeId[] {
    return this.#sql
      .all(
        `SELECT peer FROM (
           SELECT high AS peer FROM trust_pairs WHERE low = ? AND (not_after IS NULL OR not_after > ?)
           UNION SELECT low AS peer FROM trust_pairs WHERE high = ? AND (not_after IS NULL OR not_after > ?)
         ) ORDER BY peer LIMIT ?`,
        id,
        at,
        id,
        at,
        limit,
      )
      .map((row) => Number(row.peer));
  }

  pair(a: NodeId, b: NodeId): TrustPair | undefined {
    const row = this.#sql.one(
      'SELECT request, accept, certificate, serial, not_after FROM trust_pairs WHERE low = ? AND high = ?',
      Math.min(a, b),
      Math.max(a, b),
    );
    return row === undefined
      ? undefined
      : {
          proof: { request: String(row.request), accept: String(row.accept) },
          certificate: String(row.certificate),
          serial: Number(row.serial),
          notAfter: row.not_after === null ? undefined : Number(row.not_after),
        };
  }
  putPair(a: NodeId, b: NodeId, { proof, certificate, serial, notAfter }: TrustPair): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO trust_pairs (low, high, request, accept, certificate, serial, not_after)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      Math.min(a, b),
      Math.max(a, b),
      proof.request,
      proof.accept,
      certificate,
      serial,
      notAfter ?? null,
    );
  }
  dropPair(a: NodeId, b: NodeId): boolean {
    const sql = 'DELETE FROM trust_pairs WHERE low = ? AND high = ?';
    return this.#sql.run(sql, Math.min(a, b), Math.max(a, b)) > 0;
  }

  half(giver: NodeId, peer: NodeId): TrustHalf | undefined {
    const row = this.#sql.one(
      'SELECT kind, message, at FROM trust_halves WHERE giver = ? AND peer = ?',
      giver,
      peer,
    );
    return row === undefined
      ? undefined
      : { kind: row.kind as TrustHalf['kind'], message: String(row.message), at: Number(row.at) };
  }
  putHalf(giver: NodeId, peer: NodeId, half: TrustHalf): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO trust_halves (giver, peer, kind, message, at) VALUES (?, ?, ?, ?, ?)',
      giver,
      peer,
      half.kind,
      half.message,
      half.at,
    );
  }
  dropHalf(giver: NodeId, peer: NodeId): boolean {
    return this.#sql.run('DELETE FROM trust_halves WHERE giver = ? AND peer = ?', giver, peer) > 0;
  }

  tombstone(giver: NodeId, peer: NodeId): TrustTombstone | undefined {
    const row = this.#sql.one(
      'SELECT serial, at, revocation FROM trust_tombstones WHERE giver = ? AND peer = ?',
      giver,
      peer,
    );
    return row === undefined
      ? undefined
      : { serial: Number(row.serial), at: Number(row.at), revocation: String(row.revocation) };
  }
  putTombstone(giver: NodeId, peer: NodeId, tombstone: TrustTombstone, message: string): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO trust_tombstones (giver, peer, serial, at, message, revocation)
         VALUES (?, ?, ?, ?, ?, ?)`,
      giver,
      peer,
      tombstone.serial,
      tombstone.at,
      message,
      tombstone.revocation,
    );
  }
  trimTombstones(giver: NodeId, limit: number): void {
    const count = 'SELECT count(*) AS count FROM trust_tombstones WHERE giver = ?';
    if (Number(this.#sql.one(count, giver)!.count) <= limit) return;
    this.#sql.run(
      `DELETE FROM trust_tombstones WHERE giver = ? AND peer IN
         (SELECT peer FROM trust_tombstones WHERE giver = ? ORDER BY at DESC, peer DESC LIMIT -1 OFFSET ?)`,
      giver,
      giver,
      limit,
    );
  }
}
