/** Tags that the admins of a network give its members, for its policies. spec/12 §3 */
import { recorded } from '../audit/recorded.ts';
import type { Handler } from '../call.ts';
import { texts, u32 } from '../fields.ts';
import { refusal } from '../refusal.ts';
import { BACKBONE, cursorOf, networkField, notMember, pageOf } from './bounds.ts';
import { acting, actorIn, readable } from './standing.ts';

const TAG = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const MAX_TAGS = 10;

export const setMemberTags: Handler = async (call) => {
  const id = networkField(call);
  const target = u32(call.request.target_node_id);
  if (id === BACKBONE) throw refusal('invalid_argument', 'cannot tag members of the backbone network');
  const standing = await acting(call, id, ['owner', 'admin']);
  const tags = texts(call.request.tags);
  checkTags(tags);
  const set = await recorded(
    call,
    actorIn(call, standing),
    (store) => store.setMemberTags(id, target, tags),
    (done) => (done ? [{ action: 'member_tags.changed', target, network: id, details: { tags } }] : []),
  );
  if (!set) throw notMember(target, id);
  call.shared.networks.announcer.stands(id, target);
  return { type: 'set_member_tags_ok', network_id: id, target_node_id: target, tags };
};

export const getMemberTags: Handler = async (call) => {
  const { store, config } = call.shared;
  const id = networkField(call);
  const target = u32(call.request.target_node_id);
  await readable(call, id);
  if (target === 0) {
    const page = pageOf(call);
    const members = await store.members(id, page?.limit ?? config.listLimit, page?.after);
    const ids = members.map(({ node }) => node);
    return {
      type: 'get_member_tags_ok',
      network_id: id,
      members: Object.fromEntries(members.map(({ node, tags }) => [node, tags])),
      ...(page === undefined ? {} : cursorOf(ids, page.limit)),
    };
  }
  const member = await store.member(id, target);
  if (member === undefined) throw notMember(target, id);
  return { type: 'get_member_tags_ok', network_id: id, target_node_id: target, tags: member.tags };
};

function checkTags(tags: readonly string[]): void {
  if (tags.length > MAX_TAGS) throw refusal('invalid_argument', 'too many member tags (max 10)');
  for (const tag of tags) {
    if (tag === '') throw refusal('invalid_argument', 'empty tag not allowed');
    if (tag.length > 32) throw refusal('too_large', `tag "${tag.slice(0, 64)}" too long (max 32 chars)`);
    if (!TAG.test(tag)) {
      throw refusal('invalid_argument', `tag "${tag}" must be lowercase alphanumeric with hyphens`);
    }
  }
}
