import type { NodeId, UnixMillis } from '../../../base/units.ts';
import { lastsBeyond, SINK, SINK_ENTRIES, TOMBSTONES_KEPT } from '../rules.ts';
import type {
  CertifiedTrust,
  HandshakeRequest,
  HandshakeResponse,
  Revocation,
  TrustDocuments,
  TrustProof,
} from '../store.ts';
import type { InboxTable } from './inbox.ts';
import type { Sql } from './sql.ts';

interface Half {
  readonly kind: 'asked' | 'accepted';
  readonly message: string;
  readonly at: UnixMillis;
}

interface Pair {
  readonly proof: TrustProof;
  readonly certificate: string;
  readonly serial: number;
  readonly notAfter: UnixMillis | undefined;
}

/** Trust pairs, the halves they grow from, and the tombstones they leave. spec/11 §7 */
export class TrustTable {
  readonly #sql: Sql;
  readonly #inbox: InboxTable;

  constructor(sql: Sql, inbox: InboxTable) {
    this.#sql = sql;
    this.#inbox = inbox;
  }

  proof(a: NodeId, b: NodeId): TrustProof | undefined {
    return this.#pair(a, b)?.proof;
  }
  trusted(a: NodeId, b: NodeId, at: UnixMillis): boolean {
    const pair = this.#pair(a, b);
    return pair !== undefined && lastsBeyond(pair.notAfter, at);
  }
  gaveWord(giver: NodeId, peer: NodeId): boolean {
    return this.#half(giver, peer) !== undefined;
  }
  documents(a: NodeId, b: NodeId): TrustDocuments {
    const newest = this.#sql.one(
      `SELECT revocation FROM trust_tombstones
         WHERE revocation <> '' AND ((giver = ? AND peer = ?) OR (giver = ? AND peer = ?))
         ORDER BY serial DESC, at DESC, giver LIMIT 1`,
      a,
      b,
      b,
      a,
    );
    return {
      certificate: this.#pair(a, b)?.certificate ?? '',
      revocation: newest === undefined ? '' : String(newest.revocation),
    };
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

  report(from: NodeId, peer: NodeId, at: UnixMillis, askedAfter: UnixMillis): 'paired' | 'half' {
    if (this.trusted(from, peer, at)) return 'paired';
    return this.#accept(from, peer, '', at, askedAfter) ? 'paired' : 'half';
  }

  certify({ a, b, serial, notAfter, text }: CertifiedTrust): 'stored' | 'older' | 'revoked' {
    if (serial <= this.#revokedSerial(a, b)) return 'revoked';
    const known = this.#pair(a, b);
    if (known !== undefined && known.serial >= serial) {
      return known.serial === serial && known.certificate === text ? 'stored' : 'older';
    }
    this.#dropHalf(a, b);
    this.#dropHalf(b, a);
    this.#putPair(a, b, {
      proof: known?.proof ?? { request: '', accept: '' },
      certificate: text,
      serial,
      notAfter,
    });
    return 'stored';
  }

  revoke(revocation: Revocation): { existed: boolean; delivered: boolean } {
    const { from, peer, message, at, deliver, perTarget, document } = revocation;
    const pair = this.#pair(from, peer);
    const covered = document?.serial ?? 0;
    if (pair !== undefined && document !== undefined && pair.certificate !== '' && pair.serial > covered) {
      this.#bury(from, peer, covered, revocation);
      return { existed: true, delivered: false };
    }
    const buried = Math.max(covered, pair?.serial ?? 0, this.#tombstone(from, peer)?.serial ?? 0);
    const paired =
      this.#sql.run(
        'DELETE FROM trust_pairs WHERE low = ? AND high = ?',
        Math.min(from, peer),
        Math.max(from, peer),
      ) > 0;
    const own = this.#dropHalf(from, peer);
    const theirs = this.#dropHalf(peer, from);
    if (document !== undefined || buried > 0) this.#bury(from, peer, buried, revocation);
    this.#inbox.remove(peer, 'request', from);
    const delivered = deliver && (paired || theirs);
    if (delivered) {
      this.#inbox.remove(peer, 'revocation', from);
      this.#inbox.add({
        target: peer,
        kind: 'revocation',
        from,
        justification: '',
        accept: false,
        message,
        source: '',
        at,
      });
      this.#inbox.trim(peer, 'revocation', perTarget);
    }
    return { existed: paired || own || theirs, delivered };
  }

  request(request: HandshakeRequest): 'stored' | 'pending' | 'full' {
    const { from, to, justification, message, source, at } = request;
    if (this.#inbox.has(to, 'request', from)) {
      if (!request.replace) return this.#notStored(request, 'pending');
      this.#inbox.remove(to, 'request', from);
    } else if (to !== SINK) {
      const full =
        this.#inbox.count(to, 'request') >= request.perTarget ||
        this.#inbox.countOf(to, 'request', source) >= request.perSource;
      if (full) return this.#notStored(request, 'full');
    }
    this.#inbox.add({ target: to, kind: 'request', from, justification, accept: false, message, source, at });
    if (to === SINK) this.#inbox.trim(SINK, 'request', SINK_ENTRIES);
    if (this.trusted(from, to, at) || this.#half(from, to)?.kind === 'accepted') return 'stored';
    this.#putHalf(from, to, { kind: 'asked', message, at });
    const theirs = this.#half(to, from);
    if (theirs?.kind === 'accepted') this.#join(from, to, { request: message, accept: theirs.message });
    return 'stored';
  }

  respond(response: HandshakeResponse): { paired: boolean; delivered: boolean } {
    const { from, to, accept, message, at } = response;
    const asked = this.#half(to, from);
    const wasAsked = asked !== undefined && (asked.kind === 'accepted' || asked.at >= response.askedAfter);
    const wasPaired = this.trusted(from, to, at);
    this.#inbox.remove(from, 'request', to);
    let paired = wasPaired;
    if (accept) paired = wasPaired || this.#accept(from, to, message, at, response.askedAfter);
    else {
      if (asked?.kind === 'asked') this.#dropHalf(to, from);
      if (this.#half(from, to)?.kind === 'asked') this.#dropHalf(from, to);
    }
    const delivered = wasAsked || wasPaired || response.deliverUnasked;
    if (delivered) {
      this.#inbox.remove(to, 'response', from);
      this.#inbox.add({
        target: to,
        kind: 'response',
        from,
        justification: '',
        accept,
        message,
        source: '',
        at,
      });
      this.#inbox.trim(to, 'response', response.perTarget);
    }
    return { paired, delivered };
  }

  #accept(from: NodeId, peer: NodeId, message: string, at: UnixMillis, askedAfter: UnixMillis): boolean {
    const theirs = this.#half(peer, from);
    if (theirs !== undefined && (theirs.kind === 'accepted' || theirs.at >= askedAfter)) {
      this.#join(from, peer, { request: theirs.message, accept: message });
      return true;
    }
    this.#putHalf(from, peer, { kind: 'accepted', message, at });
    return false;
  }
  /** Makes a pair of two words. Serials it had before stay used up. */
  #join(a: NodeId, b: NodeId, proof: TrustProof): void {
    this.#dropHalf(a, b);
    this.#dropHalf(b, a);
    this.#putPair(a, b, {
      proof,
      certificate: '',
      serial: this.#pair(a, b)?.serial ?? 0,
      notAfter: undefined,
    });
  }
  #notStored(request: HandshakeRequest, why: 'pending' | 'full'): 'pending' | 'full' {
    if (request.quiet && request.to !== SINK) this.request({ ...request, to: SINK, replace: true });
    return why;
  }
  #pair(a: NodeId, b: NodeId): Pair | undefined {
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
  #putPair(a: NodeId, b: NodeId, { proof, certificate, serial, notAfter }: Pair): void {
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
  #tombstone(giver: NodeId, peer: NodeId): { serial: number; revocation: string } | undefined {
    const row = this.#sql.one(
      'SELECT serial, revocation FROM trust_tombstones WHERE giver = ? AND peer = ?',
      giver,
      peer,
    );
    return row === undefined ? undefined : { serial: Number(row.serial), revocation: String(row.revocation) };
  }
  #revokedSerial(a: NodeId, b: NodeId): number {
    return Math.max(this.#tombstone(a, b)?.serial ?? 0, this.#tombstone(b, a)?.serial ?? 0);
  }
  /** A tombstone never loses serials it covers, nor a document to a revocation that brings none. */
  #bury(giver: NodeId, peer: NodeId, serial: number, { at, message, document }: Revocation): void {
    const known = this.#tombstone(giver, peer);
    const keeps =
      document === undefined ||
      (known !== undefined && known.revocation !== '' && document.serial < known.serial);
    this.#sql.run(
      `INSERT OR REPLACE INTO trust_tombstones (giver, peer, serial, at, message, revocation)
         VALUES (?, ?, ?, ?, ?, ?)`,
      giver,
      peer,
      Math.max(serial, known?.serial ?? 0),
      at,
      message,
      keeps ? (known?.revocation ?? '') : document.text,
    );
    const count = 'SELECT count(*) AS count FROM trust_tombstones WHERE giver = ?';
    if (known !== undefined || Number(this.#sql.one(count, giver)!.count) <= TOMBSTONES_KEPT) return;
    this.#sql.run(
      `DELETE FROM trust_tombstones WHERE giver = ? AND peer IN
         (SELECT peer FROM trust_tombstones WHERE giver = ? ORDER BY at DESC, peer DESC LIMIT -1 OFFSET ?)`,
      giver,
      giver,
      TOMBSTONES_KEPT,
    );
  }
  #half(giver: NodeId, peer: NodeId): Half | undefined {
    const row = this.#sql.one(
      'SELECT kind, message, at FROM trust_halves WHERE giver = ? AND peer = ?',
      giver,
      peer,
    );
    return row === undefined
      ? undefined
      : { kind: row.kind as Half['kind'], message: String(row.message), at: Number(row.at) };
  }
  #putHalf(giver: NodeId, peer: NodeId, half: Half): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO trust_halves (giver, peer, kind, message, at) VALUES (?, ?, ?, ?, ?)',
      giver,
      peer,
      half.kind,
      half.message,
      half.at,
    );
  }
  #dropHalf(giver: NodeId, peer: NodeId): boolean {
    return this.#sql.run('DELETE FROM trust_halves WHERE giver = ? AND peer = ?', giver, peer) > 0;
  }
}
