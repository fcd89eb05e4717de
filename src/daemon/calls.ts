import { PilotError } from '../api/errors.ts';
import type { Instant, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { TrustSnapshot } from '../core/trust/types.ts';
import type { Method, Result } from '../ipc/methods.ts';
import { flagParam, intParam, textParam } from '../ipc/params.ts';
import type { Abort, Clock } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import { connectionRow, healthOf, peerRow } from './info.ts';
import type { OwnState } from './own-state.ts';
import type { PeerBook } from './peer-book.ts';
import type { PersistGate } from './persist-gate.ts';
import type { Pings } from './pings.ts';
import type { RegistryClient } from './registry-client.ts';
import type { StreamTable } from './streams.ts';
import { addressText, type Targets } from './targets.ts';
import type { TrustEffects } from './trust-effects.ts';

type Given = Readonly<Record<string, unknown>>;

/** How long `handshake` waits to hear that the peer or the registry has the request, before it says what it knows. */
const DELIVERY_WAIT = 10_000;
const MAX_TAGS = 3;
/** Rows of a list in one reply: each takes at most some 600 bytes of the 1 MiB a frame holds. */
const ROW_LIMIT = 1_500;

/** What the calls work with. */
export interface CallContext {
  readonly version: string;
  readonly own: OwnState;
  readonly node: PilotNode;
  readonly clock: Clock;
  readonly registry: RegistryClient;
  readonly targets: Targets;
  readonly book: PeerBook;
  readonly streams: StreamTable;
  readonly pings: Pings;
  readonly trustEffects: TrustEffects;
  readonly trustGate: PersistGate<TrustSnapshot>;
  run(mutation: () => void): void;
  info(): Result<'info'>;
  /** Stays out of the registry from now on. */
  withdraw(): void;
  /** Calls back when trust in anybody changed, until cancelled. */
  onTrustChange(receiver: () => void): () => void;
}

type Handler<M extends Method> = (context: CallContext, params: Given, signal: Abort) => Promise<Result<M>>;

/** Every method that is not about a client's own streams. */
export type DaemonMethod = Exclude<
  Method,
  | 'hello'
  | 'dial'
  | 'listen'
  | 'unlisten'
  | 'close'
  | 'send_datagram'
  | 'listen_datagrams'
  | 'unlisten_datagrams'
>;

const HANDLERS: { readonly [M in DaemonMethod]: Handler<M> } = {
  info: async (context) => context.info(),
  health: async (context) => healthOf(context.info()),
  resolve: async (context, params, signal) =>
    resolved(await context.targets.find(textParam(params, 'target'), signal)),
  find: async (context, params, signal) =>
    resolved(await context.targets.findName(textParam(params, 'hostname').toLowerCase(), signal)),
  lookup,
  set_hostname: async (context, params) => {
    const hostname = textParam(params, 'hostname').toLowerCase();
    await context.own.setHostname(hostname);
    return { hostname, node_id: context.own.nodeId };
  },
  set_visibility: async (context, params) => {
    const isPublic = flagParam(params, 'public');
    await context.own.setVisibility(isPublic);
    return { node_id: context.own.nodeId, visibility: isPublic ? 'public' : 'private' };
  },
  set_tags: async (context, params) => {
    const tags = params.tags;
    if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string') || tags.length > MAX_TAGS) {
      throw new PilotError(
        'invalid_argument',
        `Parameter tags must be a list of at most ${MAX_TAGS} strings`,
      );
    }
    await context.own.setTags(tags);
    return { node_id: context.own.nodeId, tags };
  },
  deregister: async (context) => {
    await context.registry.deregister();
    context.withdraw();
    return { node_id: context.own.nodeId };
  },
  handshake,
  pending: async ({ node, book, targets }) => {
    await targets.learnNames(node.pending().map((request) => request.node));
    return {
      pending: node.pending().map((request) => ({
        node_id: request.node,
        address: addressText(request.node),
        hostname: book.nameOf(request.node),
        public_key: encodeBase64(request.publicKey),
        justification: request.justification,
        received_at: Math.floor(request.receivedAt / 1000),
      })),
    };
  },
  trusted: async ({ node, book }) => ({
    trusted: node.trusted().map((record) => ({
      node_id: record.node,
      address: addressText(record.node),
      hostname: book.nameOf(record.node),
      public_key: encodeBase64(record.publicKey),
      approved_at: Math.floor(record.approvedAt / 1000),
      mutual: record.mutual,
      network: 0,
    })),
  }),
  outgoing: async ({ node, book }) => ({
    outgoing: node.outgoing().map((request) => ({
      ...(request.node !== undefined && { node_id: request.node }),
      address: request.node === undefined ? '' : addressText(request.node),
      hostname: request.hostname ?? (request.node === undefined ? '' : book.nameOf(request.node)),
      justification: request.justification,
      created_at: Math.floor(request.createdAt / 1000),
      expires_at: Math.floor(request.expiresAt / 1000),
    })),
  }),
  approve: async (context, params) => {
    const node = await pendingNode(context, textParam(params, 'target'));
    if (decide(context, (now) => context.node.approve(node, now)) === 'not_pending') throw notPending(node);
    await saved(context);
    return { status: 'approved', node_id: node };
  },
  reject: async (context, params) => {
    const node = await pendingNode(context, textParam(params, 'target'));
    const reason = textParam(params, 'reason', '');
    if (decide(context, (now) => context.node.reject(node, reason, now)) === 'not_pending')
      throw notPending(node);
    await saved(context);
    return { status: 'rejected', node_id: node };
  },
  untrust,
  trust_wait: trustWait,
  peers: async ({ node, book }) => {
    const { rows, ...rest } = atMost(node.peers());
    return {
      peers: rows.map((peer) => peerRow(peer, book.nameOf(peer.node), node.isTrusted(peer.node))),
      ...rest,
    };
  },
  connections: async ({ node }) => {
    const { rows, ...rest } = atMost(node.connections());
    return { connections: rows.map(connectionRow), ...rest };
  },
  disconnect: async ({ streams }, params) => {
    const connection = intParam(params, 'connection', 0, 0xffff_ffff);
    if (!streams.disconnect(connection)) {
      throw new PilotError('not_found', `There is no connection ${connection}`, {
        hint: 'see: pilotctl connections',
      });
    }
    return { connection };
  },
  ping,
};

/** Errors: those of the method; `invalid_argument` for an unknown one. */
export async function answerCall(
  context: CallContext,
  method: string,
  params: Given,
  signal: Abort,
): Promise<object> {
  if (method === 'network') return networkCall(context, params);
  if (!Object.hasOwn(HANDLERS, method)) throw new PilotError('invalid_argument', `Unknown method: ${method}`);
  return HANDLERS[method as DaemonMethod](context, params, signal);
}

/** A list cut so that the reply fits one frame. */
function atMost<Row>(all: readonly Row[]): { rows: readonly Row[]; truncated?: number } {
  if (all.length <= ROW_LIMIT) return { rows: all };
  return { rows: all.slice(0, ROW_LIMIT), truncated: all.length - ROW_LIMIT };
}

function resolved(found: { node: NodeId; hostname: string; public: boolean | undefined }): Result<'resolve'> {
  return {
    node_id: found.node,
    address: addressText(found.node),
    hostname: found.hostname,
    public: found.public ?? null,
  };
}

async function lookup(context: CallContext, params: Given, signal: Abort): Promise<Result<'lookup'>> {
  const { node } = await context.targets.find(textParam(params, 'target'), signal);
  const info = await context.registry.lookup(node);
  if (info.hostname !== undefined) context.book.named(node, info.hostname);
  return {
    node_id: info.node,
    address: addressText(info.node),
    hostname: info.hostname ?? '',
    public: info.public,
    public_key: encodeBase64(info.publicKey),
    networks: info.networks,
    tags: info.tags,
    polo_score: info.poloScore,
    ...(info.version !== undefined && { version: info.version }),
    ...(info.endpoint !== undefined && { real_addr: `${info.endpoint.host}:${info.endpoint.port}` }),
    ...(info.online !== undefined && { online: info.online }),
  };
}

async function handshake(context: CallContext, params: Given, signal: Abort): Promise<Result<'handshake'>> {
  const text = textParam(params, 'target');
  const target = await context.targets.trustTarget(text);
  if ('node' in target && target.node === context.own.nodeId) {
    throw new PilotError('invalid_argument', 'Cannot ask for trust: this is your own node');
  }
  const justification = textParam(params, 'justification', '');
  const { status, requestId } = decide(context, (now) =>
    context.node.requestTrust(target, justification, now),
  );
  await saved(context);
  if (status === 'sent') {
    await delivered(context, requestId, 'node' in target ? target.node : undefined, signal);
  }
  return {
    status,
    ...('node' in target ? { node_id: target.node } : { hostname: target.hostname }),
  };
}

/** Resolves when the request is under way, and rejects with the registry's reason when it is not. */
function delivered(
  context: CallContext,
  requestId: string,
  peer: NodeId | undefined,
  signal: Abort,
): Promise<void> {
  const { clock } = context;
  return new Promise((resolve, reject) => {
    const finish = (error?: PilotError): void => {
      timer.cancel();
      forget();
      signal.removeEventListener('abort', abort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const abort = (): void =>
      finish(new PilotError('cancelled', 'Cancelled: handshake; the request is kept'));
    const timer = clock.at(clock.now() + DELIVERY_WAIT, () => finish());
    const forget = context.trustEffects.onDelivery(requestId, peer, finish);
    signal.addEventListener('abort', abort);
  });
}

async function pendingNode(context: CallContext, target: string): Promise<NodeId> {
  const candidates = context.node.pending().map((request) => request.node);
  return context.targets.among(target, candidates, (name) => `"${name}" has not asked for trust`);
}

function notPending(node: NodeId): PilotError {
  return new PilotError('not_found', `Node ${node} has not asked for trust`, {
    hint: 'see: pilotctl pending',
  });
}

async function untrust(context: CallContext, params: Given): Promise<Result<'untrust'>> {
  const { node } = context;
  const candidates = [...node.trusted(), ...node.outgoing()].flatMap((entry) => entry.node ?? []);
  const peer = await context.targets.among(
    textParam(params, 'target'),
    candidates,
    (name) => `"${name}" was not trusted`,
  );
  if (decide(context, (now) => node.untrust(peer, now)) === 'not_trusted') {
    throw new PilotError('not_found', `node ${peer} was not trusted`, { hint: 'see: pilotctl trust' });
  }
  await saved(context);
  return { status: 'revoked', node_id: peer };
}

async function trustWait(context: CallContext, params: Given, signal: Abort): Promise<Result<'trust_wait'>> {
  const { node, clock } = context;
  const timeout = intParam(params, 'timeout_ms', 0, 86_400_000);
  const target = await context.targets.trustTarget(textParam(params, 'target'));
  const peer = (): NodeId | undefined =>
    'node' in target ? target.node : context.book.nodeNamed(target.hostname);
  const isTrusted = (): boolean => {
    const at = peer();
    return at !== undefined && node.isTrusted(at);
  };
  const trusted = await new Promise<boolean>((resolve, reject) => {
    const finish = (): void => {
      timer.cancel();
      cancel();
      signal.removeEventListener('abort', abort);
    };
    const abort = (): void => {
      finish();
      reject(new PilotError('cancelled', 'Cancelled: wait for trust'));
    };
    const done = (value: boolean): void => {
      finish();
      resolve(value);
    };
    const timer = clock.at(clock.now() + timeout, () => done(isTrusted()));
    const cancel = context.onTrustChange(() => {
      if (isTrusted()) done(true);
    });
    signal.addEventListener('abort', abort);
    if (isTrusted()) done(true);
  });
  return { node_id: peer() ?? 0, trusted };
}

async function ping(context: CallContext, params: Given, signal: Abort): Promise<Result<'ping'>> {
  const timeout = intParam(params, 'timeout_ms', 1, 600_000, 5_000);
  const { node: peer } = await context.targets.find(textParam(params, 'target'), signal);
  const rtt = await context.pings.ping(peer, timeout, signal);
  const selected = context.node.peer(peer)?.selected;
  return {
    node_id: peer,
    address: addressText(peer),
    rtt_ms: Math.round(rtt * 1000) / 1000,
    path: selected?.kind ?? '',
    endpoint: selected === undefined ? '' : `${selected.endpoint.host}:${selected.endpoint.port}`,
  };
}

/** The network sub-commands of spec/20 §7 are the registry's own requests. */
async function networkCall(context: CallContext, params: Given): Promise<object> {
  const network_id = params.network;
  const node_id = context.own.nodeId;
  const ask = (type: string, fields: object, signed = true): Promise<object> =>
    context.registry.call(type, fields, { signed });
  switch (params.sub) {
    case 'list':
      return ask('list_networks', {}, false);
    case 'join':
      return ask('join_network', { node_id, network_id, token: params.token });
    case 'leave':
      return ask('leave_network', { node_id, network_id });
    case 'members':
      return ask('list_nodes', { node_id, network_id });
    case 'invite':
      return ask('invite_to_network', { inviter_id: node_id, network_id, target_node_id: params.target });
    case 'pollInvites':
      return ask('poll_invites', { node_id });
    case 'respondInvite':
      return ask('respond_invite', { node_id, network_id, accept: params.accept });
    default:
      throw new PilotError('invalid_argument', `Unknown network command: ${String(params.sub)}`);
  }
}

/** Runs one command of the node and hands its result, or what it throws, to the caller. */
function decide<Value>(context: CallContext, command: (now: Instant) => Value): Value {
  let outcome: { readonly value: Value } | { readonly thrown: unknown } | undefined;
  context.run(() => {
    try {
      outcome = { value: command(context.clock.now()) };
    } catch (thrown) {
      outcome = { thrown };
    }
  });
  if (outcome === undefined) throw new PilotError('unavailable', 'The daemon is stopping');
  if ('thrown' in outcome) throw outcome.thrown;
  return outcome.value;
}

/** A decision about trust is only reported once it is on disk. Errors: `disk_full`, `io_error`. */
async function saved(context: CallContext): Promise<void> {
  try {
    await context.trustGate.settled();
  } catch (thrown) {
    const error = thrown as PilotError;
    throw new PilotError(error.code, `The decision holds for now but could not be saved: ${error.message}`, {
      cause: error,
    });
  }
}
