import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PilotError } from '../../api/errors.ts';
import { SILENT_LOG, settle, type TestHost, TestMachine } from '../cli.testkit.ts';
import { homeAt } from '../home.ts';
import { storeLock } from './handover.ts';
import { LocalNetwork, type LocalNetworkOptions, type Serve } from './network.ts';

/** A machine on which serving a store puts a registry on a port; the key belongs to the store. */
class Lab {
  readonly machine = new TestMachine();
  readonly taken = new Set<number>();
  #ephemeral = 40_000;

  serve: Serve = async (store, registry, beacon) => {
    for (const { port } of [registry, beacon]) {
      if (this.taken.has(port)) throw new PilotError('port_in_use', `port ${port}`);
    }
    const at = registry.port === 0 ? this.#ephemeral++ : registry.port;
    const beaconAt = beacon.port === 0 ? this.#ephemeral++ : beacon.port;
    const key =
      this.machine.files.get(`${store}/key`)?.data ?? String(this.machine.files.size).padStart(64, 'a');
    this.machine.files.set(`${store}/key`, { data: key, owner: 0 });
    this.machine.registries.set(at, { fingerprint: key, beacons: [`127.0.0.1:${beaconAt}`] });
    for (const port of [at, beaconAt]) this.taken.add(port);
    return {
      registry: { host: '127.0.0.1', port: at },
      beacon: { host: '127.0.0.1', port: beaconAt },
      fingerprint: key,
      close: async () => this.free(at, beaconAt),
    };
  };

  free(...ports: number[]): void {
    for (const port of ports) {
      this.taken.delete(port);
      this.machine.registries.delete(port);
    }
  }

  options(name: string, user = 1000, host: TestHost = this.machine.host({ user })): LocalNetworkOptions {
    const home = homeAt(`/home/${user}/${name}`);
    const { serve } = this;
    return { host, home, log: SILENT_LOG, serve, registryPort: 9000, beaconPort: 9001, note() {} };
  }

  enter(name: string, user = 1000): Promise<LocalNetwork> {
    return this.within(LocalNetwork.enter(this.options(name, user)));
  }

  /** Lets time pass until the promise is settled. */
  async within<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    for (let step = 0; step < 200 && !settled; step++) await this.machine.clock.advance(50);
    return promise;
  }

  /** What is left of a daemon that was killed: its locks name a dead process, its ports are free. */
  crash(options: LocalNetworkOptions, network: LocalNetwork): void {
    this.machine.kill(options.host.processes.pid);
    this.free(network.registry.port, network.beacon.port);
  }
}

test('the first daemon hosts on the usual ports, the second joins', async () => {
  const lab = new Lab();
  const a = await lab.enter('a');
  const b = await lab.enter('b');
  assert.equal(a.role, 'hosting');
  assert.deepEqual(a.registry, { host: '127.0.0.1', port: 9000 });
  assert.deepEqual(a.beacon, { host: '127.0.0.1', port: 9001 });
  assert.equal(b.role, 'joined');
  assert.deepEqual(b.registry, a.registry);
  assert.equal(b.fingerprint, a.fingerprint);
});

test('when the host stops, a daemon that joined takes over the same network on the same ports', async () => {
  const lab = new Lab();
  const a = await lab.enter('a');
  const b = await lab.enter('b');
  const { fingerprint } = a;
  await a.close();
  assert.equal(b.role, 'joined');
  await lab.machine.clock.advance(5000);
  assert.equal(b.role, 'hosting');
  assert.equal(b.fingerprint, fingerprint);
  assert.equal(b.registry.port, 9000);
  const again = await lab.enter('a');
  assert.equal(again.role, 'joined');
  assert.equal(again.fingerprint, fingerprint);
});

test('a killed host is replaced, too', async () => {
  const lab = new Lab();
  const options = lab.options('a');
  const a = await LocalNetwork.enter(options);
  const b = await lab.enter('b');
  lab.crash(options, a);
  await lab.machine.clock.advance(5000);
  assert.equal(b.role, 'hosting');
});

test('whoever starts first after a restart of the machine brings the same network back', async () => {
  const lab = new Lab();
  const [forA, forB] = [lab.options('a'), lab.options('b')];
  const a = await LocalNetwork.enter(forA);
  const b = await LocalNetwork.enter(forB);
  lab.machine.kill(forB.host.processes.pid);
  lab.crash(forA, a);
  const later = await lab.enter('b');
  assert.equal(later.role, 'hosting');
  assert.equal(later.fingerprint, b.fingerprint);
  assert.equal((await lab.enter('a')).fingerprint, b.fingerprint);
});

test('held ports are replaced by others, which later daemons find', async () => {
  const lab = new Lab();
  lab.taken.add(9000);
  const a = await lab.enter('a');
  assert.equal(a.role, 'hosting');
  assert.notEqual(a.registry.port, 9000);
  const b = await lab.enter('b');
  assert.equal(b.role, 'joined');
  assert.deepEqual(b.registry, a.registry);
});

test('a home that belongs to a network does not join another that has its port', async () => {
  const lab = new Lab();
  const a = await lab.enter('a');
  await a.close();
  const stranger = await lab.enter('x', 2000);
  assert.equal(stranger.registry.port, 9000);
  const again = await lab.enter('a');
  assert.equal(again.role, 'hosting');
  assert.equal(again.fingerprint, a.fingerprint);
  assert.notEqual(again.registry.port, 9000);
});

test('a network of another user is joined, waited for when away, and never served', async () => {
  const lab = new Lab();
  const host = await lab.enter('a', 2000);
  const guest = await lab.enter('b', 1000);
  assert.equal(guest.role, 'joined');
  await guest.close();
  await host.close();
  const later = await lab.enter('b', 1000);
  await lab.machine.clock.advance(20_000);
  assert.equal(later.role, 'joined');
  assert.equal(later.fingerprint, host.fingerprint);
});

test('a network whose store was deleted is given up', async () => {
  const lab = new Lab();
  const a = await lab.enter('a');
  await lab.enter('b');
  await a.close();
  lab.machine.directories.delete('/home/1000/a/registry');
  lab.machine.files.delete('/home/1000/a/registry/key');
  const later = await lab.enter('c');
  assert.equal(later.role, 'hosting');
  assert.notEqual(later.fingerprint, a.fingerprint);
});

test('daemons of different homes that start at once end up in one network', async () => {
  const lab = new Lab();
  const starting = ['a', 'b', 'c'].map((name) => LocalNetwork.enter(lab.options(name)));
  const entered = await lab.within(Promise.all(starting));
  assert.equal(entered.filter(({ role }) => role === 'hosting').length, 1);
  assert.equal(new Set(entered.map(({ fingerprint }) => fingerprint)).size, 1);
});

test('of several daemons that start at once, one hosts', async () => {
  const lab = new Lab();
  const starting = [1, 2, 3].map(() => LocalNetwork.enter(lab.options('a')));
  const entered = await lab.within(Promise.all(starting));
  assert.equal(entered.filter(({ role }) => role === 'hosting').length, 1);
  assert.equal(new Set(entered.map(({ fingerprint }) => fingerprint)).size, 1);
});

test('a host that steps back lets another process serve, and returns when nobody does', async () => {
  const lab = new Lab();
  const a = await lab.enter('a');
  await a.stepBack();
  await settle();
  assert.equal(lab.machine.files.has(storeLock('/home/1000/a/registry')), false);
  await lab.machine.clock.advance(5000);
  assert.equal(a.role, 'joined');
  await lab.machine.clock.advance(10_000);
  assert.equal(a.role, 'hosting');
});

test('daemons leave a store alone that a rendezvous is about to serve', async () => {
  const lab = new Lab();
  const a = await lab.enter('a');
  const b = await lab.enter('b');
  const reserved = '/home/1000/a/registry/reserved';
  const until = String(lab.machine.clock.wallNow() + 30_000);
  lab.machine.files.set(reserved, { data: until, owner: 1000 });
  await a.stepBack();
  await lab.machine.clock.advance(20_000);
  assert.deepEqual([a.role, b.role], ['joined', 'joined']);
  lab.machine.files.delete(reserved);
  await lab.machine.clock.advance(10_000);
  assert.equal([a.role, b.role].filter((role) => role === 'hosting').length, 1);
});

test('a reservation that was left behind does not last', async () => {
  const lab = new Lab();
  const a = await lab.enter('a');
  for (const left of ['', 'x', '1', String(lab.machine.clock.wallNow() + 1e12)]) {
    lab.machine.files.set('/home/1000/a/registry/reserved', { data: left, owner: 1000 });
    await a.stepBack();
    await lab.machine.clock.advance(15_000);
    assert.equal(a.role, 'hosting', left);
  }
});
