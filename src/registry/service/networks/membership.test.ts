/** Weaknesses 6 and 10 of spec/12: secrets that let everybody in, tokens to be guessed, and what stays behind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signedString } from '../../../wire/registry-signatures.ts';
import { identity, legacySignature } from '../../registry.testkit.ts';
import { network, type Person, village } from './networks.testkit.ts';

describe('making networks', () => {
  it('needs a proven key, or the token of the operator', async () => {
    const { registry, people } = await village(1);
    const [owner] = people as [Person];
    const reply = await owner.must('create_network', { name: 'team', join_rule: 'invite' });
    assert.deepEqual([reply.network_id, reply.name], [1, 'team']);
    const old = registry.connect();
    const { node_id } = await old.registerOld(identity(99));
    assert.equal(
      (await old.send({ type: 'create_network', name: 'b', node_id })).error,
      'invalid admin token',
    );
    const signed = await old.signed(identity(99), { type: 'create_network', name: 'b', node_id });
    assert.equal(signed.code, 'permission_denied');
    const forged = await old.signed(identity(99), { type: 'create_network', name: 'b', node_id: owner.id });
    assert.equal(forged.code, 'permission_denied');
    const byToken = { type: 'create_network', name: 'b', node_id, admin_token: 'operator' };
    assert.equal((await old.send(byToken)).type, 'create_network_ok');
  });

  it('is the operator’s alone where he says so', async () => {
    const { people } = await village(1, { networkCreation: 'operator' });
    const [node] = people as [Person];
    assert.equal(await node.outcome('create_network', { name: 'a' }), 'permission_denied');
    await node.must('create_network', { name: 'a', admin_token: 'operator' });
  });

  it('is bounded per node, per place, and leaves ids for the operator', async () => {
    const { people } = await village(1, { networksPerNode: 2 });
    const [node] = people as [Person];
    for (const name of ['a', 'b']) await node.must('create_network', { name });
    assert.equal(await node.outcome('create_network', { name: 'c' }), 'rate_limited');
    const crowd = await village(2, { newNetworksPerHost: { burst: 1, perSecond: 0 } });
    const mallory = await crowd.registry.person('198.51.100.1');
    const [alice, bob] = crowd.people as [Person, Person];
    await alice.must('create_network', { name: 'a' });
    assert.equal(await mallory.outcome('create_network', { name: 'b' }), 'rate_limited');
    await bob.must('create_network', { name: 'b' });
    const wide = await village(3, { newNetworks: { burst: 2, perSecond: 0 } });
    const outcomes = [];
    for (const [i, each] of wide.people.entries()) {
      outcomes.push(await each.outcome('create_network', { name: `w${i}` }));
    }
    assert.deepEqual(outcomes, ['create_network_ok', 'create_network_ok', 'rate_limited']);
    await wide.people[2]!.must('create_network', { name: 'w2', admin_token: 'operator' });
    const last = await village(1, { networkIdsKept: 0xffff - 2 });
    const [one] = last.people as [Person];
    for (const name of ['a', 'b']) await one.must('create_network', { name });
    assert.equal(await one.outcome('create_network', { name: 'c' }), 'unavailable');
    await one.must('create_network', { name: 'c', admin_token: 'operator' });
  });

  it('never gives an id twice, so that old members, invitations and addresses mean nothing in a new network', async () => {
    const { registry, people } = await village(2);
    const [owner, member] = people as [Person, Person];
    const id = await network(owner, [member]);
    await owner.must('delete_network', { network_id: id });
    const again = await network(owner, []);
    assert.ok(again > id);
    const restarted = registry.restart();
    assert.equal(await restarted.store.network(id), undefined);
    assert.deepEqual(await restarted.store.networksOf(member.id), []);
  });

  it('by name is not a way to list names', async () => {
    const { people } = await village(2, { takenNamesPerHost: { burst: 2, perSecond: 0 } });
    const [owner, prober] = people as [Person, Person];
    await network(owner, [], { name: 'a', join_rule: 'invite' });
    for (let i = 0; i < 2; i++)
      assert.equal(await prober.outcome('create_network', { name: 'a' }), 'already_exists');
    assert.equal(await prober.outcome('create_network', { name: 'a' }), 'rate_limited');
    assert.equal(await prober.outcome('create_network', { name: 'z' }), 'rate_limited');
  });
});

describe('joining', () => {
  it('with an empty token fails everywhere: a token is made where none is given', async () => {
    const { registry, people } = await village(2);
    const [owner, other] = people as [Person, Person];
    const made = await owner.must('create_network', { name: 'a', join_rule: 'token', token: '' });
    assert.match(String(made.token), /^[0-9a-f]{32}$/);
    const join = { network_id: made.network_id };
    assert.equal(await other.outcome('join_network', join), 'permission_denied');
    assert.equal(await other.outcome('join_network', { ...join, token: '' }), 'permission_denied');
    const { tokenHash } = (await registry.store.network(Number(made.network_id)))!;
    assert.equal(await other.outcome('join_network', { ...join, token: tokenHash }), 'permission_denied');
    await other.must('join_network', { ...join, token: made.token });
  });

  it('is not to be had by guessing tokens: neither from many nodes in one place nor by one node from many', async () => {
    const { registry, people } = await village(1);
    const [owner] = people as [Person];
    const network_id = await network(owner, [], { join_rule: 'token', token: 'correct' });
    const guesses = async (guessers: readonly Person[]): Promise<unknown[]> => {
      const outcomes: unknown[] = [];
      for (const [i, guesser] of guessers.entries()) {
        outcomes.push(await guesser.outcome('join_network', { network_id, token: `guess ${i}` }));
      }
      return outcomes;
    };
    const crowd = await Promise.all(Array.from({ length: 12 }, () => registry.person('203.0.113.9')));
    assert.deepEqual((await guesses(crowd)).slice(9), ['permission_denied', 'rate_limited', 'rate_limited']);
    // Even the right token, so that a guess that would be right is not told from a wrong one.
    assert.equal(await crowd[0]!.outcome('join_network', { network_id, token: 'correct' }), 'rate_limited');
    const roamer = await registry.person('203.0.113.20');
    const roaming = Array.from({ length: 12 }, (_, i) => {
      const connection = registry.connect(`203.0.113.${100 + i}`);
      return connection.signed(roamer.key, {
        type: 'join_network',
        node_id: roamer.id,
        network_id,
        token: `x${i}`,
      });
    });
    const codes = (await Promise.all(roaming)).map(({ code }) => code);
    assert.equal(codes.filter((code) => code === 'permission_denied').length, 10);
    await registry.clock.advance(60_000);
    await crowd[0]!.must('join_network', { network_id, token: 'correct' });
  });

  it('with a token works until the token is changed; members stay', async () => {
    const { registry, people } = await village(3);
    const [owner, early, late] = people as [Person, Person, Person];
    const network_id = await network(owner, [early], { join_rule: 'token', token: 'first' });
    const { token } = await owner.must('rotate_join_token', { network_id });
    assert.match(String(token), /^[0-9a-f]{32}$/);
    assert.equal(await late.outcome('join_network', { network_id, token: 'first' }), 'permission_denied');
    await late.must('join_network', { network_id, token });
    assert.deepEqual(await registry.store.networksOf(early.id), [network_id]);
    assert.equal(await late.outcome('rotate_join_token', { network_id }), 'permission_denied');
  });

  it('keeps no token in clear', async () => {
    const { registry, people } = await village(1);
    const network_id = await network(people[0]!, [], { join_rule: 'token', token: 'the secret' });
    assert.doesNotMatch(JSON.stringify(await registry.store.network(network_id)), /the secret/);
  });

  it('by name says one thing for no such network, one for the invited, and a wrong token', async () => {
    const { people } = await village(2);
    const [owner, other] = people as [Person, Person];
    await network(owner, [], { name: 'hidden', join_rule: 'invite' });
    const open = await network(owner, [], { name: 'open-one' });
    const keyed = await network(owner, [], { name: 'keyed', join_rule: 'token', token: 'k' });
    const texts = new Set<string>();
    for (const name of ['hidden', 'nothing', 'keyed']) {
      const { error, code } = await other.ask('join_network', { name, token: 'x' });
      assert.equal(code, 'not_found');
      texts.add(String(error).replace(name, '*'));
    }
    assert.equal(texts.size, 1);
    assert.equal((await other.must('join_network', { name: 'open-one' })).network_id, open);
    const joined = await other.must('join_network', { name: 'keyed', token: 'k' });
    assert.deepEqual([joined.network_id, joined.name], [keyed, 'keyed']);
  });

  it('stops at the limit of the network and of the node', async () => {
    const { people } = await village(3, { membershipsPerNode: 2 });
    const [owner, second, third] = people as [Person, Person, Person];
    const a = await network(owner, [second], { name: 'a' });
    const b = await network(owner, [], { name: 'b' });
    await owner.must('set_network_policy', { network_id: a, max_members: 2 });
    assert.equal(await third.outcome('join_network', { network_id: a }), 'rate_limited');
    await second.must('join_network', { network_id: b });
    const c = await network(third, [], { name: 'c' });
    assert.equal(await second.outcome('join_network', { network_id: c }), 'rate_limited');
  });

  it('of a proven node cannot be done with an old signature', async () => {
    const { registry, people } = await village(2);
    const [owner, victim] = people as [Person, Person];
    const network_id = await network(owner, []);
    const signature = legacySignature(victim.key, signedString.joinNetwork(victim.id, network_id));
    const reply = await registry
      .connect()
      .send({ type: 'join_network', node_id: victim.id, network_id, signature });
    assert.equal(reply.type, 'error');
    assert.deepEqual(await registry.store.networksOf(victim.id), []);
  });
});

describe('what membership leaves behind', () => {
  it('is nothing: tags, role and invitations end with it', async () => {
    const { registry, people } = await village(4);
    const [owner, admin, member, guest] = people as [Person, Person, Person, Person];
    const network_id = await network(owner, [admin, member]);
    const tagged = { network_id, target_node_id: member.id, tags: ['service'] };
    await owner.must('set_member_tags', tagged);
    await owner.must('promote_member', { network_id, target_node_id: admin.id });
    await admin.must('invite_to_network', { inviter_id: admin.id, network_id, target_node_id: guest.id });
    await admin.must('leave_network', { network_id });
    assert.deepEqual((await guest.must('poll_invites')).invites, []);
    assert.equal(await guest.outcome('respond_invite', { network_id, accept: true }), 'not_found');
    await owner.must('kick_member', { network_id, target_node_id: member.id });
    for (const returning of [admin, member]) await returning.must('join_network', { network_id });
    const { networks } = await member.must('my_networks');
    const [own] = networks as { role: string; tags: string[] }[];
    assert.deepEqual([own!.role, own!.tags], ['member', []]);
    assert.equal((await registry.store.member(network_id, admin.id))!.role, 'member');
  });

  it('does not let anybody resolve or find anybody once it ended', async () => {
    const { people } = await village(3);
    const [owner, member, other] = people as [Person, Person, Person];
    const network_id = await network(owner, [member, other]);
    const resolve = (): Promise<unknown> =>
      member.outcome('resolve', { node_id: other.id, requester_id: member.id });
    const shared = async (): Promise<unknown> =>
      (await member.must('relation', { peer_id: other.id })).shared;
    assert.equal(await resolve(), 'resolve_ok');
    assert.equal(((await shared()) as unknown[]).length, 1);
    await owner.must('kick_member', { network_id, target_node_id: member.id });
    assert.notEqual(await resolve(), 'resolve_ok');
    assert.deepEqual(await shared(), []);
    await member.must('join_network', { network_id });
    assert.equal(await resolve(), 'resolve_ok');
    await other.must('leave_network', { network_id });
    assert.notEqual(await resolve(), 'resolve_ok');
    await other.must('join_network', { network_id });
    await owner.must('delete_network', { network_id });
    assert.notEqual(await resolve(), 'resolve_ok');
    assert.deepEqual(await shared(), []);
  });

  it('is an owner: who owns a network hands it over or deletes it before leaving', async () => {
    const { people } = await village(2);
    const [owner, heir] = people as [Person, Person];
    const network_id = await network(owner, [heir]);
    const refused = await owner.ask('leave_network', { network_id });
    assert.deepEqual(
      [refused.code, refused.error],
      ['permission_denied', 'cannot leave network: owner must transfer ownership first'],
    );
    await owner.must('transfer_ownership', { network_id, new_owner_id: heir.id });
    await owner.must('leave_network', { network_id });
  });

  it('survives an ordinary restart of a node, and rests while it is deregistered', async () => {
    const { people } = await village(2);
    const [owner, member] = people as [Person, Person];
    const network_id = await network(owner, [member]);
    await owner.must('set_member_tags', { network_id, target_node_id: member.id, tags: ['x'] });
    await member.must('deregister');
    assert.deepEqual((await owner.must('relation', { peer_id: member.id })).shared, []);
    await member.connection.registerProven(member.key);
    const [shared] = (await owner.must('relation', { peer_id: member.id })).shared as { tags: string[] }[];
    assert.deepEqual(shared!.tags, ['x']);
  });
});
