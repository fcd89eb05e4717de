import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Pipe, PipeServer } from '../../runtime/ports.ts';
import type { Host } from './host.ts';
import { NAT_PRESETS } from './nat.ts';
import { World } from './world.ts';

const WAN = { delay: 20, jitter: 5 };

/** Two hosts sending numbered datagrams at each other. */
async function chatter(seed: number, conditions = {}): Promise<{ world: World; received: number[] }> {
  const world = new World(seed);
  const a = world.addHost('a', world.internet, { conditions: { ...WAN, ...conditions } });
  const b = world.addHost('b', world.internet, { conditions: WAN });
  const process = a.start();
  const from = await process.net.udp({ host: '0.0.0.0', port: 1000 });
  const to = await b.start().net.udp({ host: '0.0.0.0', port: 2000 });
  const received: number[] = [];
  to.onDatagram((data) => received.push(Number(fromUtf8(data))));
  for (let i = 0; i < 500; i++) {
    process.clock.at(process.clock.now() + i * 2, () =>
      from.send(utf8(String(i)), { host: b.address, port: 2000 }),
    );
  }
  await world.runFor(5_000);
  return { world, received };
}

test('the same seed gives the same packets at the same times, another seed others', async () => {
  const rough = { loss: 0.1, duplicate: 0.05, reorder: 0.1 };
  const hashes = [];
  for (const seed of [1, 1, 2]) hashes.push((await chatter(seed, rough)).world.trace.hash);
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[0], hashes[2]);
});

test('a link without reordering keeps order in spite of jitter; loss and duplication have their rates', async () => {
  const calm = await chatter(3);
  assert.deepEqual(
    calm.received,
    Array.from({ length: 500 }, (_, i) => i),
  );
  const lossy = await chatter(4, { loss: 0.1 });
  assert.ok(lossy.received.length > 420 && lossy.received.length < 480, String(lossy.received.length));
  const doubled = await chatter(5, { duplicate: 0.1 });
  assert.ok(doubled.received.length > 520 && doubled.received.length < 580);
  const shuffled = await chatter(6, { reorder: 0.1 });
  assert.equal(shuffled.received.length, 500);
  assert.notDeepEqual(shuffled.received, calm.received);
});

test('a slow link queues, then drops', async () => {
  const { received } = await chatter(7, { rate: 5, queue: 2_000 });
  assert.ok(received.length > 50 && received.length < 450, String(received.length));
});

test('a partition cuts both ways and heals', async () => {
  const world = new World(8);
  const [a, b] = [world.addHost('a', world.internet), world.addHost('b', world.internet)];
  const [left, right] = [
    await a.start().net.udp({ host: '0.0.0.0', port: 1 }),
    await b.start().net.udp({ host: '0.0.0.0', port: 1 }),
  ];
  let got = 0;
  left.onDatagram(() => got++);
  right.onDatagram(() => got++);
  const both = async (): Promise<number> => {
    got = 0;
    left.send(utf8('x'), { host: b.address, port: 1 });
    right.send(utf8('x'), { host: a.address, port: 1 });
    await world.runFor(100);
    return got;
  };
  assert.equal(await both(), 2);
  world.router.setPartition(a, b, true);
  assert.equal(await both(), 0);
  world.router.healPartitions();
  assert.equal(await both(), 2);
});

interface Call {
  world: World;
  client: Host;
  server: Host;
  listening: PipeServer;
  pipe: Pipe;
  accepted: Pipe;
}

async function call(seed: number, conditions = {}): Promise<Call> {
  const world = new World(seed);
  const nat = world.addNat('nat', NAT_PRESETS['port-restricted'], { conditions: { ...WAN, ...conditions } });
  const client = world.addHost('client', nat.inside);
  const server = world.addHost('server', world.internet, { conditions: WAN });
  const pipes: Pipe[] = [];
  const listening = await server
    .start()
    .net.listen({ host: '0.0.0.0', port: 9000 }, (pipe) => pipes.push(pipe));
  const pipe = await world.await(client.start().net.connect({ host: server.address, port: 9000 }));
  await world.runUntil(() => pipes.length > 0, 1_000);
  return { world, client, server, listening, pipe, accepted: pipes[0]! };
}

test('a pipe carries every byte in order over a lossy link, cut at other places than written', async () => {
  const { world, pipe, accepted } = await call(9, { loss: 0.1 });
  assert.equal(accepted.remote.host, world.nats[0]!.address);
  let sent = '';
  let got = '';
  let chunks = 0;
  accepted.onData((data) => {
    got += fromUtf8(data);
    chunks++;
  });
  for (let i = 0; i < 300; i++) {
    const text = `<${i}>`;
    sent += text;
    pipe.write(utf8(text));
  }
  await world.runUntil(() => got.length === sent.length, 60_000);
  assert.equal(got, sent);
  assert.notEqual(chunks, 300);
});

test('an orderly end reaches the other side after the data, and closes both', async () => {
  const { world, pipe, accepted } = await call(10);
  const events: string[] = [];
  accepted.onData((data) => events.push(fromUtf8(data)));
  accepted.onClose((error) => events.push(`closed ${error}`));
  pipe.onClose((error) => events.push(`client closed ${error}`));
  pipe.write(utf8('bye'));
  pipe.end();
  await world.runFor(1_000);
  assert.deepEqual(events, ['bye', 'closed undefined', 'client closed undefined']);
});

test('a writer waits for a reader that pauses', async () => {
  const { world, pipe, accepted } = await call(11);
  accepted.pause();
  let got = 0;
  accepted.onData((data) => {
    got += data.length;
  });
  let writes = 0;
  while (pipe.write(new Uint8Array(10_000))) writes++;
  let drained = false;
  void pipe.drained().then(() => {
    drained = true;
  });
  await world.runFor(1_000);
  assert.equal(drained, false);
  accepted.resume();
  await world.runFor(1_000);
  assert.equal(drained, true);
  assert.equal(got, (writes + 1) * 10_000);
});

test('a killed process hangs up; a power cut says nothing until someone writes, or a probe is not answered', async () => {
  const killed = await call(12);
  let closed = false;
  killed.accepted.onData(() => {});
  killed.accepted.onClose(() => {
    closed = true;
  });
  killed.client.stop('killed');
  await killed.world.runFor(1_000);
  assert.equal(closed, true);

  const cut = await call(13);
  closed = false;
  cut.accepted.onClose(() => {
    closed = true;
  });
  cut.client.stop('power');
  await cut.world.runFor(10_000);
  assert.equal(closed, false);
  cut.client.start();
  cut.accepted.write(utf8('still there?'));
  await cut.world.runFor(1_000);
  assert.equal(closed, true);

  const silent = await call(17);
  closed = false;
  silent.accepted.onClose(() => {
    closed = true;
  });
  silent.client.stop('power');
  await silent.world.runFor(24_000);
  assert.equal(closed, false);
  await silent.world.runFor(3_000);
  assert.equal(closed, true);
});

test('a NAT that forgets breaks connections: the client learns when it writes, the server only in time', async () => {
  const { world, pipe, accepted } = await call(14);
  const closed: string[] = [];
  pipe.onClose(() => closed.push('client'));
  accepted.onClose(() => closed.push('server'));
  world.nats[0]!.flush();
  await world.runFor(10_000);
  assert.deepEqual(closed, []);
  pipe.write(utf8('x'));
  accepted.write(utf8('x'));
  await world.runFor(1_000);
  assert.deepEqual(closed, ['client']);
  await world.runFor(200_000);
  assert.deepEqual(closed, ['client', 'server']);
});

test('connections survive a partition shorter than the probes of TCP', async () => {
  const { world, server, pipe, accepted } = await call(15);
  let got = '';
  accepted.onData((data) => {
    got += fromUtf8(data);
  });
  world.router.setPartition(world.nats[0]!, server, true);
  pipe.write(utf8('late'));
  await world.runFor(20_000);
  assert.equal(got, '');
  world.router.healPartitions();
  await world.runFor(10_000);
  assert.equal(got, 'late');
});

test('connecting fails when nobody listens, nobody answers, the name is unknown or the key is another', async () => {
  const { world, client, server } = await call(16);
  const process = client.start();
  const failing = (port: number, host = server.address): Promise<unknown> =>
    world.await(process.net.connect({ host, port }, { tls: { fingerprint: '00' } }));
  await assert.rejects(failing(1), { code: 'connection_failed' });
  await assert.rejects(failing(9000), { code: 'connection_failed' });
  await assert.rejects(failing(9000, '198.18.99.99'), { code: 'connection_failed' });
  await assert.rejects(failing(9000, 'nowhere.example'), { code: 'connection_failed' });
  const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  await server
    .start()
    .net.listen({ host: '0.0.0.0', port: 443 }, () => {}, { tls: { certificate, privateKey: '' } });
  await assert.rejects(failing(443), { code: 'fingerprint_mismatch' });
  world.names.set('registry.example', [server.address]);
  (await world.await(process.net.connect({ host: 'registry.example', port: 9000 }))).destroy();
});

test('disks survive: what was replaced and synced stays, the rest is chance', async () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const world = new World(seed);
    const host = world.addHost('host', world.internet);
    const storage = host.start().storage('state');
    await world.await(storage.replace('file', utf8('old')));
    const partial = await world.await(storage.openPartial('part'));
    await world.await(partial.append(utf8('synced')));
    await world.await(partial.sync());
    await world.await(partial.append(utf8(' or not')));
    let settled = false;
    void storage.replace('file', utf8('new')).then(() => {
      settled = true;
    });
    await world.runFor(0);
    host.stop('power');
    await world.runFor(1_000);
    assert.equal(settled, false);
    const again = host.start().storage('state');
    const content = fromUtf8((await world.await(again.read('file')))!);
    const part = fromUtf8((await world.await(again.read('part')))!);
    assert.ok(content === 'old' || content === 'new');
    assert.ok('synced or not'.startsWith(part) && part.startsWith('synced'));
    outcomes.add(content);
    outcomes.add(part);
  }
  assert.ok(outcomes.has('old') && outcomes.has('new') && outcomes.size > 5);
});

test('a full disk refuses, and an exclusive move never overwrites', async () => {
  const world = new World(17);
  const host = world.addHost('host', world.internet);
  const storage = host.start().storage('state');
  await world.await(storage.replace('a', utf8('a')));
  await world.await(storage.replace('b', utf8('b')));
  assert.equal(await world.await(storage.moveExclusive('a', 'b')), false);
  assert.equal(await world.await(storage.moveExclusive('a', 'c')), true);
  await assert.rejects(world.await(storage.moveExclusive('a', 'd')), { code: 'io_error' });
  assert.deepEqual((await world.await(storage.list(''))).map((file) => file.name).sort(), ['b', 'c']);
  host.disk.full = true;
  await assert.rejects(world.await(storage.replace('b', utf8('x'))), { code: 'disk_full' });
  assert.equal(fromUtf8((await world.await(storage.read('b')))!), 'b');
});

test('the timers and promises of a dead process stay silent', async () => {
  const world = new World(18);
  const host = world.addHost('host', world.internet);
  const process = host.start();
  const fired: string[] = [];
  process.clock.at(process.clock.now() + 10, () => fired.push('timer'));
  void process.clock.sleep(10).then(() => fired.push('sleep'));
  host.stop('killed');
  await world.runFor(100);
  assert.deepEqual(fired, []);
});

test('a timer never sees a time before its own', async () => {
  const world = new World(19);
  const host = world.addHost('host', world.internet);
  await world.runFor(1234.567);
  const { clock } = host.start();
  for (let i = 0; i < 2_000; i++) {
    const when = clock.now() + world.random.fraction() * 1000;
    clock.at(when, () => assert.ok(clock.now() >= when));
  }
  await world.runFor(2_000);
  assert.deepEqual(world.breakages, []);
});

test('wall clocks are skewed by host', async () => {
  const world = new World(20, { epoch: 1_000_000 });
  const host = world.addHost('host', world.internet, { skew: -5_000 });
  await world.runFor(100);
  assert.equal(host.start().clock.wallNow(), 995_100);
});

test('local sockets connect processes of one host', async () => {
  const world = new World(21);
  const host = world.addHost('host', world.internet);
  const server = host.start();
  const listening = await server.net.listenLocal('pilot.sock', (pipe) =>
    pipe.onData((data) => pipe.write(data)),
  );
  await assert.rejects(
    server.net.listenLocal('pilot.sock', () => {}),
    { code: 'socket_in_use' },
  );
  const pipe = await world.await(host.start().net.connectLocal('pilot.sock'));
  let got = '';
  pipe.onData((data) => {
    got += fromUtf8(data);
  });
  pipe.write(utf8('hello'));
  await world.runFor(10);
  assert.equal(got, 'hello');
  await listening.close();
  await assert.rejects(world.await(host.start().net.connectLocal('pilot.sock')), { code: 'not_running' });
});

test('a host that sleeps runs nothing, hears nothing, and its monotonic clock stands still', async () => {
  const world = new World('sleep');
  const [sleeper, other] = [world.addHost('sleeper', world.internet), world.addHost('other', world.internet)];
  const [process, sender] = [sleeper.start(), other.start()];
  const fired: [number, number][] = [];
  const note = (): void => {
    fired.push([Math.round(world.now), Math.round(process.clock.now())]);
  };
  const from = process.clock.now();
  for (const delay of [1_000, 5_000, 20_000]) process.clock.at(from + delay, note);
  const heard: string[] = [];
  const socket = await process.net.udp({ host: '0.0.0.0', port: 7 });
  socket.onDatagram((data) => heard.push(String(data[0])));
  const mouth = await sender.net.udp({ host: '0.0.0.0', port: 7 });
  const wall = process.clock.wallNow();
  await world.runFor(2_000);
  sleeper.sleep();
  mouth.send(Uint8Array.of(1), { host: sleeper.address, port: 7 });
  await world.runFor(3_600_000);
  sleeper.wake();
  mouth.send(Uint8Array.of(2), { host: sleeper.address, port: 7 });
  await world.runFor(60_000);
  assert.deepEqual(heard, ['2']);
  assert.deepEqual(
    fired.map(([at]) => at),
    [1_000, 3_605_000, 3_620_000],
  );
  assert.deepEqual(
    fired.map(([, clock]) => clock - Math.round(from)),
    [1_000, 5_000, 20_000],
  );
  assert.equal(process.clock.wallNow() - wall, 3_662_000);
});
