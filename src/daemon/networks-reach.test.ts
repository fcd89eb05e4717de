/** Who reaches whom by membership: whole daemons over a network in memory. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Conn, Listener } from '../api/stream.ts';
import { utf8 } from '../base/bytes.ts';
import type { PilotClient } from '../sdk/index.ts';
import { formatAddress } from '../wire/address.ts';
import { Place } from './daemon.testkit.ts';
import type { FakeNetwork } from './networks.testkit.ts';

const PORT = 4000;

interface Lab {
  readonly place: Place;
  readonly a: PilotClient;
  readonly b: PilotClient;
  readonly c: PilotClient;
  readonly network: FakeNetwork;
  readonly listener: Listener;
}

/** Nodes 1 (a), 2 (b) and 3 (c), all private, without trust; a and b share network 1; b listens. */
async function lab(): Promise<Lab> {
  const place = new Place();
  const a = await place.start('node-a');
  const b = await place.start('node-b');
  const c = await place.start('node-c');
  const network = place.registry.networks.add('lab', 'open', 1);
  place.registry.networks.enter(network, 2);
  await place.clock.advance(100);
  return { place, a, b, c, network, listener: await b.listen(PORT) };
}

async function connect({ place, a, listener }: Lab, target: string): Promise<[Conn, Conn]> {
  const [conn, accepted] = await place.during(
    Promise.all([a.dial(target, PORT, { timeout: 5000 }), listener.accept()]),
  );
  assert.ok(accepted !== undefined);
  return [conn, accepted];
}

function refused(
  place: Place,
  from: PilotClient,
  target: string,
  codes: string[],
  port = PORT,
): Promise<void> {
  return assert.rejects(
    place.during(from.dial(target, port, { timeout: 2000 })),
    (error: { code: string }) => {
      assert.ok(codes.includes(error.code), `${target}: ${error.code}`);
      return true;
    },
  );
}

async function ended(conn: Conn): Promise<string> {
  try {
    return (await conn.read()) === undefined ? 'end' : 'data';
  } catch {
    return 'reset';
  }
}

const deny = (on: string, match: string): object => ({
  version: 1,
  rules: [{ name: 'no', on, match, actions: [{ type: 'deny' }] }],
});

test('members reach each other by every kind of address, and the network travels with it', async () => {
  const it = await lab();
  for (const [target, network] of [
    ['1:0001.0000.0002', 1],
    ['node-b', 0],
    ['2', 0],
    ['0:0000.0000.0002', 0],
  ] as const) {
    const [conn, accepted] = await connect(it, target);
    assert.deepEqual(accepted.remote.address, { network, node: 1 }, target);
    assert.deepEqual(conn.remote.address, { network, node: 2 }, target);
    await it.place.during(conn.write(utf8('hi')));
    assert.deepEqual(await it.place.during(accepted.read()), utf8('hi'));
  }
  assert.equal((await it.place.during(it.a.pingOnce('1:0001.0000.0002'))).address, '1:0001.0000.0002');
  const sent = await it.place.during(
    it.a.sendMessage('1:0001.0000.0002', { type: 'text', data: utf8('a message') }),
  );
  assert.equal(sent.target, '1:0001.0000.0002');
  assert.deepEqual((await it.a.info()).networks, [
    { network_id: 1, address: '1:0001.0000.0001', name: 'lab', role: 'owner' },
  ]);
});

test('who is in no network with a node does not reach it, whatever network it writes on the packet', async () => {
  const { place, c, network, a } = await lab();
  await refused(place, c, '1:0001.0000.0002', ['permission_denied', 'policy_denied']);
  await refused(place, c, '2', ['untrusted', 'not_found', 'timeout']);
  // In another network with a, but not with b.
  const other = place.registry.networks.add('other', 'open', 3);
  place.registry.networks.enter(other, 1);
  await place.clock.advance(100);
  await refused(place, c, '2:0002.0000.0002', ['policy_denied']);
  await refused(place, a, '2:0002.0000.0002', ['policy_denied']);
  await refused(place, c, '2', ['untrusted', 'not_found', 'timeout']);
  await assert.rejects(place.during(a.pingOnce('2:0002.0000.0002')), { code: 'permission_denied' });
  assert.equal(network.members.size, 2);
});

test('who only says that it is a member gets no answer at all', async () => {
  const { place, c, network } = await lab();
  const liar = [...place.registry.clients].find((client) => client.is(3));
  assert.ok(liar !== undefined);
  const { mine } = [...place.registry.clients].find((client) => client.is(2))!.networks;
  // Its daemon believes in a membership that b's registry knows nothing of.
  Object.assign(liar.networks, {
    mine,
    relation: async () => ({ shared: [{ network: 1, tags: ['service'], role: 'owner', since: 1 }] }),
  });
  const { listenEndpoint: endpoint } = place.registry.nodes.get(2)!.options;
  Object.assign(liar, { resolve: async () => ({ endpoint, lan: [] }) });
  liar.push({ event: 'network_changed', network: 1 });
  await place.clock.advance(100);
  assert.equal((await c.info()).networks?.length, 1);
  for (const target of ['1:0001.0000.0002', '2'])
    await refused(place, c, target, ['timeout', 'untrusted', 'not_found']);
  await assert.rejects(place.during(c.pingOnce('1:0001.0000.0002', { timeout: 2000 })));
  const sent = place.events.filter(({ who, name }) => who === 'node-b' && name === 'tunnel.established');
  assert.deepEqual(sent, [], 'b does not even exchange keys with it');
  assert.equal(network.members.has(3), false);
});

test('a policy refuses at once here, and silently there when here does not know it yet', async () => {
  const it = await lab();
  const { place, a, network } = it;
  network.ports = [7];
  place.registry.networks.changedForAll(network);
  await place.clock.advance(100);
  for (const target of ['1:0001.0000.0002', 'node-b', '2'])
    await refused(place, a, target, ['policy_denied']);
  network.ports = [];
  place.registry.networks.changedForAll(network);
  await place.clock.advance(100);
  await connect(it, '1:0001.0000.0002');
  // Only b hears of the new policy.
  network.policy = deny('connect', `port == ${PORT}`);
  for (const client of place.registry.clients)
    if (client.is(2)) client.push({ event: 'network_changed', network: 1 });
  await place.clock.advance(100);
  place.events.length = 0;
  await refused(place, a, '1:0001.0000.0002', ['timeout']);
  await refused(place, a, '2', ['timeout', 'untrusted']);
  const rejected = place.events.filter(({ who, name }) => who === 'node-b' && name === 'syn.rejected');
  assert.ok(rejected.length > 0);
  assert.equal(rejected[0]?.fields.reason, 'policy');
});

test('datagrams pass the same gate', async () => {
  const { place, a, b, network } = await lab();
  const got: string[] = [];
  await b.onDatagram(5000, ({ data, from }) => got.push(`${from.network}:${Buffer.from(data).toString()}`));
  const send = async (text: string): Promise<void> => {
    await place.during(a.sendDatagram('1:0001.0000.0002', 5000, utf8(text))).catch(() => {});
    await place.clock.advance(500);
  };
  await send('one');
  assert.deepEqual(got, ['1:one']);
  network.policy = deny('datagram', 'size > 3 and direction == "in"');
  place.registry.networks.changedForAll(network);
  await place.clock.advance(100);
  await send('long');
  await send('two');
  assert.deepEqual(got, ['1:one', '1:two']);
});

test('each datagram of a flow is looked at, and an answer needs no leave of its own', async () => {
  const { place, a, b, network } = await lab();
  network.policy = deny('datagram', 'port != 5000 or size > 3');
  place.registry.networks.changedForAll(network);
  await place.clock.advance(100);
  const got: string[] = [];
  await b.onDatagram(5000, ({ data, from, fromPort }) => {
    got.push(`to b: ${Buffer.from(data).toString()}`);
    if (fromPort !== 6000) return;
    void b.sendDatagram(formatAddress(from), 6000, utf8('an answer'), { fromPort: 5000 });
  });
  await a.onDatagram(6000, ({ data }) => got.push(`to a: ${Buffer.from(data).toString()}`));
  for (const text of ['one', 'long', 'two']) {
    const sent = a.sendDatagram('1:0001.0000.0002', 5000, utf8(text), { fromPort: 6000 });
    await place.during(sent).catch(() => {});
    await place.clock.advance(500);
  }
  assert.deepEqual(got, ['to b: one', 'to a: an answer', 'to b: two', 'to a: an answer']);
  await assert.rejects(
    place.during(b.sendDatagram('1:0001.0000.0001', 7000, utf8('x'), { fromPort: 5000 })),
    {
      code: 'policy_denied',
    },
  );
});

test('a datagram to everybody reaches the members whom the policy lets it reach', async () => {
  const { place, a, b, c, network } = await lab();
  place.registry.networks.enter(network, 3);
  await place.clock.advance(100);
  const got: string[] = [];
  await b.onDatagram(5000, ({ data }) => got.push(`b:${Buffer.from(data).toString()}`));
  await c.onDatagram(5000, ({ data }) => got.push(`c:${Buffer.from(data).toString()}`));
  const send = async (text: string) => {
    const sent = await place.during(a.sendDatagram('1:0001.FFFF.FFFF', 5000, utf8(text)));
    await place.clock.advance(500);
    return sent;
  };
  assert.deepEqual(await send('all'), { recipients: 2, skipped: 0 });
  assert.deepEqual(got.splice(0).sort(), ['b:all', 'c:all']);
  network.policy = deny('datagram', 'direction == "out" and peer_id == 2');
  place.registry.networks.changedForAll(network);
  await place.clock.advance(100);
  await send('some');
  assert.deepEqual(got.splice(0), ['c:some']);
  assert.deepEqual(await send('again'), { recipients: 1, skipped: 1 }, 'by now it is known who is out');
  assert.deepEqual(got.splice(0), ['c:again']);
  place.registry.networks.remove(network, 3);
  await place.clock.advance(100);
  await send('none');
  assert.deepEqual(got, []);
  await assert.rejects(place.during(c.sendDatagram('1:0001.FFFF.FFFF', 5000, utf8('x'))), {
    code: 'permission_denied',
  });
  await assert.rejects(place.during(a.sendDatagram('0:0000.FFFF.FFFF', 5000, utf8('x'))), {
    code: 'invalid_argument',
  });
});

test('a policy that is not understood shuts the network, also by way of network 0', async () => {
  const { place, a, network } = await lab();
  network.policy = {
    version: 1,
    rules: [{ name: 'x', on: 'connect', match: 'port ==', actions: [{ type: 'allow' }] }],
  };
  place.registry.networks.changedForAll(network);
  await place.clock.advance(100);
  for (const target of ['1:0001.0000.0002', '2']) await refused(place, a, target, ['policy_denied']);
  const [row] = await place.during(a.networks.own());
  assert.match(row?.policy_error ?? '', /rules\[0\]\.match/);
});

test('being put out resets open streams and refuses new ones, on both sides', async () => {
  for (const node of [1, 2]) {
    const it = await lab();
    const { place, a, network } = it;
    const [conn, accepted] = await connect(it, '1:0001.0000.0002');
    const [plain] = await connect(it, '2');
    const ends = Promise.all([ended(conn), ended(accepted), ended(plain)]);
    place.registry.networks.remove(network, node);
    assert.deepEqual(await place.during(ends), ['reset', 'reset', 'reset']);
    await refused(place, a, '1:0001.0000.0002', ['permission_denied', 'policy_denied']);
    await refused(place, a, '2', ['untrusted', 'not_found', 'timeout']);
  }
});

test('a lost push costs five minutes, not for ever', async () => {
  const it = await lab();
  const { place, network } = it;
  const [conn] = await connect(it, '1:0001.0000.0002');
  place.registry.networks.silent = true;
  place.registry.networks.remove(network, 1);
  const end = ended(conn);
  await place.clock.advance(310_000);
  assert.equal(await place.during(end), 'reset');
});

test('while the registry is away members that know each other go on, for an hour', async () => {
  const it = await lab();
  const { place, a, network } = it;
  await connect(it, '1:0001.0000.0002');
  place.registry.leave();
  await place.clock.advance(120_000);
  const [conn, accepted] = await connect(it, '1:0001.0000.0002');
  await place.clock.advance(3_600_000);
  assert.equal(await place.during(ended(conn)), 'reset');
  assert.equal(await place.during(ended(accepted)), 'reset');
  await refused(place, a, '1:0001.0000.0002', ['permission_denied', 'policy_denied']);
  place.registry.comeBack();
  await place.clock.advance(40_000);
  await connect(it, '1:0001.0000.0002');
  assert.equal(network.members.size, 2);
});

test('who leaves the registry leaves its networks', async () => {
  const it = await lab();
  const { place, a } = it;
  const [conn] = await connect(it, '1:0001.0000.0002');
  const end = ended(conn);
  await place.during(a.deregister());
  for (const network of place.registry.networks.all.values()) place.registry.networks.remove(network, 1);
  await place.clock.advance(1_000);
  assert.equal(await place.during(end), 'reset');
  assert.equal((await a.info()).networks, null);
});

test('trust is a matter of its own: it outlives the network, and opens no gate of one', async () => {
  const it = await lab();
  const { place, a, b, network } = it;
  await place.during(a.handshake('node-b', 'hello'));
  await place.until('the request arrives', async () => (await b.pending()).length === 1);
  await place.during(b.approve('1'));
  await place.until('both trust', async () => (await a.trusted()).length === 1);
  network.ports = [7];
  place.registry.networks.changedForAll(network);
  await place.clock.advance(100);
  await refused(place, a, '1:0001.0000.0002', ['policy_denied']);
  const [conn, accepted] = await connect(it, '2');
  place.registry.networks.remove(network, 1);
  await place.clock.advance(1_000);
  await place.during(conn.write(utf8('still here')));
  assert.deepEqual(await place.during(accepted.read()), utf8('still here'));
  await refused(place, a, '1:0001.0000.0002', ['permission_denied', 'policy_denied']);
});

test('a network does not touch the trust of its members, whatever its policy says', async () => {
  const { place, a, b, network } = await lab();
  await place.during(a.handshake('node-b', 'hello'));
  await place.until('the request arrives', async () => (await b.pending()).length === 1);
  await place.during(b.approve('1'));
  await place.until('both trust', async () => (await a.trusted()).length === 1);
  network.policy = {
    version: 1,
    config: { cycle: '1m' },
    rules: [
      {
        name: 'decay',
        on: 'cycle',
        match: 'true',
        actions: [
          { type: 'prune_trust', params: { percent: 100, min: 0 } },
          { type: 'fill_trust', params: { target: 100 } },
        ],
      },
    ],
  };
  place.registry.networks.changedForAll(network);
  await place.clock.advance(200_000);
  assert.equal((await a.trusted()).length, 1);
  assert.equal((await a.outgoing()).length, 0);
});

test('commands about networks say what was done', async () => {
  const { place, a, b, c } = await lab();
  const done = <Value>(promise: Promise<Value>): Promise<Value> => place.during(promise);
  const made = await done(a.networks.create({ name: 'Board', joinRule: 'invite' }));
  assert.deepEqual(made, {
    network_id: 2,
    name: 'board',
    address: '2:0002.0000.0001',
    join_rule: 'invite',
  });
  await assert.rejects(done(c.networks.join('board')), { code: 'permission_denied' });
  assert.equal((await done(a.networks.invite('board', '3'))).status, 'invited');
  assert.equal((await done(a.networks.invite('2', '3'))).status, 'already_invited');
  const [invite] = await done(c.networks.invites());
  assert.deepEqual([invite?.name, invite?.inviter_id], ['board', 1]);
  assert.deepEqual(await done(c.networks.acceptInvite('board')), { network_id: 2, accepted: true });
  const { members } = await done(a.networks.members('board'));
  assert.deepEqual(
    members.map((member) => [member.address, member.role]),
    [
      ['2:0002.0000.0001', 'owner'],
      ['2:0002.0000.0003', 'member'],
    ],
  );
  assert.deepEqual(await done(a.networks.tags('board', '3', ['service'])), {
    network_id: 2,
    node_id: 3,
    tags: ['service'],
  });
  assert.deepEqual((await done(a.networks.peer('board', '3'))).tags, ['service']);
  await assert.rejects(done(b.networks.setPolicy('lab', { allowed_ports: [80] })), {
    code: 'permission_denied',
  });
  await assert.rejects(done(a.networks.setPolicy('lab', {})), { code: 'invalid_argument' });
  await assert.rejects(done(a.networks.setPolicy('lab', { expr_policy: deny('connect', 'prot == 1') })), {
    code: 'invalid_argument',
    message: /rules\[0\]\.match:0: there is no "prot" here/,
  });
  const set = await done(
    a.networks.setPolicy('lab', { expr_policy: deny('join', 'true'), description: 'tests' }),
  );
  assert.deepEqual(set.notes, ['rule "no" has no effect here: there are no "join" events']);
  assert.equal(set.description, 'tests');
  assert.equal((await done(a.networks.setPolicy('lab', { expr_policy: null }))).expr_policy, null);
  await done(a.networks.promote('board', '3'));
  await done(a.networks.transfer('board', '3'));
  assert.deepEqual(await done(c.networks.rename('board', 'council')), { network_id: 2, name: 'council' });
  assert.equal((await done(c.networks.rotateToken('council', 'turned'))).token, 'turned');
  await done(a.networks.leave('council'));
  assert.deepEqual(
    (await done(a.networks.own())).map((row) => row.name),
    ['lab'],
  );
  await done(c.networks.delete('council'));
  await assert.rejects(done(a.networks.members('council')), { code: 'not_found' });
  assert.deepEqual(
    (await done(c.networks.list())).networks.map((row) => [row.name, row.joined]),
    [['lab', false]],
  );
});
