import type { NodeId, UnixMillis } from '../../base/units.ts';
import type { MemoryInbox } from './memory-inbox.ts';
import { SINK, SINK_ENTRIES } from './rules.ts';
import type { HandshakeRequest, HandshakeResponse, Revocation, TrustProof } from './store.ts';

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
}

/** Trust pairs and the halves they grow from. spec/11 §7 */
export class MemoryTrust {
  readonly #inbox: MemoryInbox;
  readonly #pairs = new Map<string, Pair>();
  readonly #halves = new Map<string, Half>();

  constructor(inbox: MemoryInbox) {
    this.#inbox = inbox;
  }

  trusted(a: NodeId, b: NodeId): boolean {
    return this.#pairs.has(pairKey(a, b));
  }
  proof(a: NodeId, b: NodeId): TrustProof | undefined {
    return this.#pairs.get(pairKey(a, b))?.proof;
  }
  peers(id: NodeId, limit: number): NodeId[] {
    const found: NodeId[] = [];
    for (const { low, high } of this.#pairs.values()) {
      if (low === id) found.push(high);
      else if (high === id) found.push(low);
    }
    return found.sort((a, b) => a - b).slice(0, limit);
  }

  report(from: NodeId, peer: NodeId, at: UnixMillis, askedAfter: UnixMillis): 'paired' | 'half' {
    if (this.trusted(from, peer)) return 'paired';
    return this.#accept(from, peer, '', at, askedAfter) ? 'paired' : 'half';
  }

  revoke({ from, peer, message, at, deliver, perTarget }: Revocation): {
    existed: boolean;
    delivered: boolean;
  } {
    const paired = this.#pairs.delete(pairKey(from, peer));
    const own = this.#halves.delete(halfKey(from, peer));
    const theirs = this.#halves.delete(halfKey(peer, from));
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
    const key = halfKey(from, to);
    if (this.trusted(from, to) || this.#halves.get(key)?.kind === 'accepted') return 'stored';
    this.#halves.set(key, { kind: 'asked', message, at });
    const theirs = this.#halves.get(halfKey(to, from));
    if (theirs?.kind === 'accepted') this.#pair(from, to, { request: message, accept: theirs.message });
    return 'stored';
  }

  respond(response: HandshakeResponse): { paired: boolean; delivered: boolean } {
    const { from, to, accept, message, at } = response;
    const asked = this.#halves.get(halfKey(to, from));
    const wasAsked = asked !== undefined && (asked.kind === 'accepted' || asked.at >= response.askedAfter);
    const wasPaired = this.trusted(from, to);
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
      this.#pair(from, peer, { request: theirs.message, accept: message });
      return true;
    }
    this.#halves.set(halfKey(from, peer), { kind: 'accepted', message, at });
    return false;
  }
  #pair(a: NodeId, b: NodeId, proof: TrustProof): void {
    this.#halves.delete(halfKey(a, b));
    this.#halves.delete(halfKey(b, a));
    this.#pairs.set(pairKey(a, b), { low: Math.min(a, b), high: Math.max(a, b), proof });
  }
}

function pairKey(a: NodeId, b: NodeId): string {
  return a < b ? `${a}:${b}` : `${b}:${a}`;
}
function halfKey(from: NodeId, to: NodeId): string {
  return `${from}>${to}`;
}
