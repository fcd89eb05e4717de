/** Requests by which a node changes its own record. spec/10 §5.3 */
import { formatAddress } from '../../wire/address.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { authenticate, isAdmin } from './authenticate.ts';
import type { Call, Handler, Reply } from './call.ts';
import { flag, text, texts, u32 } from './fields.ts';
import { checkMayAskForName, hostnameRelease, takenHostname } from './hostname-claim.ts';
import { hostnameProblem, normalizeTags } from './names.ts';
import { visibleNode } from './privacy.ts';
import { refusal } from './refusal.ts';

const MAX_SCORE = 1_000_000;

export const setVisibility: Handler = async (call) => {
  const id = u32(call.request.node_id);
  await authenticate(call, id, signedString.setVisibility(id), { admin: true });
  const isPublic = flag(call.request.public);
  await call.shared.store.patchNode(id, { public: isPublic }, call.at);
  return { type: 'set_visibility_ok', node_id: id, visibility: isPublic ? 'public' : 'private' };
};

export const setHostname: Handler = async (call) => {
  const id = u32(call.request.node_id);
  await authenticate(call, id, signedString.setHostname(id), { admin: true });
  const hostname = text(call.request.hostname);
  const problem = hostname === '' ? undefined : hostnameProblem(hostname);
  if (problem !== undefined) throw refusal('invalid_argument', `invalid hostname: ${problem}`);
  if (hostname !== '') checkMayAskForName(call);
  const outcome = await call.shared.store.setHostname(id, hostname, hostnameRelease(call));
  if (typeof outcome === 'object')
    throw refusal('already_exists', takenHostname(call, hostname, outcome.holder), 'choose another hostname');
  return { type: 'set_hostname_ok', node_id: id, hostname };
};

export const setTags: Handler = async (call) => {
  const id = u32(call.request.node_id);
  await authenticate(call, id, signedString.setTags(id), { admin: true });
  const tags = normalizeTags(texts(call.request.tags));
  if ('problem' in tags) throw refusal('invalid_argument', tags.problem);
  await call.shared.store.patchNode(id, { tags }, call.at);
  return { type: 'set_tags_ok', node_id: id, tags: tags.length === 0 ? null : tags };
};

export const setTaskExec: Handler = async (call) => {
  const id = u32(call.request.node_id);
  await authenticate(call, id, signedString.setTaskExec(id), { admin: true });
  const taskExec = flag(call.request.enabled);
  await call.shared.store.patchNode(id, { taskExec }, call.at);
  return { type: 'set_task_exec_ok', node_id: id, task_exec: taskExec };
};

export const getPoloScore: Handler = async (call) => {
  const { node } = await visibleNode(call, u32(call.request.node_id));
  return scoreReply('get_polo_score_ok', node.id, node.poloScore);
};

/** Only the operator writes scores: old registries let anybody. */
export const setPoloScore: Handler = async (call) => {
  requireAdmin(call);
  const score = call.request.polo_score;
  if (typeof score !== 'number')
    throw refusal('invalid_argument', 'set_polo_score requires polo_score field');
  if (Math.abs(score) > MAX_SCORE) throw refusal('invalid_argument', 'polo score out of range (max 1000000)');
  return writeScore(call, 'set_polo_score_ok', () => Math.trunc(score));
};

export const updatePoloScore: Handler = async (call) => {
  requireAdmin(call);
  const delta = call.request.delta;
  if (typeof delta !== 'number') throw refusal('invalid_argument', 'update_polo_score requires delta field');
  if (Math.abs(delta) > MAX_SCORE)
    throw refusal('invalid_argument', 'polo score delta out of range (max 1000000)');
  return writeScore(call, 'update_polo_score_ok', (score) => score + Math.trunc(delta));
};

function requireAdmin(call: Call): void {
  if (!isAdmin(call)) throw refusal('permission_denied', 'admin token required to change a polo score');
}

async function writeScore(call: Call, type: string, change: (score: number) => number): Promise<Reply> {
  const id = u32(call.request.node_id);
  const node = await call.shared.store.node(id);
  if (node === undefined || !node.registered) throw refusal('not_found', `node ${id} not found`);
  const score = Math.max(-MAX_SCORE, Math.min(MAX_SCORE, change(node.poloScore)));
  await call.shared.store.patchNode(id, { poloScore: score }, call.at);
  return scoreReply(type, id, score);
}

function scoreReply(type: string, id: number, score: number): Reply {
  return { type, node_id: id, address: formatAddress({ network: 0, node: id }), polo_score: score };
}
