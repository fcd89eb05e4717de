/**
 * Trust at the registry: pairs grow from two signed halves or from a certificate both signed, never from one side's
 * word, and what was revoked stays revoked. spec/11 §7, docs/decisions/0013
 */
import type { NodeId } from '../../base/units.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { SINK } from '../store/rules.ts';
import { type Recorded, recorded } from './audit/recorded.ts';
import { type Authenticated, authenticate, contentSigner } from './authenticate.ts';
import type { Call, Handler } from './call.ts';
import { text, u32 } from './fields.ts';
import { operates } from './operators/demand.ts';
import { seenBy, viewersOf } from './privacy.ts';
import { refusal } from './refusal.ts';
import { provenCertificate, provenRevocation } from './trust-documents.ts';

/** Longest signed message kept beside a trust. spec/11 §2.1 */
export const MAX_MESSAGE = 4096;

export const reportTrust: Handler = async (call) => {
  const { request, shared } = call;
  const id = u32(request.node_id);
  const peer = u32(request.peer_id);
  const authenticated = await authenticate(call, id, signedString.reportTrust(id, peer));
  if (peer === id) throw refusal('invalid_argument', 'a node cannot trust itself');
  shared.contacts.note(id, peer, shared.clock.now());
  const certificate = text(request.certificate);
  const trusted =
    certificate === ''
      ? await reportHalf(call, id, peer)
      : await reportCertificate(call, authenticated, peer, certificate);
  return { type: 'report_trust_ok', ...(isOurs(call) ? { trusted } : {}) };
};

async function reportHalf(call: Call, id: NodeId, peer: NodeId): Promise<boolean> {
  const { store } = call.shared;
  const target = (await store.node(peer))?.registered === true ? peer : SINK;
  const outcome = await recorded(
    call,
    `node:${id}`,
    (changing) => changing.reportTrust(id, target, call.at, askedAfter(call)),
    (result) => (result === 'paired' ? [trustCreated(id, peer)] : []),
  );
  if (outcome === 'paired') tellTrustChanged(call, id, peer);
  return outcome !== 'half';
}

/** With the certificate that both signed, one side's report is enough. */
async function reportCertificate(
  call: Call,
  { node, proof }: Authenticated,
  peer: NodeId,
  document: string,
): Promise<boolean> {
  if (proof !== 'content') throw refusal('permission_denied', 'report_trust with a certificate requires sig');
  const { store } = call.shared;
  const certified = await provenCertificate(call, node, peer, document);
  // The peer has replaced the key it signed with, so somebody else may have it: it has to say so itself as well.
  if (certified === 'needs_peer') return reportHalf(call, node.id, peer);
  const before = await store.trustDocuments(node.id, peer);
  const trusted = await store.trusted(node.id, peer, call.at);
  const outcome = await recorded(
    call,
    `node:${node.id}`,
    (changing) => changing.certifyTrust(certified),
    (result) =>
      result !== 'stored' || before.certificate === document
        ? []
        : [
            {
              action: trusted ? 'trust.renewed' : 'trust.created',
              node: node.id,
              target: peer,
              details: { serial: certified.serial },
            },
          ],
  );
  if (outcome === 'revoked') {
    throw refusal('certificate_revoked', `certificate ${certified.serial} with node ${peer} was revoked`);
  }
  if (outcome === 'stored' && before.certificate !== document) tellTrustChanged(call, node.id, peer);
  return store.trusted(node.id, peer, call.at);
}

export const revokeTrust: Handler = async (call) => {
  const { request, shared } = call;
  const id = u32(request.node_id);
  const peer = u32(request.peer_id);
  const { node, proof } = await authenticate(call, id, signedString.revokeTrust(id, peer));
  const message = boundedMessage(call);
  const revocation = text(request.revocation);
  const document =
    revocation === '' || proof !== 'content'
      ? undefined
      : await provenRevocation(call, node, peer, revocation);
  const seen = await seenBy(call, node, peer);
  const other = seen?.node ?? (await shared.store.node(peer));
  const taken = {
    from: id,
    // Also of a node that is not registered now, lest the trust come back with it.
    peer: other === undefined ? SINK : peer,
    message,
    at: call.at,
    deliver: other?.proven === true,
    perTarget: shared.config.responsesPerTarget,
    ...(document === undefined ? {} : { document }),
  };
  const { existed, delivered } = await recorded(
    call,
    `node:${id}`,
    (store) => store.revokeTrust(taken),
    (result) =>
      // Of a node that is not there nothing is kept but what fills the sink.
      other !== undefined && (result.existed || document !== undefined)
        ? [{ action: 'trust.revoked', node: id, target: peer, details: { serial: document?.serial ?? 0 } }]
        : [],
  );
  if (delivered) shared.subscribers.tell(peer, 'trust_revoked', id);
  // Whether there was anything to take back must not tell whether there is such a node.
  if (seen === undefined || !existed) throw refusal('not_found', `no trust pair between ${id} and ${peer}`);
  return { type: 'revoke_trust_ok' };
};

/**
 * Whether two nodes trust each other or share a network: for the two of them and the operator. To others everything
 * reads as "no".
 */
export const checkTrust: Handler = async (call) => {
  const { store } = call.shared;
  const [a, b] = [u32(call.request.node_id), u32(call.request.peer_id)];
  const viewers = await viewersOf(call);
  const live = [await store.node(a), await store.node(b)].every((node) => node?.registered === true);
  const paired = await store.trusted(a, b, call.at);
  const shared = await store.sharedNetworks(a, b);
  const participant = operates(call, 'nodes:read') || viewers.some(({ id }) => id === a || id === b);
  return { type: 'check_trust_ok', trusted: participant && (paired || (live && shared.length > 0)) };
};

/** What is kept of the trust between two nodes, for the two of them. */
export const trustCertificate: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const peer = u32(call.request.peer_id);
  if (call.request.sig === undefined) throw refusal('permission_denied', 'trust_certificate requires sig');
  await contentSigner(call, id);
  const { certificate, revocation } = await call.shared.store.trustDocuments(id, peer);
  const trusted = await call.shared.store.trusted(id, peer, call.at);
  return {
    type: 'trust_certificate_ok',
    trusted,
    ...(certificate === '' ? {} : { certificate }),
    ...(revocation === '' ? {} : { revocation }),
  };
};

/** The entry for a trust that grew from the word of both. */
export function trustCreated(node: NodeId, target: NodeId): Recorded {
  return { action: 'trust.created', node, target, details: { serial: 0 } };
}

/** Tells both sides that there is a trust between them, or a new certificate of it. */
export function tellTrustChanged(call: Call, a: NodeId, b: NodeId): void {
  call.shared.subscribers.tell(a, 'trust_changed', b);
  call.shared.subscribers.tell(b, 'trust_changed', a);
}

/** The signed message to keep and pass on, or empty. Throws `too_large`. */
export function boundedMessage(call: Call): string {
  const message = text(call.request.message);
  if (message.length > MAX_MESSAGE)
    throw refusal('too_large', `message too long: ${message.length} characters (max ${MAX_MESSAGE})`);
  return message;
}

export function askedAfter(call: Call): number {
  return call.at - call.shared.config.requestLifetime;
}

/** True when the request has the marks of our own clients. */
export function isOurs(call: Call): boolean {
  return call.request.request_id !== undefined || call.request.sig !== undefined;
}
