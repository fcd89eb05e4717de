/** The store of tests and throw-away registries: maps, nothing survives the process. */
import type { NetworkId } from '../../base/units.ts';
import { MemoryAudit } from './memory-audit.ts';
import { MemoryInbox } from './memory-inbox.ts';
import { MemoryInvites } from './memory-invites.ts';
import { MemoryNetworks } from './memory-networks.ts';
import { MemoryNodes } from './memory-nodes.ts';
import { MemoryTokens } from './memory-tokens.ts';
import { MemoryTrust } from './memory-trust.ts';
import { MemoryWebhooks } from './memory-webhooks.ts';
import { runNow, type Steps } from './steps.ts';
import type { Store } from './store.ts';
import { TrustLedger } from './trust-ledger.ts';

export function memoryStore(): Store {
  const nodes = new MemoryNodes();
  const inbox = new MemoryInbox();
  const trustRows = new MemoryTrust();
  const trust = new TrustLedger(trustRows, inbox);
  const invites = new MemoryInvites();
  const networks = new MemoryNetworks(invites);
  const audit = new MemoryAudit();
  const tokens = new MemoryTokens();
  const webhooks = new MemoryWebhooks();

  const store: Store = {
    node: async (id) => nodes.byId(id),
    identity: async (id) => nodes.byId(id),
    nodeByKey: async (publicKey) => nodes.byKey(publicKey),
    nodeByHostname: async (hostname) => nodes.byHostname(hostname),
    listNodes: async (after, limit) => nodes.list(after, limit),
    counts: async () => ({ nodes: nodes.size, networks: networks.size }),
    onlineCount: async (since) => nodes.onlineCount(since),
    register: async (registration) => nodes.register(registration),
    patchNode: async (id, patch, at) => nodes.patch(id, patch, at),
    setHostname: async (id, hostname, release) => nodes.setHostname(id, hostname, release),
    rotateKey: async (id, publicKey, at, document) => nodes.rotateKey(id, publicKey, at, document),
    nodeDocuments: async (id) => nodes.documents(id),
    nodeByRetiredKey: async (publicKey) => nodes.ownerOfRetired(publicKey),
    publishRecord: async (id, record) => nodes.publish(id, record),
    findNodes: async (term, after, limit) => nodes.find(term, after, limit),
    describeNodes: async (ids) => nodes.describe(ids),
    deregister: async (id) => nodes.deregister(id),
    touch: (id, at) => nodes.touch(id, at),
    trusted: async (a, b, at) => settled(trust.trusted(a, b, at)),
    gaveWord: async (giver, peer) => settled(trust.gaveWord(giver, peer)),
    trustProof: async (a, b) => settled(trust.proof(a, b)),
    trustDocuments: async (a, b) => settled(trust.documents(a, b)),
    listTrust: async (after, limit, at) => trustRows.list(after, limit, at),
    trustPeers: async (id, limit, at) => trustRows.peers(id, limit, at),
    certifyTrust: async (certified) => settled(trust.certify(certified)),
    reportTrust: async (from, peer, at, askedAfter) => settled(trust.report(from, peer, at, askedAfter)),
    revokeTrust: async (revocation) => settled(trust.revoke(revocation)),
    requestHandshake: async (request) => settled(trust.request(request)),
    respondHandshake: async (response) => settled(trust.respond(response)),
    takeInbox: async (node) => inbox.take(node),
    pollInbox: async (node, ack, limit) => inbox.poll(node, ack, limit),
    createNetwork: async (network) => networks.create(network),
    network: async (id: NetworkId) => networks.record(id),
    networkByName: async (name) => networks.byName(name),
    listNetworks: async (limit, viewer = 0, after = 0) => networks.list(limit, viewer, after),
    allNetworks: async (after, limit) => networks.listAll(after, limit),
    patchNetwork: async (id, patch) => networks.patch(id, patch),
    renameNetwork: async (id, name) => networks.rename(id, name),
    deleteNetwork: async (id) => networks.delete(id),
    joinNetwork: async (admission) => networks.join(admission),
    removeMember: async (id, node, except) => networks.remove(id, node, except),
    member: async (id, node) => networks.member(id, node),
    members: async (id, limit, after = 0) => networks.members(id, limit, after),
    owner: async (id) => networks.owner(id),
    changeRole: async (id, node, from, to) => networks.changeRole(id, node, from, to),
    transferNetwork: async (id, from, to, perOwner) => networks.transfer(id, from, to, perOwner),
    setMemberTags: async (id, node, tags) => networks.setTags(id, node, tags),
    networksOf: async (node) => networks.of(node),
    membershipsOf: async (node, limit, after = 0) => networks.membershipsOf(node, limit, after),
    sharedNetworks: async (node, peer) => networks.shared(node, peer),
    invite: async (invite) => networks.invite(invite),
    invites: async (target, since, limit) => invites.list(target, since, limit),
    acceptInvite: async (admission, expiredBefore) => networks.accept(admission, expiredBefore),
    declineInvite: async (id, target, expiredBefore) => invites.decline(id, target, expiredBefore),
    async audited(change, record) {
      const outcome = await change(store);
      audit.note(record(outcome));
      return outcome;
    },
    sealAudit: async (limit, seal) => audit.seal(limit, seal),
    auditEntries: async (query) => audit.entries(query),
    auditBounds: async () => audit.bounds(),
    pruneAudit: async (upTo, limit) => audit.prune(upTo, limit),
    addToken: async (token, most) => tokens.add(token, most),
    token: async (id) => tokens.byId(id),
    tokens: async (limit) => tokens.list(limit),
    revokeToken: async (id, at) => tokens.revoke(id, at),
    tokenUsed: async (id, at) => tokens.used(id, at),
    addWebhook: async (webhook, most) => webhooks.add(webhook, most),
    webhook: async (id) => webhooks.byId(id),
    webhooks: async () => webhooks.list(),
    patchWebhook: async (id, patch) => webhooks.patch(id, patch),
    removeWebhook: async (id) => webhooks.remove(id),
    leaseWebhook: async (id, owner, at, until) => webhooks.lease(id, owner, at, until),
    settleRound: async (round) => webhooks.settle(round),
    dueDeliveries: async (id, at, limit) => webhooks.due(id, at, limit),
    countDeliveries: async (id) => webhooks.count(id),
    deadDeliveries: async (id, limit) => webhooks.dead(id, limit),
    redeliver: async (id, seq, at, which) => webhooks.redeliver(id, seq, at, which),
    close: async () => {},
  };
  return store;
}

/** The steps of rows in memory need no statement. */
function settled<T>(steps: Steps<T>): T {
  return runNow(steps, () => ({ rows: [], changes: 0 }));
}
