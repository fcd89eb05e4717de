import type { NodeId, UnixMillis } from '../../base/units.ts';
import type { MemoryInbox } from './memory-inbox.ts';
import { lastsBeyond, SINK, SINK_ENTRIES, TOMBSTONES_KEPT } from './rules.ts';
import type {
  CertifiedTrust,
  HandshakeRequest,
  HandshakeResponse,
  Revocation,
  TrustDocuments,
  TrustProof,
} from './store.ts';

/** One side's signed word: it asked (which expires) or it accepted (which holds until revoked). */
interface Half {
  readonly kind: 'asked' | 'accepted';
  readonly message: string;
  readonly at: UnixMillis;
}

interface Pair {
  readonly low: NodeId;
  readonly high: NodeId;
  readonly proof: TrustProof;
  readonly certificate: string;
  readonly serial: number;
  readonly notAfter: UnixMillis | undefined;
}

interface Tombstone {
  readonly giver: NodeId;
  readonly peer: NodeId;
  readonly serial: number;
  readonly at: UnixMillis;
  readonly revocation: string;
}

/** Trust pairs, the halves they grow from, and the tombstones they leave. spec/11 §7 */
export class MemoryTrust {
  readonly #inbox: MemoryInbox;
  readonly #pairs = new Map<string, Pair>();
  readonly #halves = new Map<string, Half>();
  readonly #tombstones = new Map<string, Tombstone>();

  constructor(inbox: MemoryInbox) {
    this.#inbox = inbox;
  }

  trusted(a: NodeId, b: NodeId, at: UnixMillis): boolean {
    const pair = this.#pair(a, b);
    return pair !== undefined && lastsBeyond(pair.notAfter, at);
  }
  proof(a: NodeId, b: NodeId): TrustProof | undefined {
    return this.#pair(a, b)?.proof;
  }
  gaveWord(giver: NodeId, peer: NodeId): boolean {
    return this.#halves.has(halfKey(giver, peer));
  }
  documents(a: NodeId, b: NodeId): TrustDocuments {
    const [newest] = [this.#tombstone(a, b), this.#tombstone(b, a)]
      .filter((tombstone) => tombstone !== undefined)
      .filter(({ revocation }) => revocation !== '')
      .sort((x, y) => y.serial - x.serial || y.at - x.at || x.giver - y.giver);
    return { certificate: this.#pair(a, b)?.certificate ?? '', revocation: newest?.revocation ?? '' };
  }
  peers(id: NodeId, limit: number, at: UnixMillis): NodeId[] {
    const found: NodeId[] = [];
    for (const { low, high, notAfter } of this.#pairs.values()) {
      if (!lastsBeyond(notAfter, at)) continue;
      if (low === id) found.push(high);
      if (high === id) found.push(low);
    }
    return [...new Set(found)].sort((a, b) => a - b).slice(0, limit);
  }

  report(from: NodeId, peer: NodeId, at: UnixMillis, askedAfter: UnixMillis): 'paired' | 'half' {
    if (this.trusted(from, peer, at)) return 'paired';
    return this.#accept(from, peer, '', at, askedAfter) ? 'paired' : 'half';
  }

  certify({ a, b, serial, notAfter, text }: CertifiedTrust): 'stored' | 'older' | 'revoked' {
    if (serial <= Math.max(this.#tombstone(a, b)?.serial ?? 0, this.#tombstone(b, a)?.serial ?? 0))
      return 'revoked';
    const known = this.#pair(a, b);
    if (known !== undefined && known.serial >= serial) {
      return known.serial === serial && known.certificate === text ? 'stored' : 'older';
    }
    this.#halves.delete(halfKey(a, b));
    this.#halves.delete(halfKey(b, a));
    const proof = known?.proof ?? { request: '', accept: '' };
    this.#putPair(a, b, { proof, certificate: text, serial, notAfter });
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
    const paired = this.#pairs.delete(pairKey(from, peer));
    const own = this.#halves.delete(halfKey(from, peer));
    const theirs = this.#halves.delete(halfKey(peer, from));
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
    const key = halfKey(from, to);
    if (this.trusted(from, to, at) || this.#halves.get(key)?.kind === 'accepted') return 'stored';
    this.#halves.set(key, { kind: 'asked', message, at });
    const theirs = this.#halves.get(halfKey(to, from));
    if (theirs?.kind === 'accepted') this.#join(from, to, { request: message, accept: theirs.message });
    return 'stored';
  }

  respond(response: HandshakeResponse): { paired: boolean; delivered: boolean } {
    const { from, to, accept, message, at } = response;
    const asked = this.#halves.get(halfKey(to, from));
    const wasAsked = asked !== undefined && (asked.kind === 'accepted' || asked.at >= response.askedAfter);
    const wasPaired = this.trusted(from, to, at);
    this.#inbox.remove(from, 'request', to);
    let paired = wasPaired;
    if (accept) paired = wasPaired || this.#accept(from, to, message, at, response.askedAfter);
    else {
      if (asked?.kind === 'asked') this.#halves.delete(halfKey(to, from));
      if (this.#halves.get(halfKey(from, to))?.kind === 'asked') this.#halves.delete(halfKey(from, to));
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
    const theirs = this.#halves.get(halfKey(peer, from));
    if (theirs !== undefined && (theirs.kind === 'accepted' || theirs.at >= askedAfter)) {
      this.#join(from, peer, { request: theirs.message, accept: message });
      return true;
    }
    this.#halves.set(halfKey(from, peer), { kind: 'accepted', message, at });
    return false;
  }
  /** Makes a pair of two words. Serials it had before stay used up. */
  #join(a: NodeId, b: NodeId, proof: TrustProof): void {
    this.#halves.delete(halfKey(a, b));
    this.#halves.delete(halfKey(b, a));
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
    return this.#pairs.get(pairKey(a, b));
  }
  #putPair(a: NodeId, b: NodeId, pair: Omit<Pair, 'low' | 'high'>): void {
    this.#pairs.set(pairKey(a, b), { low: Math.min(a, b), high: Math.max(a, b), ...pair });
  }
  #tombstone(giver: NodeId, peer: NodeId): Tombstone | undefined {
    return this.#tombstones.get(halfKey(giver, peer));
  }
  /** A tombstone never loses serials it covers, nor a document to a revocation that brings none. */
  #bury(giver: NodeId, peer: NodeId, serial: number, { at, document }: Revocation): void {
    const known = this.#tombstone(giver, peer);
    const keeps =
      document === undefined ||
      (known !== undefined && known.revocation !== '' && document.serial < known.serial);
    this.#tombstones.set(halfKey(giver, peer), {
      giver,
      peer,
      serial: Math.max(serial, known?.serial ?? 0),
      at,
      revocation: keeps ? (known?.revocation ?? '') : document.text,
    });
    if (known !== undefined) return;
    const own = [...this.#tombstones.values()].filter((tombstone) => tombstone.giver === giver);
    const surplus = own.sort((x, y) => y.at - x.at || y.peer - x.peer).slice(TOMBSTONES_KEPT);
    for (const tombstone of surplus) this.#tombstones.delete(halfKey(tombstone.giver, tombstone.peer));
  }
}

function pairKey(a: NodeId, b: NodeId): string {
  return a < b ? `${a}:${b}` : `${b}:${a}`;
}
function halfKey(from: NodeId, to: NodeId): string {
  return `${from}>${to}`;
}
