/** The relay of handshakes for nodes that can't reach each other yet. spec/11 §4 */
import { utf8 } from '../../base/bytes.ts';
import type { NodeId } from '../../base/units.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { sourceOf } from '../source.ts';
import { SINK } from '../store/rules.ts';
import type { InboxEntry } from '../store/store.ts';
import { authenticate } from './authenticate.ts';
import { type Call, type Handler, liveNode, type Reply } from './call.ts';
import { flag, text, u32 } from './fields.ts';
import { noSuchNode, refusal } from './refusal.ts';
import { unixSeconds } from './time.ts';
import { askedAfter, boundedMessage, isOurs } from './trust.ts';

const MAX_JUSTIFICATION = 1024;
/** Entries in one answer; with messages of 4 KiB this stays far below the frame limit. */
const POLL_LIMIT = 200;

/**
 * Leaves a request in the target's inbox. Named by hostname, the answer is `delivered` whether or not anybody
 * has that name and whatever becomes of the request, at the same cost.
 */
export const requestHandshake: Handler = async (call) => {
  const { request, shared } = call;
  const from = u32(request.from_node_id);
  const hostname = request.to_hostname;
  const byName = typeof hostname === 'string';
  const justification = text(request.justification);
  const size = utf8(justification).length;
  if (size > MAX_JUSTIFICATION)
    throw refusal('too_large', `justification too large: ${size} bytes (max ${MAX_JUSTIFICATION})`);
  const to = u32(request.to_node_id);
  const { proof } = await authenticate(call, from, signedString.requestHandshake(from, to), {
    texts: {
      missing: 'handshake request requires signature',
      wrong: 'handshake request signature verification failed',
    },
  });
  if (byName && proof !== 'content')
    throw refusal('permission_denied', 'handshake request by hostname requires sig');
  const message = boundedMessage(call);
  const target = byName ? await named(call, from, hostname) : (await liveNode(call, to)).id;
  const handshake = {
    from,
    to: target,
    justification,
    message,
    source: sourceOf(call.remote.host),
    at: call.at,
    replace: proof === 'content',
    perTarget: shared.config.inboxPerTarget,
    perSource: shared.config.inboxPerSource,
  };
  const outcome = await shared.store.requestHandshake(handshake);
  if (outcome === 'stored') shared.subscribers.tell(target, 'handshake_request', from);
  // Writing nothing would take less time, and so tell that the name exists.
  else if (byName) await shared.store.requestHandshake({ ...handshake, to: SINK });
  else if (outcome === 'full') throw refusal('rate_limited', `handshake inbox full for node ${to}`);
  else throw refusal('already_exists', `handshake request already pending from node ${from}`);
  return { type: 'request_handshake_ok', status: 'delivered' };
};

async function named(call: Call, from: NodeId, hostname: string): Promise<NodeId> {
  const found =
    hostname === '' || hostname.length > 63 ? undefined : await call.shared.store.nodeByHostname(hostname);
  return found === undefined || found.id === from ? SINK : found.id;
}

export const respondHandshake: Handler = async (call) => {
  const { request, shared } = call;
  const id = u32(request.node_id);
  const peer = u32(request.peer_id);
  const accept = flag(request.accept);
  await authenticate(call, id, signedString.respondHandshake(id, peer), {
    texts: {
      missing: 'handshake response requires signature',
      wrong: 'handshake response signature verification failed',
    },
  });
  const other = await liveNode(call, peer);
  if (other.id === id) throw noSuchNode(peer);
  const { delivered } = await shared.store.respondHandshake({
    from: id,
    to: peer,
    accept,
    message: boundedMessage(call),
    at: call.at,
    // Old daemons believe any approval they are handed, so they only get those they asked for.
    deliverUnasked: other.proven,
    askedAfter: askedAfter(call),
    perTarget: shared.config.responsesPerTarget,
  });
  if (delivered) shared.subscribers.tell(peer, 'handshake_response', id);
  return { type: 'respond_handshake_ok', accept, peer_id: peer };
};

/**
 * Reads the inbox. With `ack` (a cursor from an earlier answer, or 0) entries stay until acknowledged;
 * without it, as old daemons do, they are gone once read.
 */
export const pollHandshakes: Handler = async (call) => {
  const { request, shared } = call;
  const id = u32(request.node_id);
  await authenticate(call, id, signedString.pollHandshakes(id));
  const ack = request.ack;
  if (typeof ack !== 'number') return polled(call, await shared.store.takeInbox(id), false);
  const entries = await shared.store.pollInbox(
    id,
    Number.isSafeInteger(ack) && ack > 0 ? ack : 0,
    POLL_LIMIT + 1,
  );
  const page = entries.slice(0, POLL_LIMIT);
  return {
    ...(await polled(call, page, isOurs(call))),
    revocations: page.filter(({ kind }) => kind === 'revocation').map(revocation),
    cursor: page.at(-1)?.sequence ?? ack,
    more: entries.length > page.length,
  };
};

async function polled(call: Call, entries: readonly InboxEntry[], ours: boolean): Promise<Reply> {
  const requests: Reply[] = [];
  for (const entry of entries) {
    if (entry.kind !== 'request') continue;
    requests.push({
      from_node_id: entry.from,
      justification: entry.justification,
      timestamp: unixSeconds(entry.at),
      // Who asks for trust shows its name, so that it can be approved by name.
      ...(ours
        ? {
            message: entry.message,
            from_hostname: (await call.shared.store.node(entry.from))?.hostname ?? '',
          }
        : {}),
    });
  }
  return {
    type: 'poll_handshakes_ok',
    requests,
    responses: entries
      .filter(({ kind }) => kind === 'response')
      .map((entry) => ({
        from_node_id: entry.from,
        accept: entry.accept,
        timestamp: unixSeconds(entry.at),
        ...(ours ? { message: entry.message } : {}),
      })),
  };
}

function revocation(entry: InboxEntry): Reply {
  return { from_node_id: entry.from, timestamp: unixSeconds(entry.at), message: entry.message };
}
