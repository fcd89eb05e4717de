import type { NodeId, UnixMillis } from '../../base/units.ts';
import { lastsBeyond, SINK, SINK_ENTRIES, TOMBSTONES_KEPT } from './rules.ts';
import type {
  CertifiedTrust,
  HandshakeRequest,
  HandshakeResponse,
  InboxEntry,
  InboxKind,
  Revocation,
  TrustDocuments,
  TrustProof,
} from './store.ts';

/** One side's signed word: it asked (which expires) or it accepted (which holds until revoked). */
export interface TrustHalf {
  readonly kind: 'asked' | 'accepted';
  readonly message: string;
  readonly at: UnixMillis;
}

export interface TrustPair {
  readonly proof: TrustProof;
  readonly certificate: string;
  readonly serial: number;
  readonly notAfter: UnixMillis | undefined;
}

export interface TrustTombstone {
  readonly serial: number;
  readonly at: UnixMillis;
  /** The signed document; empty when the revocation brought none. */
  readonly revocation: string;
}

/** What a store keeps of trust. The order of the two nodes of a pair does not matter. */
export interface TrustRows {
  pair(a: NodeId, b: NodeId): TrustPair | undefined;
  putPair(a: NodeId, b: NodeId, pair: TrustPair): void;
  dropPair(a: NodeId, b: NodeId): boolean;
  half(giver: NodeId, peer: NodeId): TrustHalf | undefined;
  putHalf(giver: NodeId, peer: NodeId, half: TrustHalf): void;
  dropHalf(giver: NodeId, peer: NodeId): boolean;
  tombstone(giver: NodeId, peer: NodeId): TrustTombstone | undefined;
  putTombstone(giver: NodeId, peer: NodeId, tombstone: TrustTombstone, message: string): void;
  /** Keeps the newest `limit` of the giver's; of equal times those of higher peers. */
  trimTombstones(giver: NodeId, limit: number): void;
}

/** What trust needs of a store's inboxes. */
export interface InboxRows {
  add(entry: Omit<InboxEntry, 'sequence'> & { readonly target: NodeId; readonly source: string }): void;
  has(target: NodeId, kind: InboxKind, from: NodeId): boolean;
  remove(target: NodeId, kind: InboxKind, from: NodeId): void;
  count(target: NodeId, kind: InboxKind): number;
  countOf(target: NodeId, kind: InboxKind, source: string): number;
  trim(target: NodeId, kind: InboxKind, limit: number): void;
}

/**
 * How trust pairs grow from halves and certificates, and what revocations leave of them: the same in every store.
 * Each method is one step of the store, which makes it atomic. spec/11 §7
 */
export class TrustLedger {
  readonly #rows: TrustRows;
  readonly #inbox: InboxRows;

  constructor(rows: TrustRows, inbox: InboxRows) {
    this.#rows = rows;
    this.#inbox = inbox;
  }

  trusted(a: NodeId, b: NodeId, at: UnixMillis): boolean {
    const pair = this.#rows.pair(a, b);
    return pair !== undefined && lastsBeyond(pair.notAfter, at);
  }
  proof(a: NodeId, b: NodeId): TrustProof | undefined {
    return this.#rows.pair(a, b)?.proof;
  }
  gaveWord(giver: NodeId, peer: NodeId): boolean {
    return this.#rows.half(giver, peer) !== undefined;
  }
  documents(a: NodeId, b: NodeId): TrustDocuments {
    const [low, high] = a < b ? [a, b] : [b, a];
    const [newest] = [this.#rows.tombstone(low, high), this.#rows.tombstone(high, low)]
      .filter((tombstone) => tombstone !== undefined)
      .filter(({ revocation }) => revocation !== '')
      .sort((x, y) => y.serial - x.serial || y.at - x.at);
    return { certificate: this.#rows.pair(a, b)?.certificate ?? '', revocation: newest?.revocation ?? '' };
  }

  report(from: NodeId, peer: NodeId, at: UnixMillis, askedAfter: UnixMillis): 'paired' | 'half' {
    if (this.trusted(from, peer, at)) return 'paired';
    return this.#accept(from, peer, '', at, askedAfter) ? 'paired' : 'half';
  }

  certify({ a, b, serial, notAfter, text }: CertifiedTrust): 'stored' | 'older' | 'revoked' {
    if (serial <= Math.max(this.#rows.tombstone(a, b)?.serial ?? 0, this.#rows.tombstone(b, a)?.serial ?? 0))
      return 'revoked';
    const known = this.#rows.pair(a, b);
    if (known !== undefined && known.serial >= serial) {
      return known.serial === serial && known.certificate === text ? 'stored' : 'older';
    }
    this.#rows.dropHalf(a, b);
    this.#rows.dropHalf(b, a);
    const proof = known?.proof ?? { request: '', accept: '' };
    this.#rows.putPair(a, b, { proof, certificate: text, serial, notAfter });
    return 'stored';
  }

  revoke(revocation: Revocation): { existed: boolean; delivered: boolean } {
    const { from, peer, message, at, deliver, perTarget, document } = revocation;
    const pair = this.#rows.pair(from, peer);
    const covered = document?.serial ?? 0;
    if (pair !== undefined && document !== undefined && pair.certificate !== '' && pair.serial > covered) {
      this.#bury(from, peer, covered, revocation);
      return { existed: true, delivered: false };
    }
    const buried = Math.max(covered, pair?.serial ?? 0, this.#rows.tombstone(from, peer)?.serial ?? 0);
    const paired = this.#rows.dropPair(from, peer);
    const own = this.#rows.dropHalf(from, peer);
    const theirs = this.#rows.dropHalf(peer, from);
    if (document !== undefined || buried > 0) this.#bury(from, peer, buried, revocation);
    this.#inbox.remove(peer, 'request', from);
    const delivered = deliver && (paired || theirs);
    if (delivered) this.#deliver(peer, { kind: 'revocation', from, accept: false, message, at }, perTarget);
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
    if (this.trusted(from, to, at) || this.#rows.half(from, to)?.kind === 'accepted') return 'stored';
    this.#rows.putHalf(from, to, { kind: 'asked', message, at });
    const theirs = this.#rows.half(to, from);
    if (theirs?.kind === 'accepted') this.#join(from, to, { request: message, accept: theirs.message });
    return 'stored';
  }

  respond(response: HandshakeResponse): { paired: boolean; delivered: boolean } {
    const { from, to, accept, message, at } = response;
    const asked = this.#rows.half(to, from);
    const wasAsked = asked !== undefined && (asked.kind === 'accepted' || asked.at >= response.askedAfter);
    const wasPaired = this.trusted(from, to, at);
    this.#inbox.remove(from, 'request', to);
    let paired = wasPaired;
    if (accept) paired = wasPaired || this.#accept(from, to, message, at, response.askedAfter);
    else {
      if (asked?.kind === 'asked') this.#rows.dropHalf(to, from);
      if (this.#rows.half(from, to)?.kind === 'asked') this.#rows.dropHalf(from, to);
    }
    const delivered = wasAsked || wasPaired || response.deliverUnasked;
    if (delivered) this.#deliver(to, { kind: 'response', from, accept, message, at }, response.perTarget);
    return { paired, delivered };
  }

  /** The newest of a kind and sender replaces the one before; the oldest of others gives way. */
  #deliver(
    target: NodeId,
    entry: Pick<InboxEntry, 'kind' | 'from' | 'accept' | 'message' | 'at'>,
    limit: number,
  ): void {
    this.#inbox.remove(target, entry.kind, entry.from);
    this.#inbox.add({ ...entry, target, justification: '', source: '' });
    this.#inbox.trim(target, entry.kind, limit);
  }
  #accept(from: NodeId, peer: NodeId, message: string, at: UnixMillis, askedAfter: UnixMillis): boolean {
    const theirs = this.#rows.half(peer, from);
    if (theirs !== undefined && (theirs.kind === 'accepted' || theirs.at >= askedAfter)) {
      this.#join(from, peer, { request: theirs.message, accept: message });
      return true;
    }
    this.#rows.putHalf(from, peer, { kind: 'accepted', message, at });
    return false;
  }
  /** Makes a pair of two words. Serials it had before stay used up. */
  #join(a: NodeId, b: NodeId, proof: TrustProof): void {
    this.#rows.dropHalf(a, b);
    this.#rows.dropHalf(b, a);
    this.#rows.putPair(a, b, {
      proof,
      certificate: '',
      serial: this.#rows.pair(a, b)?.serial ?? 0,
      notAfter: undefined,
    });
  }
  #notStored(request: HandshakeRequest, why: 'pending' | 'full'): 'pending' | 'full' {
    if (request.quiet && request.to !== SINK) this.request({ ...request, to: SINK, replace: true });
    return why;
  }

  /** A tombstone never loses serials it covers, nor a document to a revocation that brings none. */
  #bury(giver: NodeId, peer: NodeId, serial: number, { at, message, document }: Revocation): void {
    const known = this.#rows.tombstone(giver, peer);
    const keeps =
      document === undefined ||
      (known !== undefined && known.revocation !== '' && document.serial < known.serial);
    const revocation = keeps ? (known?.revocation ?? '') : document.text;
    const tombstone = { serial: Math.max(serial, known?.serial ?? 0), at, revocation };
    this.#rows.putTombstone(giver, peer, tombstone, message);
    if (known === undefined) this.#rows.trimTombstones(giver, TOMBSTONES_KEPT);
  }
}
