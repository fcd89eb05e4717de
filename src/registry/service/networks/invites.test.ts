/** Invitations: who may make them, how many there may be, and what they tell. spec/12 §3.1 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { network, type Person, village } from './networks.testkit.ts';

const DAY = 24 * 60 * 60 * 1000;

describe('an invitation', () => {
  it('lets exactly its target in, once', async () => {
    const { registry, people } = await village(3);
    const [owner, guest, other] = people as [Person, Person, Person];
    const network_id = await network(owner, [], { join_rule: 'invite' });
    const invite = { inviter_id: owner.id, network_id, target_node_id: guest.id };
    await owner.must('invite_to_network', invite);
    assert.equal((await owner.must('invite_to_network', invite)).status, 'already_invited');
    const { invites } = await guest.must('poll_invites');
    const [row] = invites as { expires: number; timestamp: number }[];
    assert.deepEqual(
      { ...row, timestamp: 0, expires: 0 },
      { network_id, inviter_id: owner.id, name: 'net', timestamp: 0, expires: 0 },
    );
    assert.equal(row!.expires - row!.timestamp, 30 * 24 * 60 * 60);
    assert.equal(await other.outcome('respond_invite', { network_id, accept: true }), 'not_found');
    const forOther = { type: 'respond_invite', node_id: guest.id, network_id, accept: true };
    assert.equal((await other.connection.signed(other.key, forOther)).code, 'permission_denied');
    assert.equal((await guest.must('respond_invite', { network_id, accept: true })).accepted, true);
    assert.equal(await guest.outcome('respond_invite', { network_id, accept: true }), 'not_found');
    assert.equal(await owner.outcome('invite_to_network', invite), 'already_exists');
    assert.equal((await registry.store.member(network_id, guest.id))!.role, 'member');
  });

  it('can be declined, and expires after thirty days', async () => {
    const { registry, people } = await village(2);
    const [owner, guest] = people as [Person, Person];
    const network_id = await network(owner, [], { join_rule: 'invite' });
    const invite = { inviter_id: owner.id, network_id, target_node_id: guest.id };
    await owner.must('invite_to_network', invite);
    assert.equal((await guest.must('respond_invite', { network_id, accept: false })).accepted, false);
    await owner.must('invite_to_network', invite);
    await registry.clock.advance(30 * DAY + 1000);
    assert.deepEqual((await guest.must('poll_invites')).invites, []);
    const late = await guest.ask('respond_invite', { network_id, accept: true });
    assert.match(String(late.error), /has expired/);
    assert.deepEqual(await registry.store.networksOf(guest.id), []);
  });

  it('is made by owners and admins, also to open networks and those with a token', async () => {
    const { people } = await village(5);
    const [owner, admin, member, stranger, guest] = people as [Person, Person, Person, Person, Person];
    const invited = async (by: Person, network_id: number): Promise<unknown> =>
      by.outcome('invite_to_network', { inviter_id: by.id, network_id, target_node_id: guest.id });
    for (const join_rule of ['open', 'token', 'invite']) {
      const id = await network(owner, [admin, member], { name: join_rule, join_rule, token: 't' });
      await owner.must('promote_member', { network_id: id, target_node_id: admin.id });
      assert.equal(await invited(member, id), 'permission_denied');
      assert.match(
        String(await invited(stranger, id)),
        join_rule === 'open' ? /permission_denied/ : /not_found/,
      );
      assert.equal(await invited(admin, id), 'invite_to_network_ok');
      await guest.must('respond_invite', { network_id: id, accept: true });
    }
  });

  it('says nothing about nodes: one that does not exist is invited like any other', async () => {
    const { people } = await village(2);
    const [owner, hiding] = people as [Person, Person];
    const network_id = await network(owner, [], { join_rule: 'invite' });
    const about = (target_node_id: number): object => ({ inviter_id: owner.id, network_id, target_node_id });
    const real = await owner.ask('invite_to_network', about(hiding.id));
    const unreal = await owner.ask('invite_to_network', about(4_000_000));
    assert.deepEqual({ ...unreal, target_node_id: hiding.id }, real);
    const again = await owner.ask('invite_to_network', about(hiding.id));
    const unrealAgain = await owner.ask('invite_to_network', about(4_000_000));
    assert.deepEqual({ ...unrealAgain, target_node_id: hiding.id }, again);
  });

  it('cannot be used to fill an inbox from one place, nor by one network without end', async () => {
    const { registry, people } = await village(2, {
      invitesPerTarget: 4,
      invitesPerSource: 2,
      invitesPerNetwork: 6,
      newNetworksPerHost: { burst: 100, perSecond: 1 },
    });
    const [victim, friend] = people as [Person, Person];
    const mallory = await Promise.all([0, 1, 2].map(() => registry.person('203.0.113.66')));
    const invite = async (by: Person, name: string): Promise<unknown> => {
      const network_id = await network(by, [], { name, join_rule: 'invite' });
      return by.outcome('invite_to_network', { inviter_id: by.id, network_id, target_node_id: victim.id });
    };
    const outcomes = [];
    for (const [i, each] of mallory.entries()) outcomes.push(await invite(each, `spam-${i}`));
    assert.deepEqual(outcomes, ['invite_to_network_ok', 'invite_to_network_ok', 'rate_limited']);
    assert.equal(await invite(friend, 'friends'), 'invite_to_network_ok');
    assert.equal(((await victim.must('poll_invites')).invites as unknown[]).length, 3);
    const network_id = await network(friend, [], { name: 'wide', join_rule: 'invite' });
    const sent = [];
    for (let target = 1000; target < 1008; target++) {
      const about = { inviter_id: friend.id, network_id, target_node_id: target };
      sent.push(await friend.outcome('invite_to_network', about));
    }
    assert.deepEqual(sent.slice(5), ['invite_to_network_ok', 'rate_limited', 'rate_limited']);
  });

  it('that finds the network full stays good', async () => {
    const { people } = await village(3);
    const [owner, member, guest] = people as [Person, Person, Person];
    const network_id = await network(owner, [member], { join_rule: 'invite' });
    await owner.must('set_network_policy', { network_id, max_members: 2 });
    await owner.must('invite_to_network', { inviter_id: owner.id, network_id, target_node_id: guest.id });
    assert.equal(await guest.outcome('respond_invite', { network_id, accept: true }), 'rate_limited');
    await owner.must('kick_member', { network_id, target_node_id: member.id });
    await guest.must('respond_invite', { network_id, accept: true });
  });
});
