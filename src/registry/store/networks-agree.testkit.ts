/** Random operations on networks, for the test that compares stores. */
import fc from 'fast-check';
import { admission, newInvite, newNetwork, T0 } from './fixtures.testkit.ts';
import type { MemberRole, Store } from './store.ts';

export type Step = { readonly name: string; readonly run: (store: Store) => Promise<unknown> };

const node = fc.integer({ min: 1, max: 5 });
const network = fc.integer({ min: 1, max: 5 });
const at = fc.integer({ min: T0 - 2000, max: T0 + 2000 });
const name = fc.constantFrom('net-a', 'net-b', 'net-c');
const role = fc.constantFrom<MemberRole>('owner', 'admin', 'member');
const text = fc.constantFrom('', 'x', 'naïve "quoted" 💥');
const small = fc.integer({ min: 1, max: 4 });

function step<T>(
  title: string,
  input: fc.Arbitrary<T>,
  run: (store: Store, value: T) => Promise<unknown>,
): fc.Arbitrary<Step> {
  return input.map((value) => ({
    name: `${title} ${JSON.stringify(value)}`,
    run: (store) => run(store, value),
  }));
}

const joining = fc.record({ network, node, at, perNetwork: small, perNode: small });

export const networkSteps: readonly { weight: number; arbitrary: fc.Arbitrary<Step> }[] = [
  [
    4,
    step(
      'createNetwork',
      fc.record({
        name,
        creator: node,
        joinRule: fc.constantFrom('open', 'token', 'invite'),
        tokenHash: text,
        enterprise: fc.boolean(),
        exprPolicy: text,
        at,
        perOwner: small,
        perNode: small,
        lastId: fc.constantFrom(3, 0xffff),
      }),
      (store, { name, creator, ...changes }) => store.createNetwork(newNetwork(name, creator, changes)),
    ),
  ],
  [
    4,
    step('joinNetwork', joining, (store, { network, node, ...changes }) =>
      store.joinNetwork(admission(network, node, changes)),
    ),
  ],
  [
    2,
    step(
      'removeMember',
      fc.record({ network, node, except: fc.subarray<MemberRole>(['owner', 'admin', 'member']) }),
      (store, { network, node, except }) => store.removeMember(network, node, except),
    ),
  ],
  [
    2,
    step(
      'changeRole',
      fc.record({ network, node, from: role, to: fc.constantFrom<MemberRole>('admin', 'member') }),
      (store, { network, node, from, to }) => store.changeRole(network, node, from, to),
    ),
  ],
  [
    2,
    step(
      'transferNetwork',
      fc.record({ network, from: fc.option(node, { nil: undefined }), to: node, perOwner: small }),
      (store, { network, from, to, perOwner }) => store.transferNetwork(network, from, to, perOwner),
    ),
  ],
  [
    1,
    step(
      'setMemberTags',
      fc.record({ network, node, tags: fc.array(text, { maxLength: 3 }) }),
      (store, { network, node, tags }) => store.setMemberTags(network, node, tags),
    ),
  ],
  [
    1,
    step(
      'patchNetwork',
      fc.record({
        network,
        patch: fc.record(
          {
            maxMembers: fc.integer({ min: 0, max: 4 }),
            ports: fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 3 }),
            description: text,
            exprPolicy: text,
            tokenHash: text,
          },
          { requiredKeys: [] },
        ),
      }),
      (store, { network, patch }) => store.patchNetwork(network, patch),
    ),
  ],
  [
    1,
    step('renameNetwork', fc.record({ network, name }), (store, { network, name }) =>
      store.renameNetwork(network, name),
    ),
  ],
  [1, step('deleteNetwork', network, (store, id) => store.deleteNetwork(id))],
  [
    4,
    step(
      'invite',
      fc.record({ network, inviter: node, target: node, source: fc.constantFrom('a', 'b'), at }),
      (store, { network, inviter, target, ...changes }) =>
        store.invite(newInvite(network, inviter, target, changes)),
    ),
  ],
  [
    2,
    step('acceptInvite', joining, (store, { network, node, ...changes }) =>
      store.acceptInvite(admission(network, node, changes), T0 - 500),
    ),
  ],
  [
    1,
    step('declineInvite', fc.record({ network, node }), (store, { network, node }) =>
      store.declineInvite(network, node, T0 - 500),
    ),
  ],
].map(([weight, arbitrary]) => ({ weight: weight as number, arbitrary: arbitrary as fc.Arbitrary<Step> }));

/** All that can be read of networks. */
export async function everythingOfNetworks(store: Store): Promise<unknown> {
  const ids = [1, 2, 3, 4, 5, 6, 7, 8];
  return {
    records: await Promise.all(ids.map((id) => store.network(id))),
    named: await Promise.all(['net-a', 'net-b', 'net-c'].map((each) => store.networkByName(each))),
    members: await Promise.all(ids.map((id) => store.members(id, 100))),
    member: await Promise.all(ids.map((id) => store.member(1, id))),
    owners: await Promise.all(ids.map((id) => store.owner(id))),
    visible: await Promise.all(ids.map((id) => store.listNetworks(3, id, 1))),
    of: await Promise.all(ids.map((id) => store.networksOf(id))),
    memberships: await Promise.all(ids.map((id) => store.membershipsOf(id, 2, 1))),
    shared: await Promise.all(ids.flatMap((a) => ids.map((b) => store.sharedNetworks(a, b)))),
    invites: await Promise.all(ids.map((id) => store.invites(id, T0 - 1000, 10))),
  };
}
