import type { NodeId, UnixMillis } from '../../../base/units.ts';
import { SINK, SINK_ENTRIES } from '../rules.ts';
import type { HandshakeRequest, HandshakeResponse, Revocation, TrustProof } from '../store.ts';
import type { InboxTable } from './inbox.ts';
import type { Sql } from './sql.ts';

interface Half {
  readonly kind: 'asked' | 'accepted';
  readonly message: string;
  readonly at: UnixMillis;
}

/** Trust pairs and the halves they grow from. spec/11 §7 */
export class TrustTable {
  readonly #sql: Sql;
  readonly #inbox: InboxTable;

  constructor(sql: Sql, inbox: InboxTable) {
    this.#sql = sql;
    this.#inbox = inbox;
  }

  proof(a: NodeId, b: NodeId): TrustProof | undefined {
    const row = this.#sql.one(
      'SELECT request, accept FROM trust_pairs WHERE low = ? AND high = ?',
      Math.min(a, b),
      Math.max(a, b),
    );
    return row === undefined ? undefined : { request: String(row.request), accept: String(row.accept) };
  }
  trusted(a: NodeId, b: NodeId): boolean {
    return this.proof(a, b) !== undefined;
  }
  peers(id: NodeId, limit: number): NodeId[] {
    return this.#sql
      .all(
        `SELECT peer FROM (SELECT high AS peer FROM trust_pairs WHERE low = ?
           UNION SELECT low AS peer FROM trust_pairs WHERE high = ?) ORDER BY peer LIMIT ?`,
        id,
        id,
        limit,
      )
      .map((row) => Number(row.peer));
  }

  report(from: NodeId, peer: NodeId, at: UnixMillis, askedAfter: UnixMillis): 'paired' | 'half' {
    if (this.trusted(from, peer)) return 'paired';
    return this.#accept(from, peer, '', at, askedAfter) ? 'paired' : 'half';
  }

  revoke({ from, peer, message, at, deliver, perTarget }: Revocation): {
    existed: boolean;
    delivered: boolean;
  } {
    const paired =
      this.#sql.run(
        'DELETE FROM trust_pairs WHERE low = ? AND high = ?',
        Math.min(from, peer),
        Math.max(from, peer),
      ) > 0;
    const own = this.#dropHalf(from, peer);
    const theirs = this.#dropHalf(peer, from);
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
      if (!request.replace) return 'pending';
      this.#inbox.remove(to, 'request', from);
    } else if (to !== SINK) {
      if (this.#inbox.count(to, 'request') >= request.perTarget) return 'full';
      if (this.#inbox.countOf(to, 'request', source) >= request.perSource) return 'full';
    }
    this.#inbox.add({ target: to, kind: 'request', from, justification, accept: false, message, source, at });
    if (to === SINK) this.#inbox.trim(SINK, 'request', SINK_ENTRIES);
    if (this.trusted(from, to) || this.#half(from, to)?.kind === 'accepted') return 'stored';
    this.#putHalf(from, to, { kind: 'asked', message, at });
    const theirs = this.#half(to, from);
    if (theirs?.kind === 'accepted') this.#pair(from, to, { request: message, accept: theirs.message });
    return 'stored';
  }

  respond(response: HandshakeResponse): { paired: boolean; delivered: boolean } {
    const { from, to, accept, message, at } = response;
    const asked = this.#half(to, from);
    const wasAsked = asked !== undefined && (asked.kind === 'accepted' || asked.at >= response.askedAfter);
    const wasPaired = this.trusted(from, to);
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
      this.#pair(from, peer, { request: theirs.message, accept: message });
      return true;
    }
    this.#putHalf(from, peer, { kind: 'accepted', message, at });
    return false;
  }
  #pair(a: NodeId, b: NodeId, proof: TrustProof): void {
    this.#dropHalf(a, b);
    this.#dropHalf(b, a);
    this.#sql.run(
      'INSERT OR REPLACE INTO trust_pairs (low, high, request, accept) VALUES (?, ?, ?, ?)',
      Math.min(a, b),
      Math.max(a, b),
      proof.request,
      proof.accept,
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
