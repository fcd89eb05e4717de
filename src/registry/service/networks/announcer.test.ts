/** Members hear of changes at once; weakness 4 of spec/12, and what that may cost. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionState } from '../../connection.ts';
import { ManualClock, settle } from '../../registry.testkit.ts';
import { admission, newNetwork } from '../../store/fixtures.testkit.ts';
import { memoryStore } from '../../store/memory.ts';
import { Subscribers } from '../subscribers.ts';
import { NetworkAnnouncer } from './announcer.ts';
import { network, type Person, village } from './networks.testkit.ts';

interface Push {
  readonly event: string;
  readonly node_id: number;
  readonly from?: number;
  readonly network_id: number;
}

describe('members of a network', () => {
  it('are pushed what changes, and only they', async () => {
    const { people } = await village(4);
    const [owner, member, guest, stranger] = people as [Person, Person, Person, Person];
    const network_id = await network(owner, [member]);
    for (const person of people) await person.must('subscribe');
    const heard = async (person: Person): Promise<string[]> => {
      await settle();
      return (person.connection.pushed.splice(0) as Push[]).map(
        (push) => `${push.event} ${push.from ?? '-'} ${push.network_id}`,
      );
    };
    const all = async (): Promise<string[][]> => Promise.all(people.map(heard));

    await owner.must('set_network_policy', { network_id, allowed_ports: [80] });
    assert.deepEqual(await all(), [['network_changed 1 1'], ['network_changed 2 1'], [], []]);
    await owner.must('set_network_policy', { network_id, allowed_ports: [80] });
    assert.deepEqual(await all(), [[], [], [], []]);
    await owner.must('set_member_tags', { network_id, target_node_id: member.id, tags: ['x'] });
    assert.deepEqual(await all(), [['member_changed 2 1'], ['network_changed 2 1'], [], []]);
    await owner.must('invite_to_network', { inviter_id: owner.id, network_id, target_node_id: guest.id });
    assert.deepEqual(await all(), [[], [], ['invite 1 1'], []]);
    await guest.must('respond_invite', { network_id, accept: true });
    assert.deepEqual(await all(), [
      ['member_changed 3 1'],
      ['member_changed 3 1'],
      ['network_changed 3 1'],
      [],
    ]);
    await owner.must('kick_member', { network_id, target_node_id: guest.id });
    assert.deepEqual(await all(), [
      ['member_changed 3 1'],
      ['member_changed 3 1'],
      ['network_changed 3 1'],
      [],
    ]);
    await owner.must('promote_member', { network_id, target_node_id: member.id });
    assert.deepEqual(await all(), [['member_changed 2 1'], ['network_changed 2 1'], [], []]);
    await member.must('rename_network', { network_id, name: 'other' });
    assert.deepEqual(await all(), [['network_changed 1 1'], ['network_changed 2 1'], [], []]);
    await owner.must('delete_network', { network_id });
    assert.deepEqual(await all(), [['network_changed 1 1'], ['network_changed 2 1'], [], []]);
    assert.deepEqual(await heard(stranger), []);
  });

  it('of a big network are told in slices, and many changes in one go', async () => {
    const [store, subscribers, clock] = [memoryStore(), new Subscribers(), new ManualClock()];
    await store.createNetwork(newNetwork('big', 1));
    for (let node = 2; node <= 1000; node++) {
      await store.joinNetwork(admission(1, node, { perNetwork: 2000 }));
    }
    const pushed: Push[] = [];
    for (const node of [1, 500, 1000, 2000]) {
      const remote = { host: '198.51.100.1', port: node };
      subscribers.add(node, new ConnectionState(remote, false, (message) => pushed.push(message as Push)));
    }
    let reads = 0;
    const counted = {
      ...store,
      members: (...asked: Parameters<typeof store.members>) => {
        reads++;
        return store.members(...asked);
      },
    };
    const announcer = new NetworkAnnouncer(counted, subscribers, clock);
    announcer.changed(1);
    await clock.advance(0);
    assert.equal(reads, 1);
    for (let node = 2; node <= 400; node++) announcer.stands(1, node);
    await clock.advance(10_000);
    assert.ok(reads <= 12, `${reads} reads for 400 changes`);
    const told = (node: number): string[] =>
      pushed
        .filter((push) => push.node_id === node)
        .map(({ event, from }) => `${event} ${from ?? 'several'}`);
    for (const node of [1, 500, 1000]) {
      assert.ok(told(node).includes(`network_changed ${node}`));
      assert.ok(told(node).includes('member_changed several'));
      assert.ok(told(node).length < 80, String(told(node).length));
    }
    assert.deepEqual(told(2000), []);
  });

  it('are not looked for when nobody listens, and a failing store harms nobody', async () => {
    const [store, subscribers, clock] = [memoryStore(), new Subscribers(), new ManualClock()];
    let reads = 0;
    const failing = {
      ...store,
      network: () => {
        reads++;
        return Promise.reject(new Error('closed'));
      },
    };
    const announcer = new NetworkAnnouncer(failing, subscribers, clock);
    announcer.changed(1);
    await settle();
    assert.equal(reads, 0);
    subscribers.add(1, new ConnectionState({ host: '198.51.100.1', port: 1 }, false, () => {}));
    announcer.changed(1);
    await settle();
    announcer.changed(1);
    await settle();
    assert.equal(reads, 2);
  });
});
