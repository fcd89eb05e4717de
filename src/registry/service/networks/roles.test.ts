/** Weakness 1 of spec/12: whoever named the owner's id was believed to be the owner. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codeOf, network, type Person, stateOf, village } from './networks.testkit.ts';

/** Every request that needs a role, as an attacker would send it in the name of `as`. */
function takeovers(network_id: number, as: number, attacker: number, victim: number): object[] {
  return [
    { type: 'rename_network', network_id, node_id: as, name: 'mine' },
    { type: 'delete_network', network_id, node_id: as },
    { type: 'transfer_ownership', network_id, node_id: as, new_owner_id: attacker },
    { type: 'promote_member', network_id, node_id: as, target_node_id: attacker },
    { type: 'demote_member', network_id, node_id: as, target_node_id: victim },
    { type: 'kick_member', network_id, node_id: as, target_node_id: victim },
    { type: 'set_member_tags', network_id, node_id: as, target_node_id: attacker, tags: ['service'] },
    { type: 'set_network_policy', network_id, node_id: as, allowed_ports: [1] },
    { type: 'set_expr_policy', network_id, node_id: as, expr_policy: '' },
    { type: 'rotate_join_token', network_id, node_id: as, token: 'known' },
    { type: 'invite_to_network', network_id, inviter_id: as, target_node_id: 77 },
  ];
}

describe('a role', () => {
  it('is not taken from a stated id, by nobody and in no request', async () => {
    const { registry, people } = await village(4);
    const [owner, admin, member, stranger] = people as [Person, Person, Person, Person];
    const id = await network(owner, [admin, member], { join_rule: 'token', token: 'secret' });
    await owner.must('promote_member', { network_id: id, target_node_id: admin.id });
    const before = await stateOf(registry, id);
    for (const attacker of [stranger, member, admin]) {
      for (const as of [owner.id, admin.id]) {
        for (const request of takeovers(id, as, attacker.id, admin.id)) {
          if (attacker === admin && as === admin.id) continue;
          const bare = await attacker.connection.send(request);
          assert.equal(bare.type, 'error', JSON.stringify(request));
          // Signed, but by a key that is not the named node's.
          const forged = await attacker.connection.signed(attacker.key, request);
          assert.equal(forged.code, 'permission_denied', JSON.stringify(request));
          const oldStyle = await attacker.connection.send({ ...request, signature: 'AAAA' });
          assert.equal(oldStyle.type, 'error', JSON.stringify(request));
          const guessed = await attacker.connection.send({ ...request, admin_token: 'secret' });
          assert.equal(guessed.type, 'error', JSON.stringify(request));
        }
      }
    }
    assert.deepEqual(await stateOf(registry, id), before);
    assert.deepEqual(await registry.store.invites(77, 0, 9), []);
  });

  it('cannot be had by sending a captured request again, or to another network', async () => {
    const { people } = await village(2);
    const [owner, mallory] = people as [Person, Person];
    const first = await network(owner, [mallory]);
    const second = await network(owner, [], { name: 'other' });
    const captured = owner.connection.sign(owner.key, {
      type: 'promote_member',
      node_id: owner.id,
      network_id: first,
      target_node_id: mallory.id,
    });
    assert.equal((await owner.connection.send(captured)).type, 'promote_member_ok');
    await owner.must('demote_member', { network_id: first, target_node_id: mallory.id });
    assert.equal((await mallory.connection.send(captured)).type, 'error');
    assert.equal((await mallory.connection.send({ ...captured, network_id: second })).type, 'error');
  });

  it('of a stranger or a plain member is refused for what owners and admins do', async () => {
    const { registry, people } = await village(3);
    const [owner, member, stranger] = people as [Person, Person, Person];
    const id = await network(owner, [member]);
    const before = await stateOf(registry, id);
    for (const attacker of [member, stranger]) {
      for (const request of takeovers(id, attacker.id, attacker.id, owner.id)) {
        const reply = await attacker.connection.signed(attacker.key, request);
        assert.equal(reply.type, 'error', JSON.stringify(request));
      }
    }
    assert.deepEqual(await stateOf(registry, id), before);
  });

  it('of an admin does what admins do, and nothing that owners do', async () => {
    const { registry, people } = await village(4);
    const [owner, admin, other, member] = people as [Person, Person, Person, Person];
    const id = await network(owner, [admin, other, member]);
    for (const each of [admin, other]) {
      await owner.must('promote_member', { network_id: id, target_node_id: each.id });
    }
    const about = (target: Person): object => ({ network_id: id, target_node_id: target.id });
    assert.equal(await admin.outcome('kick_member', about(owner)), 'permission_denied');
    assert.equal(await admin.outcome('kick_member', about(other)), 'permission_denied');
    assert.equal(await admin.outcome('demote_member', about(other)), 'permission_denied');
    assert.equal(await admin.outcome('promote_member', about(member)), 'permission_denied');
    assert.equal(await admin.outcome('delete_network', { network_id: id }), 'permission_denied');
    const take = { network_id: id, new_owner_id: admin.id };
    assert.equal(await admin.outcome('transfer_ownership', take), 'permission_denied');
    await admin.must('set_member_tags', { ...about(member), tags: ['x'] });
    await admin.must('rename_network', { network_id: id, name: 'renamed' });
    await admin.must('kick_member', about(member));
    assert.equal(await registry.store.member(id, member.id), undefined);
    await owner.must('kick_member', about(other));
    assert.equal(await owner.outcome('kick_member', about(owner)), 'invalid_argument');
  });

  it('of owner goes to a member, and leaves an admin behind', async () => {
    const { registry, people } = await village(3);
    const [owner, heir, stranger] = people as [Person, Person, Person];
    const id = await network(owner, [heir]);
    const give = (to: number): object => ({ network_id: id, new_owner_id: to });
    assert.equal(await owner.outcome('transfer_ownership', give(stranger.id)), 'not_found');
    assert.equal(await owner.outcome('transfer_ownership', give(owner.id)), 'already_exists');
    assert.equal(await owner.outcome('transfer_ownership', give(0)), 'invalid_argument');
    const reply = await owner.must('transfer_ownership', give(heir.id));
    assert.deepEqual([reply.old_owner, reply.new_owner], [owner.id, heir.id]);
    assert.equal((await registry.store.member(id, owner.id))!.role, 'admin');
    assert.equal(await owner.outcome('delete_network', { network_id: id }), 'permission_denied');
    await heir.must('delete_network', { network_id: id });
  });

  it('of a network without an owner is given by the operator alone', async () => {
    const { registry, people } = await village(3);
    const [owner, admin, member] = people as [Person, Person, Person];
    const id = await network(owner, [admin, member]);
    await owner.must('promote_member', { network_id: id, target_node_id: admin.id });
    // As stores of earlier versions may have it.
    await registry.store.removeMember(id, owner.id, []);
    for (const hopeful of [admin, member, owner]) {
      const reply = await hopeful.ask('transfer_ownership', { network_id: id, new_owner_id: hopeful.id });
      assert.equal(reply.type, 'error');
      assert.equal((await hopeful.ask('delete_network', { network_id: id })).type, 'error');
    }
    const given = await registry.connect().send({
      type: 'transfer_ownership',
      request_id: 1,
      admin_token: 'operator',
      network_id: id,
      new_owner_id: member.id,
    });
    assert.deepEqual([given.type, given.old_owner], ['transfer_ownership_ok', 0]);
    assert.equal(await registry.store.owner(id), member.id);
  });

  it('cannot be filled up for somebody by making him owner of many networks', async () => {
    const { people } = await village(2, { networksPerNode: 2 });
    const [giver, heir] = people as [Person, Person];
    await network(heir, [], { name: 'a' });
    await network(heir, [], { name: 'b' });
    const id = await network(giver, [heir], { name: 'c' });
    const reply = await giver.ask('transfer_ownership', { network_id: id, new_owner_id: heir.id });
    assert.equal(codeOf(reply), 'rate_limited');
  });

  it('and its token of the operator works for everything', async () => {
    const { registry, people } = await village(2);
    const [owner, member] = people as [Person, Person];
    const id = await network(owner, [member]);
    const operator = registry.connect();
    const ask = (type: string, fields: object): Promise<Record<string, unknown>> =>
      operator.send({ type, network_id: id, admin_token: 'operator', request_id: 1, ...fields });
    assert.equal((await ask('promote_member', { target_node_id: member.id })).type, 'promote_member_ok');
    assert.equal((await ask('kick_member', { target_node_id: owner.id })).code, 'permission_denied');
    assert.equal((await ask('kick_member', { target_node_id: member.id })).type, 'kick_member_ok');
    assert.equal((await ask('delete_network', {})).type, 'delete_network_ok');
    assert.equal((await ask('delete_network', { admin_token: 'operatoR' })).code, 'permission_denied');
  });
});
