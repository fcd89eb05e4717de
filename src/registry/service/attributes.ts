/** Requests by which a node changes its own record. spec/10 §5.3 */
import { formatAddress } from '../../wire/address.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { actor, recorded } from './audit/recorded.ts';
import { authenticate } from './authenticate.ts';
import type { Call, Handler, Reply } from './call.ts';
import { flag, text, texts, u32 } from './fields.ts';
import { checkMayAskForName, hostnameRelease, renamed, takenHostname } from './hostname-claim.ts';
import { hostnameProblem, normalizeTags } from './names.ts';
import { operator } from './operators/demand.ts';
import { visibleNode } from './privacy.ts';
import { refusal } from './refusal.ts';

const MAX_SCORE = 1_000_000;
const BY_OPERATOR = { operator: 'nodes:write' } as const;

export const setVisibility: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const { node, proof } = await authenticate(call, id, signedString.setVisibility(id), BY_OPERATOR);
  const isPublic = flag(call.request.public);
  await recorded(
    call,
    actor(call, id, proof),
    (store) => store.patchNode(id, { public: isPublic }, call.at),
    () =>
      node.public === isPublic
        ? []
        : [{ action: 'visibility.changed', node: id, details: { public: isPublic } }],
  );
  return { type: 'set_visibility_ok', node_id: id, visibility: isPublic ? 'public' : 'private' };
};

export const setHostname: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const { node, proof } = await authenticate(call, id, signedString.setHostname(id), BY_OPERATOR);
  const hostname = text(call.request.hostname);
  const problem = hostname === '' ? undefined : hostnameProblem(hostname);
  if (problem !== undefined) throw refusal('invalid_argument', `invalid hostname: ${problem}`);
  if (hostname !== '') checkMayAskForName(call);
  // Somebody who is gone for long can lose the name by this.
  const holder = hostname === '' ? undefined : await call.shared.store.nodeByHostname(hostname);
  const outcome = await recorded(
    call,
    actor(call, id, proof),
    (store) => store.setHostname(id, hostname, hostnameRelease(call)),
    (result) => (result === 'set' ? renamed(node, hostname, holder) : []),
  );
  if (typeof outcome === 'object')
    throw refusal('already_exists', takenHostname(call, hostname, outcome.holder), 'choose another hostname');
  return { type: 'set_hostname_ok', node_id: id, hostname };
};

export const setTags: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const { node, proof } = await authenticate(call, id, signedString.setTags(id), BY_OPERATOR);
  const tags = normalizeTags(texts(call.request.tags));
  if ('problem' in tags) throw refusal('invalid_argument', tags.problem);
  await recorded(
    call,
    actor(call, id, proof),
    (store) => store.patchNode(id, { tags }, call.at),
    () => (tags.join() === node.tags.join() ? [] : [{ action: 'tags.changed', node: id, details: { tags } }]),
  );
  return { type: 'set_tags_ok', node_id: id, tags: tags.length === 0 ? null : tags };
};

export const setTaskExec: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const { node, proof } = await authenticate(call, id, signedString.setTaskExec(id), BY_OPERATOR);
  const taskExec = flag(call.request.enabled);
  await recorded(
    call,
    actor(call, id, proof),
    (store) => store.patchNode(id, { taskExec }, call.at),
    () =>
      node.taskExec === taskExec
        ? []
        : [{ action: 'task_exec.changed', node: id, details: { enabled: taskExec } }],
  );
  return { type: 'set_task_exec_ok', node_id: id, task_exec: taskExec };
};

export const getPoloScore: Handler = async (call) => {
  const { node } = await visibleNode(call, u32(call.request.node_id));
  return scoreReply('get_polo_score_ok', node.id, node.poloScore);
};

/** Only the operator writes scores: old registries let anybody. */
export const setPoloScore: Handler = async (call) => {
  const { name } = operator(call, 'nodes:write', 'change a polo score');
  const score = call.request.polo_score;
  if (typeof score !== 'number')
    throw refusal('invalid_argument', 'set_polo_score requires polo_score field');
  if (Math.abs(score) > MAX_SCORE) throw refusal('invalid_argument', 'polo score out of range (max 1000000)');
  return writeScore(call, name, 'set_polo_score_ok', () => Math.trunc(score));
};

export const updatePoloScore: Handler = async (call) => {
  const { name } = operator(call, 'nodes:write', 'change a polo score');
  const delta = call.request.delta;
  if (typeof delta !== 'number') throw refusal('invalid_argument', 'update_polo_score requires delta field');
  if (Math.abs(delta) > MAX_SCORE)
    throw refusal('invalid_argument', 'polo score delta out of range (max 1000000)');
  return writeScore(call, name, 'update_polo_score_ok', (score) => score + Math.trunc(delta));
};

async function writeScore(
  call: Call,
  by: string,
  type: string,
  change: (score: number) => number,
): Promise<Reply> {
  const id = u32(call.request.node_id);
  const node = await call.shared.store.node(id);
  if (node === undefined || !node.registered) throw refusal('not_found', `node ${id} not found`);
  const score = Math.max(-MAX_SCORE, Math.min(MAX_SCORE, change(node.poloScore)));
  await recorded(
    call,
    by,
    (store) => store.patchNode(id, { poloScore: score }, call.at),
    () => (score === node.poloScore ? [] : [{ action: 'polo_score.set', node: id, details: { score } }]),
  );
  return scoreReply(type, id, score);
}

function scoreReply(type: string, id: number, score: number): Reply {
  return { type, node_id: id, address: formatAddress({ network: 0, node: id }), polo_score: score };
}
