import { PilotError } from '../../api/errors.ts';
import type { NodeId } from '../../base/units.ts';
import type { Result, TrustMethods } from '../../ipc/methods.ts';
import { intParam, textParam } from '../../ipc/params.ts';
import type { Abort } from '../../runtime/ports.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { addressText } from '../targets.ts';
import { type CallContext, decide, type Given, type Handlers, saved } from './context.ts';

/** How long `handshake` waits to hear that the peer or the registry has the request, before it says what it knows. */
const DELIVERY_WAIT = 10_000;

/** Who may reach whom. */
export const TRUST_CALLS: Handlers<TrustMethods> = {
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
};

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
