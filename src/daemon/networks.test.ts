import assert from 'node:assert/strict';
import test from 'node:test';
import { PilotError } from '../api/errors.ts';
import type { NodeId } from '../base/units.ts';
import { Memberships, type Relation } from '../core/network/memberships.ts';
import type { Log } from '../runtime/ports.ts';
import { ManualClock, MemoryStorage } from '../services/data-exchange/exchange.testkit.ts';
import { FakeNetworks, networkRequests } from './networks.testkit.ts';
import { Networks, STALE_LIMIT } from './networks.ts';
import { loadNetworks, NETWORKS_FILE } from './networks-file.ts';
import type { RegistryClient, RegistryNetworks } from './registry-client.ts';
import { Warnings } from './warnings.ts';

const SELF: NodeId = 1;
const PEER: NodeId = 2;
const WEB = { direction: 'in', port: 80, kind: 'stream', size: 0 } as const;

/** The networks of one node, whose questions are answered into `memberships` as the node does it. */
class Rig {
  readonly clock = new ManualClock();
  readonly storage = new MemoryStorage(this.clock);
  readonly events: string[] = [];
  readonly calls: string[] = [];
  readonly log: Log = { event: (_level, name) => this.events.push(name) };
  readonly registry = new FakeNetworks((to, push) => {
    if (to === SELF) this.networks?.pushed(push);
  });
  readonly warnings = new Warnings(this.log, () => this.clock.wallNow());
  acceptsAll = true;
  rechecks = 0;
  away = false;
  memberships!: Memberships;
  networks!: Networks;
  requests!: { -readonly [K in keyof RegistryNetworks]: RegistryNetworks[K] };

  async start(): Promise<void> {
    this.memberships = new Memberships({ wall: () => this.clock.wallNow() });
    this.requests = networkRequests(
      this.registry,
      () => SELF,
      (call) => {
        this.calls.push(call);
        if (this.away) throw new PilotError('registry_unreachable', 'Cannot reach the registry');
      },
    );
    const client = { state: 'connected' as const, networks: this.requests };
    const answer = (peer: NodeId, relation: Relation | undefined): void =>
      this.memberships.answer(peer, relation, this.clock.now());
    this.networks = new Networks({
      registry: client as unknown as RegistryClient,
      clock: this.clock,
      log: this.log,
      storage: this.storage,
      memberships: this.memberships,
      node: {
        answerRelation: answer,
        recheck: () => {
          this.rechecks++;
        },
      },
      run: (mutation) => mutation(),
      self: () => SELF,
      known: await loadNetworks(this.storage, this.log),
      warnings: this.warnings,
      acceptsAll: this.acceptsAll,
    });
    this.networks.start();
  }

  /** What admission would say, after the registry was asked where needed. */
  async verdict(network = 1): Promise<string> {
    const ask = (): string => this.memberships.verdict(network, PEER, WEB, this.clock.now());
    const first = ask();
    if (first !== 'unknown') return first;
    this.networks.ask(PEER);
    await this.clock.advance(1);
    return ask();
  }
}

async function rigWithNetwork(): Promise<Rig> {
  const rig = new Rig();
  await rig.start();
  const network = rig.registry.add('lab', 'open', SELF);
  rig.registry.enter(network, PEER);
  await rig.clock.advance(50);
  return rig;
}

test('a push brings a network at once, and lets its members pass', async () => {
  const rig = await rigWithNetwork();
  assert.deepEqual(
    rig.networks.own.map((network) => network.name),
    ['lab'],
  );
  assert.ok(rig.events.includes('network.joined'));
  assert.equal(await rig.verdict(), 'allowed');
  await rig.networks.stop();
});

test('who is put out is out with the push, without waiting for a look', async () => {
  const rig = await rigWithNetwork();
  assert.equal(await rig.verdict(), 'allowed');
  const before = rig.rechecks;
  rig.registry.remove(rig.registry.all.get(1)!, PEER);
  assert.equal(rig.memberships.verdict(1, PEER, WEB, rig.clock.now()), 'unknown');
  assert.ok(rig.rechecks > before);
  assert.equal(await rig.verdict(), 'not_member');
  await rig.networks.stop();
});

test('being put out ourselves ends the network', async () => {
  const rig = await rigWithNetwork();
  assert.equal(await rig.verdict(), 'allowed');
  rig.registry.remove(rig.registry.all.get(1)!, SELF);
  await rig.clock.advance(50);
  assert.equal(await rig.verdict(), 'not_member');
  assert.ok(rig.events.includes('network.left'));
  await rig.networks.stop();
});

test('what no push told is found by looking', async () => {
  const rig = await rigWithNetwork();
  assert.equal(await rig.verdict(), 'allowed');
  rig.registry.silent = true;
  rig.registry.all.get(1)!.ports = [443];
  assert.equal(await rig.verdict(), 'allowed');
  await rig.clock.advance(310_000);
  assert.equal(await rig.verdict(), 'policy');
  await rig.networks.stop();
});

test('a policy that is set reaches a running node, and a broken one shuts the network', async () => {
  const rig = await rigWithNetwork();
  const network = rig.registry.all.get(1)!;
  const rule = (match: string): object => ({
    version: 1,
    rules: [{ name: 'one', on: 'connect', match, actions: [{ type: 'deny' }] }],
  });
  network.policy = rule('port == 80');
  rig.registry.changedForAll(network);
  await rig.clock.advance(50);
  assert.equal(await rig.verdict(), 'policy');
  network.policy = rule('port ==');
  rig.registry.changedForAll(network);
  await rig.clock.advance(50);
  assert.equal(await rig.verdict(), 'policy');
  network.policy = undefined;
  rig.registry.changedForAll(network);
  await rig.clock.advance(50);
  assert.equal(await rig.verdict(), 'allowed');
  await rig.networks.stop();
});

test('without the registry what was known counts for an hour, also after a restart', async () => {
  const rig = await rigWithNetwork();
  assert.equal(await rig.verdict(), 'allowed');
  await rig.networks.stop();
  rig.away = true;
  await rig.start();
  await rig.clock.advance(1_000);
  assert.equal(await rig.verdict(), 'allowed');
  await rig.clock.advance(STALE_LIMIT - 60_000);
  assert.equal(await rig.verdict(), 'allowed');
  await rig.clock.advance(120_000);
  assert.equal(await rig.verdict(), 'not_member');
  assert.deepEqual(rig.networks.own, []);
  assert.ok(rig.events.includes('networks.stale'));
  rig.away = false;
  await rig.clock.advance(10_000);
  assert.equal(await rig.verdict(), 'allowed');
  await rig.networks.stop();
});

test('who was put out is not let in from the file after a crash', async () => {
  const rig = await rigWithNetwork();
  assert.equal(await rig.verdict(), 'allowed');
  await rig.clock.advance(5_000);
  rig.registry.remove(rig.registry.all.get(1)!, PEER);
  rig.away = true;
  await rig.clock.advance(5_000);
  await rig.start();
  assert.equal(await rig.verdict(), 'not_member');
  await rig.networks.stop();
});

test('a stranger stays one while the registry is away', async () => {
  const rig = await rigWithNetwork();
  rig.away = true;
  assert.equal(await rig.verdict(), 'not_member');
  rig.away = false;
  await rig.clock.advance(20_000);
  assert.equal(await rig.verdict(), 'allowed');
  await rig.networks.stop();
});

test('an answer that a push has overtaken does not count', async () => {
  const rig = await rigWithNetwork();
  const requests = rig.requests;
  const { relation } = requests;
  let asked = 0;
  requests.relation = async (peer) => {
    const answer = await relation(peer);
    // The member is put out while the answer is on its way.
    if (++asked === 1) rig.registry.remove(rig.registry.all.get(1)!, PEER);
    return answer;
  };
  assert.equal(await rig.verdict(), 'not_member');
  assert.equal(asked, 2);
  await rig.networks.stop();
});

test('questions under way are bounded, and one peer is asked for once', async () => {
  const rig = await rigWithNetwork();
  rig.calls.length = 0;
  for (let i = 0; i < 3; i++) rig.networks.ask(PEER);
  for (let peer = 100; peer < 300; peer++) rig.networks.ask(peer);
  assert.equal(rig.calls.filter((call) => call === 'relation').length, 64);
  await rig.clock.advance(1);
  assert.equal(rig.memberships.verdict(1, 299, WEB, rig.clock.now()), 'not_member');
  await rig.networks.stop();
});

test('a file that cannot be read, or is of another node, counts as none', async () => {
  for (const content of ['{', '[]', '{"node_id":1,"synced_at":"x","memberships":[],"peers":[]}']) {
    const rig = new Rig();
    await rig.storage.replace(NETWORKS_FILE, new TextEncoder().encode(content));
    await rig.start();
    assert.deepEqual(rig.networks.own, []);
    await rig.networks.stop();
  }
  const rig = await rigWithNetwork();
  await rig.networks.stop();
  const file = JSON.parse(new TextDecoder().decode(await rig.storage.read(NETWORKS_FILE)));
  assert.deepEqual(file.networks, [0, 1]);
  file.node_id = 9;
  await rig.storage.replace(NETWORKS_FILE, new TextEncoder().encode(JSON.stringify(file)));
  rig.away = true;
  await rig.start();
  assert.deepEqual(rig.networks.own, []);
  await rig.networks.stop();
});

test('a network that our user never joined counts for nothing until it is joined, and the user is told', async () => {
  const rig = new Rig();
  rig.acceptsAll = false;
  const known = rig.registry.add('known', 'open', SELF);
  await rig.start();
  await rig.networks.sync();
  rig.registry.enter(known, PEER);
  rig.registry.enter(rig.registry.add('invented', 'open', SELF), PEER);
  await rig.clock.advance(50);
  assert.deepEqual(
    rig.networks.own.map(({ name }) => name),
    ['known'],
    'what the registry says the first time counts',
  );
  assert.equal(await rig.verdict(1), 'allowed');
  assert.equal(await rig.verdict(2), 'not_member');
  assert.deepEqual(
    rig.warnings.list().map(({ code }) => code),
    ['registry.membership_invented'],
  );
  await rig.networks.stop();

  await rig.start();
  await rig.networks.sync();
  assert.equal(await rig.verdict(2), 'not_member', 'also after a restart');
  await rig.networks.agree(2);
  assert.equal(await rig.verdict(2), 'allowed');
  assert.deepEqual(rig.warnings.list(), []);
  // A crash: nothing is stopped in good order.
  await rig.start();
  await rig.networks.sync();
  assert.equal(await rig.verdict(2), 'allowed');
  await rig.networks.disagree(2);
  assert.equal(await rig.verdict(2), 'not_member');
  await rig.networks.stop();
});
