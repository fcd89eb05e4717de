/** Where nodes can be relayed to: kept from those who prove their key, told to those who may know where they are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identity, type Reply, testRegistry } from '../registry.testkit.ts';
import { memoryStore } from '../store/memory.ts';

const [alice, bob, mallory] = [identity(1), identity(2), identity(3)];
const BEACONS = ['203.0.113.1:9001', '[2001:db8::1]:9001'];

async function scene() {
  const store = memoryStore();
  const registry = testRegistry({}, undefined, store);
  const aliceAt = registry.connect();
  const a = await aliceAt.registerProven(alice, { beacons: BEACONS });
  const bobAt = registry.connect();
  const b = await bobAt.registerProven(bob);
  const malloryAt = registry.connect();
  const m = await malloryAt.registerProven(mallory);
  const resolve = (from: typeof bobAt, key: typeof bob, requester: number): Promise<Reply> =>
    from.signed(key, { type: 'resolve', node_id: a, requester_id: requester });
  return { store, registry, aliceAt, bobAt, malloryAt, a, b, m, resolve };
}

test('a trusted peer learns the beacons with the endpoint, a stranger neither', async () => {
  const { store, bobAt, malloryAt, a, b, m, resolve } = await scene();
  await store.certifyTrust({ a, b, serial: 1, notAfter: undefined, text: 'c' });
  assert.deepEqual((await resolve(bobAt, bob, b)).beacons, BEACONS);
  const refused = await resolve(malloryAt, mallory, m);
  assert.equal(refused.type, 'error');
  assert.equal(refused.beacons, undefined);
});

test('every registration replaces them, and nonsense is left out', async () => {
  const { store, aliceAt, a } = await scene();
  const hostile = [
    'pilot.example:9001',
    '10.0.0.1',
    '',
    '10.0.0.1:0',
    'x'.repeat(500),
    ...BEACONS,
    ...BEACONS,
  ];
  const many = [4, 5, 6, 7, 8].map((last) => `203.0.113.${last}:9001`);
  await aliceAt.registerProven(alice, { beacons: [...hostile, ...many] });
  assert.deepEqual((await store.node(a))?.beacons, [...BEACONS, many[0], many[1]]);
  await aliceAt.registerProven(alice);
  assert.deepEqual((await store.node(a))?.beacons, []);
});

test('nodes that prove nothing name no beacons', async () => {
  const { store, registry } = await scene();
  const old = registry.connect();
  const reply = await old.registerOld(identity(9), { beacons: BEACONS });
  const id = typeof reply === 'number' ? reply : Number((reply as Reply).node_id);
  assert.deepEqual((await store.node(id))?.beacons, []);
});
