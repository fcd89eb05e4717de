import { PilotError } from '../../api/errors.ts';
import type { NodeId } from '../../base/units.ts';
import { isSameWish, isScopeWithin, isTimeWithin } from '../../core/trust/terms.ts';
import type { PendingRequest, Terms, TrustRecord } from '../../core/trust/types.ts';
import type { ApproveResult, HandshakeResult, PendingRow, Result, TrustMethods } from '../../ipc/methods.ts';
import { intParam, textParam } from '../../ipc/params.ts';
import type { Abort } from '../../runtime/ports.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { addressText } from '../targets.ts';
import { askedTerms, EVERYTHING, termsInForce, termsRow, trustedRow, wishedTerms } from '../trust-rows.ts';
import { type CallContext, decide, type Given, type Handlers, saved } from './context.ts';
import { TRUST_DOCUMENT_CALLS } from './trust-documents.ts';

/** How long `handshake` waits to hear that the peer or the registry has the request, before it says what it knows. */
const DELIVERY_WAIT = 10_000;

/** Who may reach whom. */
export const TRUST_CALLS: Handlers<TrustMethods> = {
  ...TRUST_DOCUMENT_CALLS,
  handshake,
  pending: async (context) => {
    const pending = context.node.pending();
    await context.targets.learnNames(pending.map((request) => request.node));
    return { pending: pending.map((request) => pendingRow(context, request)) };
  },
  trusted: async ({ node, book }) => ({
    trusted: node.trusted().map((record) => trustedRow(node, record, book.nameOf(record.node))),
  }),
  outgoing: async ({ node, book }) => ({
    outgoing: node.outgoing().map((request) => ({
      ...(request.node !== undefined && { node_id: request.node }),
      address: request.node === undefined ? '' : addressText(request.node),
      hostname: request.hostname ?? (request.node === undefined ? '' : book.nameOf(request.node)),
      justification: request.justification,
      created_at: Math.floor(request.createdAt / 1000),
      expires_at: Math.floor(request.expiresAt / 1000),
      terms: termsRow(request.terms),
    })),
  }),
  approve,
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
  auto_approvals: async (context) => {
    const { rules, approvals } = context.trustEffects.autoApproval.rows();
    return { rules, approvals };
  },
};

function pendingRow({ node, book, trustEffects }: CallContext, request: PendingRequest): PendingRow {
  const record = request.change ? recordOf(node, request.node) : undefined;
  const auto = trustEffects.autoApproval.whyWaiting(request.node);
  return {
    node_id: request.node,
    address: addressText(request.node),
    hostname: book.nameOf(request.node),
    public_key: encodeBase64(request.publicKey),
    justification: request.justification,
    received_at: Math.floor(request.receivedAt / 1000),
    asks: termsRow(askedTerms(request)),
    change: request.change,
    ...(record && { now: termsRow(termsInForce(node, record)) }),
    ...(auto !== undefined && { auto }),
  };
}

async function handshake(context: CallContext, params: Given, signal: Abort): Promise<HandshakeResult> {
  const target = await context.targets.trustTarget(textParam(params, 'target'));
  const peer = 'node' in target ? target.node : undefined;
  if (peer !== undefined && peer === context.own.nodeId) {
    throw new PilotError('invalid_argument', 'Cannot ask for trust: this is your own node');
  }
  const justification = textParam(params, 'justification', '');
  const record = peer === undefined ? undefined : recordOf(context.node, peer);
  if (peer !== undefined && record !== undefined) {
    const wished = wishedTerms(params.terms, termsInForce(context.node, record), wallSeconds(context));
    return changeTerms(context, record, wished, justification, signal);
  }
  const terms = wishedTerms(params.terms, EVERYTHING, wallSeconds(context));
  const { status, requestId } = decide(context, (now) =>
    context.node.requestTrust(target, justification, terms, now),
  );
  await saved(context);
  if (status === 'sent') await delivered(context, requestId, peer, signal);
  const now = peer === undefined ? undefined : recordOf(context.node, peer);
  return {
    status,
    ...('node' in target ? { node_id: target.node } : { hostname: target.hostname }),
    ...(now && { terms: termsRow(termsInForce(context.node, now)) }),
  };
}

/** Other terms of a trust there is. Less holds at once; more has to be approved by the peer. */
async function changeTerms(
  context: CallContext,
  record: TrustRecord,
  wished: Terms,
  justification: string,
  signal: Abort,
): Promise<HandshakeResult> {
  const { node: peer } = record;
  const before = termsInForce(context.node, record);
  // Asking for what holds takes back our question for more, and answers the peer's.
  const isOpen = [...context.node.outgoing(), ...context.node.pending()].some(
    (request) => request.node === peer,
  );
  if (!isOpen && isSameWish(wished, before, wallSeconds(context))) {
    const terms = termsRow(before);
    return { status: 'already_trusted', node_id: peer, terms, before: terms };
  }
  const narrows = isScopeWithin(wished, before) && isTimeWithin(wished.not_after, before.not_after);
  const { status, requestId } = decide(context, (now) =>
    context.node.requestTrust({ node: peer }, justification, wished, now),
  );
  await saved(context);
  if (!narrows && status === 'sent') await delivered(context, requestId, peer, signal);
  const now = recordOf(context.node, peer);
  const after = now === undefined ? before : termsInForce(context.node, now);
  const isOther = !isScopeWithin(before, after) || !isTimeWithin(before.not_after, after.not_after);
  return {
    status: narrows && isOther ? 'narrowed' : status,
    node_id: peer,
    terms: termsRow(after),
    before: termsRow(before),
  };
}

async function approve(context: CallContext, params: Given): Promise<ApproveResult> {
  const { node } = context;
  const peer = await pendingNode(
    context,
    textParam(params, 'target'),
    node.trusted().map((record) => record.node),
  );
  const request = node.pending().find((each) => each.node === peer);
  const record = recordOf(node, peer);
  if (request === undefined) return narrow(context, peer, record, params);
  const before = record && termsInForce(node, record);
  const terms = wishedTerms(params.terms, askedTerms(request), wallSeconds(context));
  const approval = { by: 'user', ...(params.terms != null && { terms }) } as const;
  if (decide(context, (now) => node.approve(peer, approval, now)) === 'not_pending') throw notPending(peer);
  await saved(context);
  const after = recordOf(node, peer);
  return {
    status: 'approved',
    node_id: peer,
    terms: termsRow(after === undefined ? terms : termsInForce(node, after)),
    ...(before && { before: termsRow(before) }),
  };
}

/** `approve` of a trusted peer that asks for nothing: its grant can be made smaller this way, not larger. */
async function narrow(
  context: CallContext,
  peer: NodeId,
  record: TrustRecord | undefined,
  params: Given,
): Promise<ApproveResult> {
  if (record === undefined || params.terms == null) throw notPending(peer);
  const before = termsInForce(context.node, record);
  const wished = wishedTerms(params.terms, before, wallSeconds(context));
  if (!isScopeWithin(wished, before) || !isTimeWithin(wished.not_after, before.not_after)) {
    throw new PilotError('not_found', `Node ${peer} has not asked for more than it has`, {
      hint: `ask it for other terms: pilotctl handshake ${peer}`,
    });
  }
  decide(context, (now) => context.node.requestTrust({ node: peer }, '', wished, now));
  await saved(context);
  const after = recordOf(context.node, peer);
  return {
    status: 'narrowed',
    node_id: peer,
    terms: termsRow(after === undefined ? wished : termsInForce(context.node, after)),
    before: termsRow(before),
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

async function pendingNode(
  context: CallContext,
  target: string,
  alsoAmong: readonly NodeId[] = [],
): Promise<NodeId> {
  const candidates = context.node.pending().map((request) => request.node);
  return context.targets.among(
    target,
    [...candidates, ...alsoAmong],
    (name) => `"${name}" has not asked for trust`,
  );
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
  const reason = textParam(params, 'reason', '');
  if (decide(context, (now) => node.untrust(peer, reason, now)) === 'not_trusted') {
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

function recordOf(node: CallContext['node'], peer: NodeId): TrustRecord | undefined {
  return node.trustIn(peer);
}

function wallSeconds({ clock }: CallContext): number {
  return Math.floor(clock.wallNow() / 1000);
}
