/** What every store must do with networks. */
import assert from 'node:assert/strict';
import { type Check, T0 } from './fixtures.testkit.ts';

export function networksContract(check: Check): void {
  check('makes networks with members', async (store) => {
    const net = { name: 'net-a', joinRule: 'open', token: '', enterprise: false, creator: 1, at: T0 };
    assert.deepEqual(await store.createNetwork(net), {
      id: 1,
      name: 'net-a',
      joinRule: 'open',
      token: '',
      enterprise: false,
      createdAt: T0,
      members: 1,
    });
    assert.equal(await store.createNetwork(net), 'exists');
    assert.equal(await store.joinNetwork(1, 2), 'joined');
    assert.equal(await store.joinNetwork(1, 2), 'already');
    assert.equal(await store.joinNetwork(9, 2), 'no_network');
    assert.deepEqual(await store.members(1, 10), [
      { node: 1, role: 'owner' },
      { node: 2, role: 'member' },
    ]);
    assert.deepEqual(await store.networksOf(2), [1]);
    assert.equal((await store.network(1))!.members, 2);
    assert.equal(await store.network(2), undefined);
    assert.deepEqual(
      (await store.listNetworks(10)).map(({ id, members }) => [id, members]),
      [[1, 2]],
    );
    assert.equal(await store.leaveNetwork(1, 2), true);
    assert.equal(await store.leaveNetwork(1, 2), false);
  });
}
