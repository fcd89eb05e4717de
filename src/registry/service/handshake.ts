/** The relay of handshakes for nodes that can't reach each other yet. spec/11 §4 */
import { utf8 } from '../../base/bytes.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { sourceOf } from '../source.ts';
import { SINK } from '../store/rules.ts';
import type { InboxEntry, NodeRecord } from '../store/store.ts';
import { recorded } from './audit/recorded.ts';
import { authenticate } from './authenticate.ts';
import type { Call, Handler, Reply } from './call.ts';
import { flag, text, u32 } from './fields.ts';
import { see } from './privacy.ts';
import { noSuchNode, refusal } from './refusal.ts';
import { unixSeconds } from './time.ts';
import { askedAfter, boundedMessage, isOurs, tellTrustChanged, trustCreated } from './trust.ts';

const MAX_JUSTIFICATION = 1024;
/** Entries in one answer; with messages of 4 KiB this stays far below the frame limit. */
const POLL_LIMIT = 200;

/**
 * Leaves a request in the target's inbox. Where the target is named by hostname, or is not one that the requester
 * may know of, the answer is `delivered` whether or not there is such a node and whatever becomes of the request.
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
  const { node, proof } = await authenticate(call, from, signedString.requestHandshake(from, to), {
    texts: {
      missing: 'handshake request requires signature',
      wrong: 'handshake request signature verification failed',
    },
  });
  if (byName && proof !== 'content')
    throw refusal('permission_denied', 'handshake request by hostname requires sig');
  const message = boundedMessage(call);
  const now = shared.clock.now();
  if (!byName) shared.contacts.note(from, to, now);
  const found = byName ? await named(call, hostname) : await shared.store.node(to);
  const seen = byName ? undefined : await see(call, [node], to, found);
  // To whoever may not know whether there is such a node, every outcome looks and costs the same.
  const quiet = seen === undefined;
  const target = found?.registered === true && found.id !== from ? found.id : SINK;
  if (byName && target !== SINK) shared.contacts.note(from, target, now);
  const asking = {
    from,
    to: target,
    justification,
    message,
    source: sourceOf(call.remote.host),
    at: call.at,
    replace: proof === 'content' || target === SINK,
    quiet,
    perTarget: shared.config.inboxPerTarget,
    perSource: shared.config.inboxPerSource,
  };
  const outcome = await recorded(
    call,
    `node:${from}`,
    (store) => store.requestHandshake(asking),
    (result) => (result === 'paired' ? [trustCreated(from, target)] : []),
  );
  if (outcome === 'paired') tellTrustChanged(call, from, target);
  if (outcome === 'stored' || outcome === 'paired')
    shared.subscribers.tell(target, 'handshake_request', from);
  else if (!quiet && outcome === 'full') throw refusal('rate_limited', `handshake inbox full for node ${to}`);
  else if (!quiet) throw refusal('already_exists', `handshake request already pending from node ${from}`);
  return { type: 'request_handshake_ok', status: 'delivered' };
};

async function named(call: Call, hostname: string): Promise<NodeRecord | undefined> {
  return hostname === '' || hostname.length > 63 ? undefined : call.shared.store.nodeByHostname(hostname);
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
  if (peer === id) throw noSuchNode(peer);
  shared.contacts.note(id, peer, shared.clock.now());
  const other = await shared.store.node(peer);
  const target = other?.registered === true ? peer : SINK;
  const wasTrusted = await shared.store.trusted(id, target, call.at);
  const response = {
    from: id,
    to: target,
    accept,
    message: boundedMessage(call),
    at: call.at,
    // Old daemons believe any approval they are handed, so they only get those they asked for.
    deliverUnasked: other?.proven ?? true,
    askedAfter: askedAfter(call),
    perTarget: shared.config.responsesPerTarget,
  };
  const { paired, delivered } = await recorded(
    call,
    `node:${id}`,
    (store) => store.respondHandshake(response),
    (result) => (result.paired && !wasTrusted ? [trustCreated(id, peer)] : []),
  );
  if (paired && !wasTrusted) tellTrustChanged(call, id, peer);
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
  // Whoever reads a message, however late, can look up who sent it.
  const { contacts, clock } = call.shared;
  for (const { from } of entries) contacts.note(from, u32(call.request.node_id), clock.now());
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
