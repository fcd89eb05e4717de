/** What every store must do with networks. */
import assert from 'node:assert/strict';
import { admission, type Check, newInvite, newNetwork, T0 } from './fixtures.testkit.ts';

export function networksContract(check: Check): void {
  check('makes networks with members', async (store) => {
    const net = newNetwork('net-a', 1, { tokenHash: 'ab', exprPolicy: '{}' });
    const record = {
      id: 1,
      name: 'net-a',
      joinRule: 'open',
      tokenHash: 'ab',
      enterprise: false,
      createdAt: T0,
      members: 1,
      maxMembers: 0,
      ports: [],
      description: '',
      exprPolicy: '{}',
    };
    assert.deepEqual(await store.createNetwork(net), record);
    assert.deepEqual(await store.networkByName('net-a'), record);
    assert.equal(await store.networkByName('net-b'), undefined);
    assert.equal(await store.createNetwork(net), 'exists');
    assert.equal(await store.joinNetwork(admission(1, 2, { at: T0 + 1 })), 'joined');
    assert.equal(await store.joinNetwork(admission(1, 2)), 'already');
    assert.equal(await store.joinNetwork(admission(9, 2)), 'no_network');
    assert.deepEqual(await store.members(1, 10), [
      { node: 1, role: 'owner', tags: [], since: T0 },
      { node: 2, role: 'member', tags: [], since: T0 + 1 },
    ]);
    assert.deepEqual(
      (await store.members(1, 10, 1)).map(({ node }) => node),
      [2],
    );
    assert.equal((await store.members(1, 1)).length, 1);
    assert.deepEqual(await store.networksOf(2), [1]);
    assert.equal((await store.network(1))!.members, 2);
    assert.equal(await store.network(2), undefined);
    assert.equal(await store.owner(1), 1);
    assert.equal(await store.removeMember(1, 2, ['owner']), 'removed');
    assert.equal(await store.removeMember(1, 2, []), 'not_member');
    assert.deepEqual(await store.removeMember(1, 1, ['owner']), { role: 'owner' });
    assert.deepEqual([(await store.network(1))!.members, await store.networksOf(2)], [1, []]);
  });

  check('never gives a network id twice, and stops at the last', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    await store.createNetwork(newNetwork('b', 1));
    assert.equal(await store.deleteNetwork(2), true);
    assert.equal(await store.deleteNetwork(2), false);
    const again = await store.createNetwork(newNetwork('b', 1));
    assert.equal(typeof again === 'object' && again.id, 3);
    assert.equal(await store.createNetwork(newNetwork('c', 1, { lastId: 3 })), 'exhausted');
    assert.deepEqual(await store.counts(), { nodes: 0, networks: 2 });
  });

  check('bounds what a node owns and joins, and what a network holds', async (store) => {
    await store.createNetwork(newNetwork('a', 1, { perOwner: 2 }));
    await store.createNetwork(newNetwork('b', 1, { perOwner: 2 }));
    assert.equal(await store.createNetwork(newNetwork('c', 1, { perOwner: 2 })), 'too_many');
    assert.equal(await store.joinNetwork(admission(1, 2, { perNode: 1 })), 'joined');
    assert.equal(await store.joinNetwork(admission(2, 2, { perNode: 1 })), 'too_many');
    assert.equal(await store.createNetwork(newNetwork('c', 2, { perNode: 1 })), 'too_many');
    assert.equal(await store.joinNetwork(admission(1, 3, { perNetwork: 2 })), 'full');
    assert.deepEqual(await store.patchNetwork(1, { maxMembers: 1 }), { members: 2 });
    await store.patchNetwork(1, { maxMembers: 2 });
    assert.equal(await store.joinNetwork(admission(1, 3)), 'full');
    assert.equal(await store.transferNetwork(1, 1, 2, 0), 'too_many');
  });

  check('lists open networks and those of the viewer, in parts', async (store) => {
    for (const [name, joinRule] of [
      ['a', 'open'],
      ['b', 'invite'],
      ['c', 'token'],
      ['d', 'open'],
    ] as const) {
      await store.createNetwork(newNetwork(name, 1, { joinRule }));
    }
    await store.joinNetwork(admission(3, 2));
    const ids = async (...range: [number, number?, number?]): Promise<number[]> =>
      (await store.listNetworks(...range)).map(({ id }) => id);
    assert.deepEqual(await ids(10), [1, 4]);
    assert.deepEqual(await ids(10, 2), [1, 3, 4]);
    assert.deepEqual(await ids(10, 1), [1, 2, 3, 4]);
    assert.deepEqual(await ids(2, 1), [1, 2]);
    assert.deepEqual(await ids(2, 1, 2), [3, 4]);
  });

  check('lists all networks, in parts', async (store) => {
    for (const [name, joinRule] of [
      ['a', 'invite'],
      ['b', 'open'],
      ['c', 'token'],
    ] as const) {
      await store.createNetwork(newNetwork(name, 1, { joinRule }));
    }
    await store.deleteNetwork(2);
    const ids = async (after: number, limit: number): Promise<number[]> =>
      (await store.allNetworks(after, limit)).map(({ id }) => id);
    assert.deepEqual([await ids(0, 10), await ids(0, 1), await ids(1, 10)], [[1, 3], [1], [3]]);
  });

  check('changes what is given of a network, and its name', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    await store.createNetwork(newNetwork('b', 1));
    const changed = await store.patchNetwork(1, { ports: [7, 80], description: 'd', exprPolicy: '{"v":1}' });
    assert.ok(typeof changed === 'object' && 'ports' in changed);
    assert.deepEqual([changed.ports, changed.description, changed.maxMembers], [[7, 80], 'd', 0]);
    await store.patchNetwork(1, { tokenHash: 'cd', exprPolicy: '' });
    const { tokenHash, exprPolicy, ports } = (await store.network(1))!;
    assert.deepEqual([tokenHash, exprPolicy, ports], ['cd', '', [7, 80]]);
    assert.equal(await store.patchNetwork(9, {}), 'no_network');
    assert.equal(await store.renameNetwork(1, 'b'), 'exists');
    assert.equal(await store.renameNetwork(1, 'c'), 'renamed');
    assert.equal(await store.renameNetwork(1, 'c'), 'renamed');
    assert.equal(await store.renameNetwork(9, 'b'), 'no_network');
    assert.equal(await store.networkByName('a'), undefined);
    assert.equal((await store.networkByName('c'))!.id, 1);
  });

  check('changes roles only from what they were thought to be', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    await store.joinNetwork(admission(1, 2));
    assert.equal(await store.changeRole(1, 2, 'member', 'admin'), 'changed');
    assert.deepEqual(await store.changeRole(1, 2, 'member', 'admin'), { role: 'admin' });
    assert.deepEqual(await store.changeRole(1, 1, 'admin', 'member'), { role: 'owner' });
    assert.equal(await store.changeRole(1, 3, 'member', 'admin'), 'not_member');
    assert.equal(await store.transferNetwork(1, 1, 3, 16), 'not_member');
    assert.equal(await store.transferNetwork(1, 2, 2, 16), 'not_owner');
    assert.equal(await store.transferNetwork(1, undefined, 2, 16), 'not_owner');
    assert.equal(await store.transferNetwork(1, 1, 2, 16), 'transferred');
    assert.deepEqual(
      (await store.members(1, 9)).map(({ role }) => role),
      ['admin', 'owner'],
    );
    assert.equal(await store.owner(1), 2);
    await store.removeMember(1, 2, []);
    assert.equal(await store.owner(1), undefined);
    assert.equal(await store.transferNetwork(1, undefined, 1, 16), 'transferred');
  });

  check('keeps member tags exactly as long as the membership', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    await store.joinNetwork(admission(1, 2));
    assert.equal(await store.setMemberTags(1, 2, ['x', 'y']), true);
    assert.equal(await store.setMemberTags(1, 3, ['x']), false);
    assert.deepEqual((await store.member(1, 2))!.tags, ['x', 'y']);
    assert.equal(await store.removeMember(1, 2, []), 'removed');
    assert.equal(await store.member(1, 2), undefined);
    await store.joinNetwork(admission(1, 2));
    assert.deepEqual((await store.member(1, 2))!.tags, []);
  });

  check('says which networks two nodes share, and what the other is there', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    await store.createNetwork(newNetwork('b', 1));
    await store.createNetwork(newNetwork('c', 2));
    await store.joinNetwork(admission(1, 2, { at: T0 + 5 }));
    await store.setMemberTags(1, 2, ['x']);
    assert.deepEqual(await store.sharedNetworks(1, 2), [
      { network: 1, role: 'member', tags: ['x'], since: T0 + 5 },
    ]);
    assert.deepEqual(await store.sharedNetworks(2, 1), [
      { network: 1, role: 'owner', tags: [], since: T0 + 5 },
    ]);
    assert.deepEqual(await store.sharedNetworks(1, 1), []);
    const own = await store.membershipsOf(2, 10);
    assert.deepEqual(
      own.map(({ network, role, tags }) => [network.id, network.members, role, tags]),
      [
        [1, 2, 'member', ['x']],
        [3, 1, 'owner', []],
      ],
    );
    assert.deepEqual(
      (await store.membershipsOf(2, 10, 1)).map(({ network }) => network.id),
      [3],
    );
    await store.removeMember(1, 2, []);
    assert.deepEqual(await store.sharedNetworks(1, 2), []);
    assert.deepEqual(await store.sharedNetworks(2, 1), []);
  });

  check('leaves nothing of a deleted network', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    await store.joinNetwork(admission(1, 2));
    await store.setMemberTags(1, 2, ['x']);
    await store.invite(newInvite(1, 1, 3));
    await store.deleteNetwork(1);
    assert.deepEqual(
      [await store.networksOf(1), await store.networksOf(2), await store.members(1, 9)],
      [[], [], []],
    );
    assert.deepEqual(await store.invites(3, 0, 9), []);
    assert.equal(await store.networkByName('a'), undefined);
    assert.equal(await store.acceptInvite(admission(1, 3), 0), 'no_invite');
  });

  check('keeps invitations until they are answered, expired or void', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    assert.equal(await store.invite(newInvite(1, 1, 2)), 'invited');
    assert.equal(await store.invite(newInvite(1, 1, 2)), 'already_invited');
    assert.equal(await store.invite(newInvite(1, 1, 1)), 'member');
    assert.equal(await store.invite(newInvite(9, 1, 2)), 'no_network');
    assert.deepEqual(await store.invites(2, T0, 9), [{ network: 1, inviter: 1, at: T0 }]);
    assert.deepEqual(await store.invites(2, T0 + 1, 9), []);
    assert.equal(await store.acceptInvite(admission(1, 2, { perNetwork: 1 }), T0), 'full');
    assert.equal(await store.acceptInvite(admission(1, 2), T0), 'joined');
    assert.equal(await store.acceptInvite(admission(1, 2), T0), 'no_invite');
    assert.equal(await store.declineInvite(1, 2, T0), 'no_invite');
    await store.invite(newInvite(1, 1, 3));
    assert.equal(await store.declineInvite(1, 3, T0), 'declined');
    await store.invite(newInvite(1, 1, 3));
    assert.equal(await store.acceptInvite(admission(1, 3), T0 + 1), 'expired');
    await store.invite(newInvite(1, 1, 3));
    assert.equal(await store.declineInvite(1, 3, T0 + 1), 'expired');
    assert.equal(await store.member(1, 3), undefined);
    // Joining otherwise answers the invitation.
    await store.invite(newInvite(1, 1, 4));
    await store.joinNetwork(admission(1, 4));
    assert.deepEqual(await store.invites(4, T0, 9), []);
  });

  check('bounds invitations per target, source and network', async (store) => {
    for (const [id, name] of ['a', 'b', 'c', 'd'].entries())
      await store.createNetwork(newNetwork(name, id + 1));
    assert.equal(await store.invite(newInvite(1, 1, 9, { source: 's' })), 'invited');
    assert.equal(await store.invite(newInvite(2, 2, 9, { source: 's' })), 'invited');
    assert.equal(await store.invite(newInvite(3, 3, 9, { source: 's' })), 'full');
    assert.equal(await store.invite(newInvite(3, 3, 9, { source: 't' })), 'invited');
    assert.equal(await store.invite(newInvite(4, 4, 9, { source: 'u' })), 'full');
    assert.deepEqual(
      (await store.invites(9, T0, 2)).map(({ network }) => network),
      [1, 2],
    );
    const later = { at: T0 + 5, expiredBefore: T0 + 1 };
    assert.equal(await store.invite(newInvite(4, 4, 9, { source: 's', ...later })), 'invited');
    for (const target of [11, 12, 13, 14]) await store.invite(newInvite(4, 4, target, later));
    assert.equal(await store.invite(newInvite(4, 4, 15, later)), 'full');
  });

  check('ends invitations with the role or membership they rest on', async (store) => {
    await store.createNetwork(newNetwork('a', 1));
    await store.joinNetwork(admission(1, 2));
    await store.changeRole(1, 2, 'member', 'admin');
    await store.invite(newInvite(1, 2, 9));
    await store.invite(newInvite(1, 1, 8));
    await store.changeRole(1, 2, 'admin', 'member');
    assert.deepEqual([await store.invites(9, T0, 9), (await store.invites(8, T0, 9)).length], [[], 1]);
    await store.changeRole(1, 2, 'member', 'admin');
    await store.invite(newInvite(1, 2, 9));
    await store.removeMember(1, 2, ['owner']);
    assert.deepEqual(await store.invites(9, T0, 9), []);
  });
}
