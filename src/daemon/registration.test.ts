import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Registered, RegisterOptions } from '../directory/types.ts';
import { World } from '../sim/net/index.ts';
import { Place } from './daemon.testkit.ts';
import { Registration } from './registration.ts';
import type { RegistryClient } from './registry-client.ts';

const PRESENCE = {
  listenEndpoint: { host: '0.0.0.0', port: 4000 },
  lan: [],
  beacons: [],
  hostname: '',
  public: false,
  tags: ['gpu'],
  version: 'test',
  owner: undefined,
  relayOnly: false,
};
const OLD: Registered = { node: 7, address: { network: 0, node: 7 }, observed: '' };
const OURS: Registered = { ...OLD, presence: true, waiting: false, heartbeat: 240_000 };

/** A registry that notes when it was asked for what. */
function scene(answer: Registered, pushes = true) {
  const world = new World('registration');
  const { clock, random, log } = world.addHost('a', world.internet).start();
  const asked: string[] = [];
  const registry = {
    pushes,
    registered: answer,
    register: async (_options: RegisterOptions) => {
      asked.push('register');
      return answer;
    },
    heartbeat: async () => {
      asked.push('heartbeat');
      return answer.heartbeat === undefined ? {} : { next: answer.heartbeat };
    },
    setVisibility: async () => asked.push('set_visibility'),
    setTags: async () => asked.push('set_tags'),
  };
  const registration = new Registration({
    registry: registry as unknown as RegistryClient,
    clock,
    random,
    log,
    heartbeatInterval: undefined,
    host: {
      presence: () => PRESENCE,
      ready: async () => {},
      registered: async () => {},
      told() {},
      poll: () => asked.push('poll'),
    },
  });
  return { world, registry, registration, asked };
}

describe('the registration of a daemon', () => {
  it('looks for what a registry told in vain while there was no connection', async () => {
    for (const [answer, waiting, expected] of [
      [OLD, undefined, ['heartbeat', 'poll']],
      [OURS, true, ['heartbeat', 'poll']],
      [OURS, false, ['heartbeat']],
    ] as const) {
      const { world, registry, registration, asked } = scene(answer);
      registration.start(false);
      await world.runFor(10_000);
      asked.length = 0;
      registry.registered = waiting === undefined ? answer : { ...answer, waiting };
      registration.reconnected();
      await world.runFor(1000);
      assert.deepEqual(asked, expected);
      registration.stop();
    }
  });

  it('tells a registry that takes it all together nothing twice, and is heard of when that wants it', async () => {
    const { world, registration, asked } = scene(OURS);
    registration.start(false);
    await world.runFor(10_000);
    assert.deepEqual(asked.splice(0), ['register', 'poll']);
    await world.runFor(24 * 60_000);
    const heartbeats = asked.filter((type) => type === 'heartbeat').length;
    assert.ok(heartbeats >= 6 && heartbeats <= 8, `${heartbeats}`);
    assert.equal(asked.filter((type) => type === 'poll').length, 0);
    await world.runFor(12 * 60_000);
    assert.equal(asked.filter((type) => type === 'poll').length, 1);
    registration.stop();
  });

  it('tells and asks others one by one, and is heard of each minute', async () => {
    const { world, registration, asked } = scene(OLD);
    registration.start(false);
    await world.runFor(10_000);
    assert.deepEqual(asked.splice(0), ['register', 'set_visibility', 'set_tags', 'poll']);
    await world.runFor(20 * 60_000);
    const heartbeats = asked.filter((type) => type === 'heartbeat').length;
    assert.ok(heartbeats >= 20 && heartbeats <= 25, `${heartbeats}`);
    assert.equal(asked.filter((type) => type === 'poll').length, 3);
    registration.stop();
  });
});

it('what users wait for hurries the registry, what programs look at all the time does not', async () => {
  const place = new Place();
  const a = await place.start('node-a');
  await place.start('node-b');
  const { registry } = place;
  registry.hurries = 0;
  for (let i = 0; i < 5; i++) await place.during(a.info());
  assert.equal(registry.hurries, 0);
  await place.during(a.handshake('node-b'));
  assert.ok(registry.hurries > 0);
});
