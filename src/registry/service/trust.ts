/** Trust at the registry: pairs grow from two signed halves, never from one side's word. spec/11 §7 */
import { signedString } from '../../wire/registry-signatures.ts';
import { authenticate } from './authenticate.ts';
import { type Call, type Handler, liveNode } from './call.ts';
import { text, u32 } from './fields.ts';
import { shareNetwork } from './privacy.ts';
import { refusal } from './refusal.ts';

/** Longest signed message kept beside a trust. spec/11 §2.1 */
export const MAX_MESSAGE = 4096;

export const reportTrust: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const peer = u32(call.request.peer_id);
  await authenticate(call, id, signedString.reportTrust(id, peer));
  const other = await liveNode(call, peer);
  if (other.id === id) throw refusal('invalid_argument', 'a node cannot trust itself');
  const outcome = await call.shared.store.reportTrust(id, peer, call.at, askedAfter(call));
  return { type: 'report_trust_ok', ...(isOurs(call) ? { trusted: outcome === 'paired' } : {}) };
};

export const revokeTrust: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const peer = u32(call.request.peer_id);
  await authenticate(call, id, signedString.revokeTrust(id, peer));
  const other = await call.shared.store.node(peer);
  const { existed, delivered } = await call.shared.store.revokeTrust({
    from: id,
    peer,
    message: boundedMessage(call),
    at: call.at,
    deliver: other?.proven === true,
    perTarget: call.shared.config.responsesPerTarget,
  });
  if (!existed) throw refusal('not_found', `no trust pair between ${id} and ${peer}`);
  if (delivered) call.shared.subscribers.tell(peer, 'trust_revoked', id);
  return { type: 'revoke_trust_ok' };
};

/**
 * Whether two nodes trust each other or share a network. When either has proven its key only a connection that
 * speaks for one of the two is told; to others everything reads as "no".
 */
export const checkTrust: Handler = async (call) => {
  const [a, b] = [u32(call.request.node_id), u32(call.request.peer_id)];
  return { type: 'check_trust_ok', trusted: await visiblyTrusted(call, a, b) };
};

async function visiblyTrusted(call: Call, a: number, b: number): Promise<boolean> {
  const { store } = call.shared;
  const [first, second] = [await store.node(a), await store.node(b)];
  const both = [first, second].filter((node) => node !== undefined);
  if (both.some((node) => node.proven)) {
    const participant = both.some((node) =>
      call.connection.speaksFor(node, node.proven ? 'proven' : 'legacy'),
    );
    if (!participant) return false;
  }
  if (await store.trusted(a, b)) return true;
  return first !== undefined && second !== undefined && (await shareNetwork(call, first, second));
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
