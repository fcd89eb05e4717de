/** Random requests of several nodes, against a model of who may do what and who is in which network. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Person, type Village, village } from './networks.testkit.ts';

const RUNS = Number(process.env.NETWORK_RUNS ?? 60);
const PEOPLE = 4;

interface Model {
  readonly name: string;
  readonly rule: string;
  owner: number;
  readonly admins: Set<number>;
  /** All members, with their tags. */
  readonly members: Map<number, readonly string[]>;
  /** Target to inviter. */
  readonly invites: Map<number, number>;
}
type World = Map<number, Model>;

interface Request {
  readonly type: string;
  readonly fields: object;
  /** Changes the model; false when the request must be refused. */
  readonly apply: (world: World, actor: number) => boolean;
}

const person = fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: PEOPLE }));
const network = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(1, 2) }, fc.integer({ min: 1, max: 5 }));
const name = fc.constantFrom('a', 'b', 'c');

/** Runs `change` when the network is there and `actor` may: owner, or one of `also`. */
function by(
  id: number,
  also: 'admins' | 'nobody',
  change: (model: Model, actor: number) => boolean,
): Request['apply'] {
  return (world, actor) => {
    const model = world.get(id);
    if (model === undefined) return false;
    const may = model.owner === actor || (also === 'admins' && model.admins.has(actor));
    return may && change(model, actor);
  };
}

function drop(model: Model, node: number): void {
  model.members.delete(node);
  model.admins.delete(node);
  model.invites.delete(node);
  dropInvitesOf(model, node);
}
function dropInvitesOf(model: Model, inviter: number): void {
  for (const [target, from] of model.invites) if (from === inviter) model.invites.delete(target);
}
function add(model: Model, node: number): true {
  model.members.set(node, []);
  model.invites.delete(node);
  return true;
}

const request: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ name, join_rule: fc.constantFrom('open', 'token', 'invite') }).map(
    ({ name, join_rule }): Request => ({
      type: 'create_network',
      fields: { name, join_rule, token: 'right' },
      apply: (world, actor) => {
        if ([...world.values()].some((model) => model.name === name)) return false;
        const id = nextId(world);
        const members = new Map([[actor, []]]);
        world.set(id, {
          name,
          rule: join_rule,
          owner: actor,
          admins: new Set(),
          members,
          invites: new Map(),
        });
        return true;
      },
    }),
  ),
  fc.record({ id: network, token: fc.constantFrom('right', 'wrong') }).map(
    ({ id, token }): Request => ({
      type: 'join_network',
      fields: { network_id: id, token },
      apply: (world, actor) => {
        const model = world.get(id);
        if (model === undefined || model.members.has(actor)) return false;
        const welcome = model.rule === 'open' || (model.rule === 'token' && token === 'right');
        return welcome && add(model, actor);
      },
    }),
  ),
  network.map(
    (id): Request => ({
      type: 'leave_network',
      fields: { network_id: id },
      apply: (world, actor) => {
        const model = world.get(id);
        if (!model?.members.has(actor) || model.owner === actor) return false;
        drop(model, actor);
        return true;
      },
    }),
  ),
  network.map(
    (id): Request => ({
      type: 'delete_network',
      fields: { network_id: id },
      apply: (world, actor) => by(id, 'nobody', () => world.delete(id))(world, actor),
    }),
  ),
  fc.record({ id: network, target: person }).chain(({ id, target }) =>
    fc.constantFrom<Request>(
      {
        type: 'kick_member',
        fields: { network_id: id, target_node_id: target },
        apply: by(id, 'admins', (model, actor) => {
          if (!model.members.has(target) || target === model.owner || target === actor) return false;
          if (model.admins.has(target) && actor !== model.owner) return false;
          drop(model, target);
          return true;
        }),
      },
      {
        type: 'promote_member',
        fields: { network_id: id, target_node_id: target },
        apply: by(id, 'nobody', (model) => {
          if (!model.members.has(target) || target === model.owner || model.admins.has(target)) return false;
          model.admins.add(target);
          return true;
        }),
      },
      {
        type: 'demote_member',
        fields: { network_id: id, target_node_id: target },
        apply: by(id, 'nobody', (model) => {
          dropInvitesOf(model, model.admins.has(target) ? target : 0);
          return model.admins.delete(target);
        }),
      },
      {
        type: 'transfer_ownership',
        fields: { network_id: id, new_owner_id: target },
        apply: by(id, 'nobody', (model, actor) => {
          if (!model.members.has(target) || target === actor) return false;
          model.admins.delete(target);
          model.admins.add(actor);
          model.owner = target;
          return true;
        }),
      },
      {
        type: 'set_member_tags',
        fields: { network_id: id, target_node_id: target, tags: ['x'] },
        apply: by(id, 'admins', (model) => {
          if (!model.members.has(target)) return false;
          model.members.set(target, ['x']);
          return true;
        }),
      },
      {
        type: 'invite_to_network',
        fields: { network_id: id, target_node_id: target },
        apply: by(id, 'admins', (model, actor) => {
          if (model.members.has(target)) return false;
          if (!model.invites.has(target)) model.invites.set(target, actor);
          return true;
        }),
      },
    ),
  ),
  fc.record({ id: network, accept: fc.boolean() }).map(
    ({ id, accept }): Request => ({
      type: 'respond_invite',
      fields: { network_id: id, accept },
      apply: (world, actor) => {
        const model = world.get(id);
        if (!model?.invites.has(actor)) return false;
        return accept ? add(model, actor) : model.invites.delete(actor);
      },
    }),
  ),
);

/** Ids count on, also over deleted networks. */
const lastIds = new WeakMap<World, number>();
function nextId(world: World): number {
  const id = (lastIds.get(world) ?? 0) + 1;
  lastIds.set(world, id);
  return id;
}

async function compare(
  registry: Village,
  people: readonly Person[],
  world: World,
  about: string,
): Promise<void> {
  for (let id = 1; id <= (lastIds.get(world) ?? 0); id++) {
    const model = world.get(id);
    const members = await registry.store.members(id, 100);
    const expected = [...(model?.members ?? [])]
      .sort(([a], [b]) => a - b)
      .map(([node, tags]) => ({
        node,
        tags,
        role: node === model!.owner ? 'owner' : model!.admins.has(node) ? 'admin' : 'member',
      }));
    assert.deepEqual(
      members.map(({ node, tags, role }) => ({ node, tags, role })),
      expected,
      about,
    );
    assert.equal((await registry.store.network(id))?.members, model?.members.size, about);
  }
  for (const { id: a } of people) {
    const invited = (await registry.store.invites(a, 0, 100)).map(({ network }) => network).sort();
    const expected = [...world].filter(([, { invites }]) => invites.has(a)).map(([id]) => id);
    assert.deepEqual(invited, expected.sort(), about);
    for (const { id: b } of people) {
      const shared = (await registry.store.sharedNetworks(a, b)).map(({ network }) => network);
      const both = [...world].filter(([, { members }]) => a !== b && members.has(a) && members.has(b));
      assert.deepEqual(shared, both.map(([id]) => id).sort(), about);
    }
  }
}

const GENEROUS = { burst: 10_000, perSecond: 1000 };

test('networks hold whom they should after any requests of anybody', async () => {
  let done = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(person, request), { maxLength: 80, size: 'max' }),
      async (requests) => {
        const limits = { takenNamesPerHost: GENEROUS, newNetworksPerHost: GENEROUS, joinAttempts: GENEROUS };
        const { registry, people } = await village(PEOPLE, limits);
        const world: World = new Map();
        for (const [actor, { type, fields, apply }] of requests) {
          const may = apply(world, actor);
          const who = people[actor - 1]!;
          const reply = await who.ask(
            type,
            type === 'invite_to_network' ? { ...fields, inviter_id: actor } : fields,
          );
          const about = `${actor}: ${type} ${JSON.stringify(fields)} → ${JSON.stringify(reply)}`;
          assert.equal(reply.type, may ? `${type}_ok` : 'error', about);
          if (may) done++;
          await compare(registry, people, world, about);
        }
      },
    ),
    { numRuns: RUNS },
  );
  assert.ok(done > RUNS * 4, `${done} requests were granted`);
});
