import type { AuditFacts } from '../../../wire/audit-entry.ts';
import type { Steps } from '../steps.ts';
import type { Store } from '../store.ts';
import { TrustLedger } from '../trust-ledger.ts';
import { AuditTable } from './audit.ts';
import { DocumentTable } from './documents.ts';
import { InboxTable } from './inbox.ts';
import { InviteTable } from './invites.ts';
import { NetworkTable } from './networks.ts';
import { NodeTable, type Remembered } from './nodes.ts';
import { TokenTable } from './tokens.ts';
import { TrustTables } from './trust.ts';
import { WebhookTable } from './webhooks.ts';

/** Runs steps over a database. `work` makes them anew for every try. */
export interface Engine {
  /** At most one statement, which changes nothing. */
  read<T>(work: () => Steps<T>): Promise<T>;
  /** Statements that change nothing and see one state of the database. */
  view<T>(work: () => Steps<T>): Promise<T>;
  /** All or nothing; settles when it is durable. */
  write<T>(work: () => Steps<T>): Promise<T>;
}

export type Tables = ReturnType<typeof createTables>;

export function createTables(remembered: Remembered) {
  const documents = new DocumentTable();
  const inbox = new InboxTable();
  const trustRows = new TrustTables();
  const networks = new NetworkTable();
  return {
    documents,
    nodes: new NodeTable(documents, remembered),
    inbox,
    trustRows,
    trust: new TrustLedger(trustRows, inbox),
    networks,
    invites: new InviteTable(networks),
    audit: new AuditTable(),
    tokens: new TokenTable(),
    webhooks: new WebhookTable(),
  };
}

/** What engines do in their own way. */
export type OwnOfEngine = 'identity' | 'onlineCount' | 'touch' | 'close';

/** The store's port over the tables. */
export function storeOver(engine: Engine, tables: Tables): Omit<Store, OwnOfEngine> {
  const { documents, nodes, inbox, trustRows, trust, networks, invites, audit, tokens, webhooks } = tables;
  const { read, view, write } = engine;

  return {
    node: (id) => read(() => nodes.byId(id)),
    nodeByKey: (publicKey) => read(() => nodes.byKey(publicKey)),
    nodeByHostname: (hostname) => read(() => nodes.byHostname(hostname)),
    listNodes: (after, limit) => read(() => nodes.list(after, limit)),
    counts: () =>
      view(function* () {
        return { nodes: yield* nodes.count(), networks: yield* networks.count() };
      }),
    register: (registration) => write(() => nodes.register(registration)),
    patchNode: (id, patch, at) => write(() => nodes.patch(id, patch, at)),
    setHostname: (id, hostname, release) => write(() => nodes.setHostname(id, hostname, release)),
    rotateKey: (id, publicKey, at, document) => write(() => nodes.rotateKey(id, publicKey, at, document)),
    nodeDocuments: (id) => view(() => documents.documents(id)),
    nodeByRetiredKey: (publicKey) => read(() => documents.ownerOfRetired(publicKey)),
    publishRecord: (id, record) => write(() => nodes.publish(id, record)),
    findNodes: (term, after, limit) =>
      view(function* () {
        return yield* nodes.describe(yield* documents.find(term, after, limit));
      }),
    describeNodes: (ids) => view(() => nodes.describe(ids)),
    deregister: (id) => write(() => nodes.deregister(id)),
    trusted: (a, b, at) => read(() => trust.trusted(a, b, at)),
    gaveWord: (giver, peer) => read(() => trust.gaveWord(giver, peer)),
    trustProof: (a, b) => read(() => trust.proof(a, b)),
    trustDocuments: (a, b) => view(() => trust.documents(a, b)),
    listTrust: (after, limit, at) => read(() => trustRows.list(after, limit, at)),
    trustPeers: (id, limit, at) => read(() => trustRows.peers(id, limit, at)),
    certifyTrust: (certified) => write(() => trust.certify(certified)),
    reportTrust: (from, peer, at, askedAfter) => write(() => trust.report(from, peer, at, askedAfter)),
    revokeTrust: (revocation) => write(() => trust.revoke(revocation)),
    requestHandshake: (request) => write(() => trust.request(request)),
    respondHandshake: (response) => write(() => trust.respond(response)),
    async takeInbox(node) {
      // Most polls find nothing, and reading costs no sync.
      const empty = await read(() => inbox.isEmpty(node, Number.MAX_SAFE_INTEGER));
      return empty ? [] : write(() => inbox.take(node));
    },
    async pollInbox(node, ack, limit) {
      const nothingToDrop = await read(() => inbox.isEmpty(node, ack));
      if (!nothingToDrop) await write(() => inbox.acknowledge(node, ack));
      return read(() => inbox.list(node, limit));
    },
    createNetwork: (network) => write(() => networks.create(network)),
    network: (id) => read(() => networks.record(id)),
    networkByName: (name) => read(() => networks.byName(name)),
    listNetworks: (limit, viewer = 0, after = 0) => view(() => networks.list(limit, viewer, after)),
    allNetworks: (after, limit) => read(() => networks.listAll(after, limit)),
    patchNetwork: (id, patch) => write(() => networks.patch(id, patch)),
    renameNetwork: (id, name) => write(() => networks.rename(id, name)),
    deleteNetwork: (id) => write(() => networks.delete(id)),
    joinNetwork: (admission) => write(() => networks.join(admission)),
    removeMember: (id, node, except) => write(() => networks.remove(id, node, except)),
    member: (id, node) => read(() => networks.member(id, node)),
    members: (id, limit, after = 0) => read(() => networks.members(id, limit, after)),
    owner: (id) => read(() => networks.owner(id)),
    changeRole: (id, node, from, to) => write(() => networks.changeRole(id, node, from, to)),
    transferNetwork: (id, from, to, perOwner) => write(() => networks.transfer(id, from, to, perOwner)),
    setMemberTags: (id, node, tags) => write(() => networks.setTags(id, node, tags)),
    networksOf: (node) => read(() => networks.of(node)),
    membershipsOf: (node, limit, after = 0) => read(() => networks.membershipsOf(node, limit, after)),
    sharedNetworks: (node, peer) => read(() => networks.shared(node, peer)),
    invite: (invite) => write(() => invites.add(invite)),
    invites: (target, since, limit) => read(() => invites.list(target, since, limit)),
    acceptInvite: (admission, expiredBefore) => write(() => invites.accept(admission, expiredBefore)),
    declineInvite: (id, target, expiredBefore) => write(() => invites.decline(id, target, expiredBefore)),
    audited: (change, record) => change(storeOver(recording(engine, tables.audit, record), tables)),
    sealAudit: (limit, seal) => write(() => audit.seal(limit, seal)),
    auditEntries: (query) => view(() => audit.entries(query)),
    auditBounds: () => read(() => audit.bounds()),
    pruneAudit: (upTo, limit) => write(() => audit.prune(upTo, limit)),
    addToken: (token, most) => write(() => tokens.add(token, most)),
    token: (id) => read(() => tokens.byId(id)),
    tokens: (limit) => read(() => tokens.list(limit)),
    revokeToken: (id, at) => write(() => tokens.revoke(id, at)),
    tokenUsed: (id, at) => write(() => tokens.used(id, at)),
    addWebhook: (webhook, most) => write(() => webhooks.add(webhook, most)),
    webhook: (id) => read(() => webhooks.byId(id)),
    webhooks: () => read(() => webhooks.list()),
    patchWebhook: (id, patch) => write(() => webhooks.patch(id, patch)),
    removeWebhook: (id) => write(() => webhooks.remove(id)),
    leaseWebhook: (id, owner, at, until) => write(() => webhooks.lease(id, owner, at, until)),
    settleRound: (round) => write(() => webhooks.settle(round)),
    dueDeliveries: (id, at, limit) => read(() => webhooks.due(id, at, limit)),
    countDeliveries: (id) => read(() => webhooks.count(id)),
    deadDeliveries: (id, limit) => read(() => webhooks.dead(id, limit)),
    redeliver: (id, seq, at, which) => write(() => webhooks.redeliver(id, seq, at, which)),
  };
}

/** The same engine, whose changes leave records of their outcome within their own step. */
function recording<Outcome>(
  { read, view, write }: Engine,
  audit: AuditTable,
  record: (outcome: Outcome) => readonly AuditFacts[],
): Engine {
  return {
    read,
    view,
    write: (work) =>
      write(function* () {
        const outcome = yield* work();
        // One change is made, and `audited` ties its outcome to the record.
        yield* audit.note(record(outcome as unknown as Outcome));
        return outcome;
      }),
  };
}
