/** The store of tests and throw-away registries: maps, nothing survives the process. */
import { toHex } from '../../base/bytes.ts';
import type { NetworkId, NodeId, UnixMillis } from '../../base/units.ts';
import { MemoryInbox } from './memory-inbox.ts';
import { MemoryNetworks } from './memory-networks.ts';
import { MemoryTrust } from './memory-trust.ts';
import { mayTakeHostname } from './rules.ts';
import type {
  HostnameRelease,
  NodePatch,
  NodeRecord,
  Registration,
  RegistrationOutcome,
  Store,
} from './store.ts';

export function memoryStore(): Store {
  const nodes = new Map<NodeId, NodeRecord>();
  const byKey = new Map<string, NodeId>();
  const byHostname = new Map<string, NodeId>();
  const inbox = new MemoryInbox();
  const trust = new MemoryTrust(inbox);
  const networks = new MemoryNetworks();
  let nextNode: NodeId = 1;

  function named(hostname: string): NodeRecord | undefined {
    const id = byHostname.get(hostname);
    return id === undefined ? undefined : nodes.get(id);
  }
  /** Gives the name to `id` or returns who holds it. */
  function claim(id: NodeId, hostname: string, release: HostnameRelease): NodeRecord | undefined {
    const node = nodes.get(id)!;
    if (hostname !== '') {
      const holder = named(hostname);
      if (holder !== undefined && holder.id !== id) {
        if (!mayTakeHostname(holder, release)) return holder;
        nodes.set(holder.id, { ...holder, hostname: '' });
      }
    }
    if (node.hostname !== '') byHostname.delete(node.hostname);
    if (hostname !== '') byHostname.set(hostname, id);
    nodes.set(id, { ...node, hostname });
    return undefined;
  }

  async function register(input: Registration): Promise<RegistrationOutcome> {
    const key = toHex(input.publicKey);
    const knownId = byKey.get(key);
    let created = false;
    let moved = false;
    if (knownId !== undefined) {
      const known = nodes.get(knownId)!;
      if (known.proven && !input.proven) return { kind: 'proof_required' };
      moved = known.endpoint !== input.endpoint || known.lan.join() !== input.lan.join();
      nodes.set(known.id, {
        ...known,
        endpoint: input.endpoint,
        lan: [...input.lan],
        version: input.version === '' ? known.version : input.version,
        owner: known.owner === '' ? input.owner : known.owner,
        relayOnly: input.relayOnly,
        proven: known.proven || input.proven,
        registered: true,
        lastSeen: input.at,
      });
    } else {
      if (nodes.size >= input.maxNodes) return { kind: 'full' };
      created = true;
      const id = nextNode++;
      byKey.set(key, id);
      nodes.set(id, freshRecord(id, input));
    }
    const id = knownId ?? byKey.get(key)!;
    const hostnameHolder =
      input.hostname === undefined ? undefined : claim(id, input.hostname, input.release);
    return {
      kind: created ? 'created' : 'known',
      node: nodes.get(id)!,
      moved,
      ...(hostnameHolder === undefined ? {} : { hostnameHolder }),
    };
  }

  return {
    node: async (id) => nodes.get(id),
    async nodeByKey(publicKey) {
      const id = byKey.get(toHex(publicKey));
      return id === undefined ? undefined : nodes.get(id);
    },
    nodeByHostname: async (hostname) => named(hostname),
    listNodes: async (after, limit) =>
      [...nodes.values()]
        .filter((node) => node.id > after)
        .sort((a, b) => a.id - b.id)
        .slice(0, limit),
    counts: async () => ({ nodes: nodes.size, networks: networks.size }),
    register,
    async patchNode(id, patch, at) {
      const node = nodes.get(id);
      if (node === undefined) return undefined;
      const changed = applyPatch(node, patch, at);
      nodes.set(id, changed);
      return changed;
    },
    async setHostname(id, hostname, release) {
      if (!nodes.has(id)) return 'no_node';
      const holder = claim(id, hostname, release);
      return holder === undefined ? 'set' : { holder };
    },
    async rotateKey(id, publicKey, at) {
      const node = nodes.get(id);
      if (node === undefined) return 'no_node';
      const key = toHex(publicKey);
      if (byKey.has(key)) return 'key_in_use';
      byKey.delete(toHex(node.publicKey));
      byKey.set(key, id);
      const changed = {
        ...node,
        publicKey,
        keyRotatedAt: at,
        keyRotations: node.keyRotations + 1,
        lastSeen: at,
      };
      nodes.set(id, changed);
      return changed;
    },
    async deregister(id) {
      const node = nodes.get(id);
      if (node === undefined || !node.registered) return false;
      nodes.set(id, { ...node, registered: false });
      return true;
    },
    touch(id, at) {
      const node = nodes.get(id);
      if (node !== undefined && at > node.lastSeen) nodes.set(id, { ...node, lastSeen: at });
    },
    trusted: async (a, b) => trust.trusted(a, b),
    trustProof: async (a, b) => trust.proof(a, b),
    trustPeers: async (id, limit) => trust.peers(id, limit),
    reportTrust: async (from, peer, at, askedAfter) => trust.report(from, peer, at, askedAfter),
    revokeTrust: async (revocation) => trust.revoke(revocation),
    requestHandshake: async (request) => trust.request(request),
    respondHandshake: async (response) => trust.respond(response),
    takeInbox: async (node) => inbox.take(node),
    pollInbox: async (node, ack, limit) => inbox.poll(node, ack, limit),
    createNetwork: async (network) => networks.create(network),
    network: async (id: NetworkId) => networks.record(id),
    listNetworks: async (limit) => networks.list(limit),
    joinNetwork: async (id, node) => networks.join(id, node),
    leaveNetwork: async (id, node) => networks.leave(id, node),
    members: async (id, limit) => networks.members(id, limit),
    networksOf: async (node) => networks.of(node),
    close: async () => {},
  };
}

function freshRecord(id: NodeId, input: Registration): NodeRecord {
  return {
    id,
    publicKey: input.publicKey,
    owner: input.owner,
    endpoint: input.endpoint,
    lan: [...input.lan],
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
