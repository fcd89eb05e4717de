import type { NodeId, UnixMillis } from '../../base/units.ts';
import { lastsBeyond, SINK, SINK_ENTRIES, TOMBSTONES_KEPT } from './rules.ts';
import { lock, type Steps } from './steps.ts';
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
  pair(a: NodeId, b: NodeId): Steps<TrustPair | undefined>;
  putPair(a: NodeId, b: NodeId, pair: TrustPair): Steps<void>;
  dropPair(a: NodeId, b: NodeId): Steps<boolean>;
  half(giver: NodeId, peer: NodeId): Steps<TrustHalf | undefined>;
  putHalf(giver: NodeId, peer: NodeId, half: TrustHalf): Steps<void>;
  dropHalf(giver: NodeId, peer: NodeId): Steps<boolean>;
  tombstone(giver: NodeId, peer: NodeId): Steps<TrustTombstone | undefined>;
  putTombstone(giver: NodeId, peer: NodeId, tombstone: TrustTombstone, message: string): Steps<void>;
  /** Keeps the newest `limit` of the giver's; of equal times those of higher peers. */
  trimTombstones(giver: NodeId, limit: number): Steps<void>;
}

export interface NewEntry extends Omit<InboxEntry, 'sequence'> {
  readonly target: NodeId;
  readonly source: string;
}

/** What trust needs of a store's inboxes. */
export interface InboxRows {
  add(entry: NewEntry): Steps<void>;
  has(target: NodeId, kind: InboxKind, from: NodeId): Steps<boolean>;
  remove(target: NodeId, kind: InboxKind, from: NodeId): Steps<void>;
  count(target: NodeId, kind: InboxKind): Steps<number>;
  countOf(target: NodeId, kind: InboxKind, source: string): Steps<number>;
  trim(target: NodeId, kind: InboxKind, limit: number): Steps<void>;
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

  *trusted(a: NodeId, b: NodeId, at: UnixMillis): Steps<boolean> {
    const pair = yield* this.#rows.pair(a, b);
    return pair !== undefined && lastsBeyond(pair.notAfter, at);
  }
  *proof(a: NodeId, b: NodeId): Steps<TrustProof | undefined> {
    return (yield* this.#rows.pair(a, b))?.proof;
  }
  *gaveWord(giver: NodeId, peer: NodeId): Steps<boolean> {
    return (yield* this.#rows.half(giver, peer)) !== undefined;
  }
  *documents(a: NodeId, b: NodeId): Steps<TrustDocuments> {
    const [low, high] = a < b ? [a, b] : [b, a];
    const [newest] = [yield* this.#rows.tombstone(low, high), yield* this.#rows.tombstone(high, low)]
      .filter((tombstone) => tombstone !== undefined)
      .filter(({ revocation }) => revocation !== '')
      .sort((x, y) => y.serial - x.serial || y.at - x.at);
    return {
      certificate: (yield* this.#rows.pair(a, b))?.certificate ?? '',
      revocation: newest?.revocation ?? '',
    };
  }

  *report(
    from: NodeId,
    peer: NodeId,
    at: UnixMillis,
    askedAfter: UnixMillis,
  ): Steps<'paired' | 'trusted' | 'half'> {
    yield* lock(pairName(from, peer));
    if (yield* this.trusted(from, peer, at)) return 'trusted';
    return (yield* this.#accept(from, peer, '', at, askedAfter)) ? 'paired' : 'half';
  }

  *certify({ a, b, serial, notAfter, text }: CertifiedTrust): Steps<'stored' | 'older' | 'revoked'> {
    yield* lock(pairName(a, b));
    const revokedUpTo = Math.max(
      (yield* this.#rows.tombstone(a, b))?.serial ?? 0,
      (yield* this.#rows.tombstone(b, a))?.serial ?? 0,
    );
    if (serial <= revokedUpTo) return 'revoked';
    const known = yield* this.#rows.pair(a, b);
    if (known !== undefined && known.serial >= serial) {
      return known.serial === serial && known.certificate === text ? 'stored' : 'older';
    }
    yield* this.#rows.dropHalf(a, b);
    yield* this.#rows.dropHalf(b, a);
    const proof = known?.proof ?? { request: '', accept: '' };
    yield* this.#rows.putPair(a, b, { proof, certificate: text, serial, notAfter });
    return 'stored';
  }

  *revoke(revocation: Revocation): Steps<{ existed: boolean; delivered: boolean }> {
    const { from, peer, message, at, deliver, perTarget, document } = revocation;
    yield* lock(inboxName(peer), pairName(from, peer));
    const pair = yield* this.#rows.pair(from, peer);
    const covered = document?.serial ?? 0;
    if (pair !== undefined && document !== undefined && pair.certificate !== '' && pair.serial > covered) {
      yield* this.#bury(from, peer, covered, revocation);
      return { existed: true, delivered: false };
    }
    const buried = Math.max(
      covered,
      pair?.serial ?? 0,
      (yield* this.#rows.tombstone(from, peer))?.serial ?? 0,
    );
    const paired = yield* this.#rows.dropPair(from, peer);
    const own = yield* this.#rows.dropHalf(from, peer);
    const theirs = yield* this.#rows.dropHalf(peer, from);
    if (document !== undefined || buried > 0) yield* this.#bury(from, peer, buried, revocation);
    yield* this.#inbox.remove(peer, 'request', from);
    const delivered = deliver && (paired || theirs);
    if (delivered)
      yield* this.#deliver(peer, { kind: 'revocation', from, accept: false, message, at }, perTarget);
    return { existed: paired || own || theirs, delivered };
  }

  *request(request: HandshakeRequest): Steps<'stored' | 'paired' | 'pending' | 'full'> {
    const { from, to, justification, message, source, at } = request;
    yield* lock(inboxName(to), pairName(from, to));
    if (yield* this.#inbox.has(to, 'request', from)) {
      if (!request.replace) return yield* this.#notStored(request, 'pending');
      yield* this.#inbox.remove(to, 'request', from);
    } else if (to !== SINK) {
      const full =
        (yield* this.#inbox.count(to, 'request')) >= request.perTarget ||
        (yield* this.#inbox.countOf(to, 'request', source)) >= request.perSource;
      if (full) return yield* this.#notStored(request, 'full');
    }
    yield* this.#inbox.add({
      target: to,
      kind: 'request',
      from,
      justification,
      accept: false,
      message,
      source,
      at,
    });
    if (to === SINK) yield* this.#inbox.trim(SINK, 'request', SINK_ENTRIES);
    if (yield* this.trusted(from, to, at)) return 'stored';
    if ((yield* this.#rows.half(from, to))?.kind === 'accepted') return 'stored';
    yield* this.#rows.putHalf(from, to, { kind: 'asked', message, at });
    const theirs = yield* this.#rows.half(to, from);
    if (theirs?.kind !== 'accepted') return 'stored';
    yield* this.#join(from, to, { request: message, accept: theirs.message });
    return 'paired';
  }

  *respond(response: HandshakeResponse): Steps<{ paired: boolean; delivered: boolean }> {
    const { from, to, accept, message, at } = response;
    yield* lock(inboxName(to), pairName(from, to));
    const asked = yield* this.#rows.half(to, from);
    const wasAsked = asked !== undefined && (asked.kind === 'accepted' || asked.at >= response.askedAfter);
    const wasPaired = yield* this.trusted(from, to, at);
    yield* this.#inbox.remove(from, 'request', to);
    let paired = wasPaired;
    if (accept) paired = wasPaired || (yield* this.#accept(from, to, message, at, response.askedAfter));
    else {
      if (asked?.kind === 'asked') yield* this.#rows.dropHalf(to, from);
      if ((yield* this.#rows.half(from, to))?.kind === 'asked') yield* this.#rows.dropHalf(from, to);
    }
    const delivered = wasAsked || wasPaired || response.deliverUnasked;
    if (delivered)
      yield* this.#deliver(to, { kind: 'response', from, accept, message, at }, response.perTarget);
    return { paired, delivered };
  }

  /** The newest of a kind and sender replaces the one before; the oldest of others gives way. */
  *#deliver(
    target: NodeId,
    entry: Pick<InboxEntry, 'kind' | 'from' | 'accept' | 'message' | 'at'>,
    limit: number,
  ): Steps<void> {
    yield* this.#inbox.remove(target, entry.kind, entry.from);
    yield* this.#inbox.add({ ...entry, target, justification: '', source: '' });
    yield* this.#inbox.trim(target, entry.kind, limit);
  }
  *#accept(
    from: NodeId,
    peer: NodeId,
    message: string,
    at: UnixMillis,
    askedAfter: UnixMillis,
  ): Steps<boolean> {
    const theirs = yield* this.#rows.half(peer, from);
    if (theirs !== undefined && (theirs.kind === 'accepted' || theirs.at >= askedAfter)) {
      yield* this.#join(from, peer, { request: theirs.message, accept: message });
      return true;
    }
    yield* this.#rows.putHalf(from, peer, { kind: 'accepted', message, at });
    return false;
  }
  /** Makes a pair of two words. Serials it had before stay used up. */
  *#join(a: NodeId, b: NodeId, proof: TrustProof): Steps<void> {
    yield* this.#rows.dropHalf(a, b);
    yield* this.#rows.dropHalf(b, a);
    yield* this.#rows.putPair(a, b, {
      proof,
      certificate: '',
      serial: (yield* this.#rows.pair(a, b))?.serial ?? 0,
      notAfter: undefined,
    });
  }
  *#notStored(request: HandshakeRequest, why: 'pending' | 'full'): Steps<'pending' | 'full'> {
    if (request.quiet && request.to !== SINK) yield* this.request({ ...request, to: SINK, replace: true });
    return why;
  }

  /** A tombstone never loses serials it covers, nor a document to a revocation that brings none. */
  *#bury(giver: NodeId, peer: NodeId, serial: number, { at, message, document }: Revocation): Steps<void> {
    const known = yield* this.#rows.tombstone(giver, peer);
    const keeps =
      document === undefined ||
      (known !== undefined && known.revocation !== '' && document.serial < known.serial);
    const revocation = keeps ? (known?.revocation ?? '') : document.text;
    const tombstone = { serial: Math.max(serial, known?.serial ?? 0), at, revocation };
    yield* this.#rows.putTombstone(giver, peer, tombstone, message);
    if (known === undefined) yield* this.#rows.trimTombstones(giver, TOMBSTONES_KEPT);
  }
}

/** What happens to one pair happens one after the other. */
function pairName(a: NodeId, b: NodeId): string {
  return `trust:${Math.min(a, b)}:${Math.max(a, b)}`;
}
function inboxName(target: NodeId): string {
  return `inbox:${target}`;
}
