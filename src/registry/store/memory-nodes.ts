import { toHex } from '../../base/bytes.ts';
import type { NodeId, UnixMillis } from '../../base/units.ts';
import { hasMoved, isListed, mayTakeHostname, nodeTerms, ROTATIONS_KEPT } from './rules.ts';
import type {
  DescribedNode,
  HostnameRelease,
  NodeDocuments,
  NodePatch,
  NodeRecord,
  PublishedRecord,
  Registration,
  RegistrationOutcome,
} from './store.ts';

/** Node records, what nodes signed of themselves, and the keys they had. */
export class MemoryNodes {
  readonly #nodes = new Map<NodeId, NodeRecord>();
  readonly #byKey = new Map<string, NodeId>();
  readonly #byHostname = new Map<string, NodeId>();
  readonly #retired = new Map<string, NodeId>();
  readonly #rotations = new Map<NodeId, string[]>();
  readonly #published = new Map<NodeId, PublishedRecord>();
  readonly #byTerm = new Map<string, Set<NodeId>>();
  readonly #indexed = new Map<NodeId, readonly string[]>();
  #next: NodeId = 1;

  get size(): number {
    return this.#nodes.size;
  }
  byId(id: NodeId): NodeRecord | undefined {
    return this.#nodes.get(id);
  }
  byKey(publicKey: Uint8Array): NodeRecord | undefined {
    const id = this.#byKey.get(toHex(publicKey));
    return id === undefined ? undefined : this.#nodes.get(id);
  }
  byHostname(hostname: string): NodeRecord | undefined {
    const id = this.#byHostname.get(hostname);
    return id === undefined ? undefined : this.#nodes.get(id);
  }
  list(after: NodeId, limit: number): NodeRecord[] {
    return [...this.#nodes.values()]
      .filter((node) => node.id > after)
      .sort((a, b) => a.id - b.id)
      .slice(0, limit);
  }

  onlineCount(since: UnixMillis): number {
    return [...this.#nodes.values()].filter((node) => node.registered && node.lastSeen > since).length;
  }

  register(input: Registration): RegistrationOutcome {
    const key = toHex(input.publicKey);
    const known = this.byKey(input.publicKey);
    let moved = false;
    if (known !== undefined) {
      if (known.proven && !input.proven) return { kind: 'proof_required' };
      moved = hasMoved(known, input);
      this.#put({
        ...known,
        endpoint: input.endpoint,
        lan: [...input.lan],
        beacons: [...input.beacons],
        version: input.version === '' ? known.version : input.version,
        owner: known.owner === '' ? input.owner : known.owner,
        relayOnly: input.relayOnly,
        proven: known.proven || input.proven,
        registered: true,
        lastSeen: input.at,
      });
    } else {
      if (this.#retired.has(key)) return { kind: 'retired' };
      if (this.#nodes.size >= input.maxNodes) return { kind: 'full' };
      const id = this.#next++;
      this.#byKey.set(key, id);
      this.#put(freshRecord(id, input));
    }
    const id = known?.id ?? this.#byKey.get(key)!;
    const hostnameHolder =
      input.hostname === undefined ? undefined : this.#claim(id, input.hostname, input.release);
    return {
      kind: known === undefined ? 'created' : 'known',
      node: this.#nodes.get(id)!,
      moved,
      ...(hostnameHolder === undefined ? {} : { hostnameHolder }),
    };
  }

  patch(id: NodeId, patch: NodePatch, at: UnixMillis): NodeRecord | undefined {
    const node = this.#nodes.get(id);
    return node === undefined ? undefined : this.#put(applyPatch(node, patch, at));
  }
  setHostname(
    id: NodeId,
    hostname: string,
    release: HostnameRelease,
  ): 'set' | 'no_node' | { readonly holder: NodeRecord } {
    if (!this.#nodes.has(id)) return 'no_node';
    const holder = this.#claim(id, hostname, release);
    return holder === undefined ? 'set' : { holder };
  }
  deregister(id: NodeId): boolean {
    const node = this.#nodes.get(id);
    if (node === undefined || !node.registered) return false;
    this.#put({ ...node, registered: false });
    return true;
  }
  touch(id: NodeId, at: UnixMillis): void {
    const node = this.#nodes.get(id);
    if (node !== undefined && at > node.lastSeen) this.#nodes.set(id, { ...node, lastSeen: at });
  }

  rotateKey(
    id: NodeId,
    publicKey: Uint8Array,
    at: UnixMillis,
    document = '',
  ): NodeRecord | 'no_node' | 'key_in_use' {
    const node = this.#nodes.get(id);
    if (node === undefined) return 'no_node';
    const key = toHex(publicKey);
    if (this.#byKey.has(key) || this.#retired.has(key)) return 'key_in_use';
    const old = toHex(node.publicKey);
    this.#byKey.delete(old);
    this.#byKey.set(key, id);
    if (document !== '') {
      this.#retired.set(old, id);
      const kept = [...(this.#rotations.get(id) ?? []), document];
      this.#rotations.set(id, kept.slice(-ROTATIONS_KEPT));
    }
    this.#published.delete(id);
    const keyRotations = node.keyRotations + 1;
    return this.#put({ ...node, publicKey, keyRotatedAt: at, keyRotations, lastSeen: at });
  }
  ownerOfRetired(publicKey: Uint8Array): NodeId | undefined {
    return this.#retired.get(toHex(publicKey));
  }
  documents(id: NodeId): NodeDocuments {
    return {
      record: this.#published.get(id)?.document ?? '',
      rotations: [...(this.#rotations.get(id) ?? [])],
    };
  }
  publish(id: NodeId, record: PublishedRecord): 'stored' | 'older' | 'no_node' {
    const node = this.#nodes.get(id);
    if (node === undefined) return 'no_node';
    const known = this.#published.get(id);
    if (known !== undefined && known.sequence >= record.sequence)
      return known.sequence === record.sequence && known.document === record.document ? 'stored' : 'older';
    this.#published.set(id, record);
    this.#index(node);
    return 'stored';
  }
  find(term: string, after: NodeId, limit: number): DescribedNode[] {
    const ids = [...(this.#byTerm.get(term) ?? [])].filter((id) => id > after).sort((a, b) => a - b);
    return this.describe(ids.slice(0, limit));
  }
  describe(ids: readonly NodeId[]): DescribedNode[] {
    const nodes = ids.map((id) => this.#nodes.get(id)).filter((node) => node?.registered === true);
    return nodes.map((node) => ({
      node: node!,
      record: this.#published.get(node!.id)?.document ?? '',
      terms: nodeTerms(node!, this.#published.get(node!.id)?.terms ?? []),
    }));
  }

  /** Gives the name to `id` or returns who holds it. */
  #claim(id: NodeId, hostname: string, release: HostnameRelease): NodeRecord | undefined {
    const node = this.#nodes.get(id)!;
    if (hostname !== '') {
      const holder = this.byHostname(hostname);
      if (holder !== undefined && holder.id !== id) {
        if (!mayTakeHostname(holder, release)) return holder;
        this.#put({ ...holder, hostname: '' });
      }
    }
    if (node.hostname !== '') this.#byHostname.delete(node.hostname);
    if (hostname !== '') this.#byHostname.set(hostname, id);
    this.#put({ ...node, hostname });
    return undefined;
  }
  #put(node: NodeRecord): NodeRecord {
    this.#nodes.set(node.id, node);
    this.#index(node);
    return node;
  }
  #index(node: NodeRecord): void {
    for (const term of this.#indexed.get(node.id) ?? []) this.#byTerm.get(term)?.delete(node.id);
    this.#indexed.delete(node.id);
    if (!isListed(node)) return;
    const terms = nodeTerms(node, this.#published.get(node.id)?.terms ?? []);
    this.#indexed.set(node.id, terms);
    for (const term of terms) {
      const found = this.#byTerm.get(term) ?? new Set();
      this.#byTerm.set(term, found.add(node.id));
    }
  }
}

function freshRecord(id: NodeId, input: Registration): NodeRecord {
  return {
    id,
    publicKey: input.publicKey,
    owner: input.owner,
    endpoint: input.endpoint,
    lan: [...input.lan],
    beacons: [...input.beacons],
    public: false,
    hostname: '',
    tags: [],
    poloScore: 0,
    taskExec: false,
    version: input.version,
    relayOnly: input.relayOnly,
    proven: input.proven,
    registered: true,
    lastSeen: input.at,
    keyCreatedAt: input.at,
    keyRotatedAt: undefined,
    keyRotations: 0,
    keyExpiresAt: undefined,
  };
}

function applyPatch(node: NodeRecord, patch: NodePatch, at: UnixMillis): NodeRecord {
  return {
    ...node,
    public: patch.public ?? node.public,
    tags: patch.tags === undefined ? node.tags : [...patch.tags],
    taskExec: patch.taskExec ?? node.taskExec,
    poloScore: patch.poloScore ?? node.poloScore,
    keyExpiresAt: patch.keyExpiresAt === undefined ? node.keyExpiresAt : (patch.keyExpiresAt ?? undefined),
    lastSeen: patch.poloScore === undefined ? node.lastSeen : Math.max(at, node.lastSeen),
  };
}
