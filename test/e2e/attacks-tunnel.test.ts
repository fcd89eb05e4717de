/** Hostile datagrams at running daemons. Nothing a stranger or the network sends may change what they do for each other. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { Endpoint } from '../../src/base/units.ts';
import { nodeCrypto } from '../../src/platform/index.ts';
import { encodePunchCommand, encodeRelayDeliver } from '../../src/wire/beacon.ts';
import { encodePacket, FLAG_RST, FLAG_SYN, PROTOCOL_STREAM } from '../../src/wire/packet.ts';
import {
  classifyDatagram,
  encodePila,
  encodePilk,
  encodePilt,
  MAGIC,
  pilaSignedBytes,
  writePilsHeader,
} from '../../src/wire/tunnel-frames.ts';
import { pause, Stranger, UdpLine } from './attacks-stranger.testkit.ts';
import { type Victim, Victims } from './attacks-victims.testkit.ts';

let victims: Victims;
let line: UdpLine;
let stranger: Stranger;

before(async () => {
  victims = await Victims.open();
  line = await UdpLine.open();
  const { a, b } = victims;
  stranger = await Stranger.join(victims.registry, {
    known: new Map([
      [a.id, a.endpoint],
      [b.id, b.endpoint],
    ]),
  });
});
after(async () => {
  stranger?.close();
  line?.close();
  await victims?.close();
});

/** Where a thinks b is. */
async function pathToB(): Promise<string | undefined> {
  const peers = await victims.a.client.peers();
  return peers.find((peer) => peer.node_id === victims.b.id)?.endpoint;
}

function packetFromB(fields: Partial<Parameters<typeof encodePacket>[0]>): Uint8Array {
  return encodePacket({
    protocol: PROTOCOL_STREAM,
    flags: FLAG_SYN,
    source: { network: 0, node: victims.b.id },
    destination: { network: 0, node: victims.a.id },
    sourcePort: 50_000,
    destinationPort: 7,
    seq: 1,
    ack: 0,
    window: 64,
    payload: new Uint8Array(0),
    ...fields,
  });
}

function shouts(data: Uint8Array): void {
  line.send(victims.a.endpoint, data);
}

/** Runs attacks at a while anybody may set up a tunnel with it. */
async function whilePublic(victim: Victim, attacks: () => Promise<void>): Promise<void> {
  await victim.client.setVisibility(true);
  try {
    await attacks();
  } finally {
    await victim.client.setVisibility(false);
  }
}

/** A private victim drops what the stranger shouts unread, and sends nothing to where it came from. */
async function assertSilent(attack: () => void, count = 1): Promise<void> {
  // What it sent while it was still public may be on its way.
  await pause(300);
  const heard = [answersTo(line), stranger.frames.length];
  await victims.assertDropped(victims.a, 'not_admitted', attack, count);
  await pause(300);
  assert.deepEqual([answersTo(line), stranger.frames.length], heard, 'no answer at all');
}

/** Where an earlier test repeated a peer's key exchange from, the peer may be: it is looked for there with sealed pings. */
function answersTo({ received }: UdpLine): number {
  return received.filter(({ data }) => classifyDatagram(data).kind !== 'pils').length;
}

test('random datagrams at daemon and beacon change nothing', async () => {
  const { a, b, beacon } = victims;
  const before = victims.memory();
  const targets: Endpoint[] = [a.endpoint, b.endpoint, beacon];
  for (let i = 0; i < 6_000; i++) {
    const data = randomBytes(i % 300);
    if (i % 2 === 0 && data.length >= 8) {
      const magics = Object.values(MAGIC);
      data.writeUInt32BE(magics[(i >> 1) % magics.length]!, 0);
      if (i % 3 === 0) data.writeUInt32BE(b.id, 4);
    } else if (data.length > 0 && i % 5 === 0) data[0] = i % 16;
    for (const target of targets) line.send(target, data);
    if (i % 200 === 0) await pause(1);
  }
  await victims.assertFine();
  const drops = (await a.client.info()).drops ?? {};
  assert.ok((drops.unknown_magic ?? 0) > 0 && (drops.not_beacon ?? 0) > 0, JSON.stringify(drops));
  const after = victims.memory();
  for (const who of ['a', 'b', 'rendezvous'] as const) {
    assert.ok(after[who] < before[who] + 100, `${who} grew from ${before[who]} to ${after[who]} MB`);
  }
});

test('plaintext packets are refused, also in the name of a trusted peer', async () => {
  await victims.assertDropped(
    victims.a,
    'plaintext_refused',
    () => {
      shouts(encodePilt(packetFromB({})));
      shouts(encodePilt(packetFromB({ flags: FLAG_RST })));
      shouts(encodePilt(packetFromB({ protocol: 2, payload: Buffer.from('injected') })));
    },
    3,
  );
  await victims.assertFine();
});

test('anonymous key exchange is refused, for known and unknown nodes', async () => {
  await victims.assertDropped(
    victims.a,
    'anonymous_refused',
    () => {
      for (const node of [victims.b.id, stranger.node, 4_000_000]) {
        shouts(encodePilk({ node, x25519: nodeCrypto().agreementKey(randomBytes(32)).publicKey }));
      }
    },
    3,
  );
  await victims.assertFine();
});

test('a key exchange signed by another key than the registered one is dropped', async () => {
  const { identity } = stranger;
  const x25519 = nodeCrypto().agreementKey(randomBytes(32)).publicKey;
  const signature = identity.sign(pilaSignedBytes(victims.b.id, x25519));
  const ed25519 = identity.publicKey;
  await victims.assertDropped(victims.a, 'exchange_key_mismatch', () =>
    shouts(encodePila({ node: victims.b.id, x25519, ed25519, signature })),
  );
  await victims.assertDropped(victims.a, 'exchange_bad_signature', () =>
    shouts(encodePila({ node: victims.b.id, x25519, ed25519, signature: randomBytes(64) })),
  );
  const forOtherKey = encodePila({ node: stranger.node, x25519: randomBytes(32), ed25519, signature });
  await assertSilent(() => shouts(forOtherKey));
  await whilePublic(victims.a, () =>
    victims.assertDropped(victims.a, 'exchange_bad_signature', () => shouts(forOtherKey)),
  );
  await victims.assertFine();
});

test('a key of low order is refused', async () => {
  const { identity, node } = stranger;
  const x25519 = new Uint8Array(32);
  const signature = identity.sign(pilaSignedBytes(node, x25519));
  const frame = encodePila({ node, x25519, ed25519: identity.publicKey, signature });
  await assertSilent(() => shouts(frame));
  await whilePublic(victims.a, () =>
    victims.assertDropped(victims.a, 'exchange_weak_key', () => shouts(frame)),
  );
});

test('a replayed key exchange moves nothing: the peer stays where it is', async () => {
  const { a, b } = victims;
  const before = await pathToB();
  assert.ok(before !== undefined);
  // While b is public any registered node gets a key exchange frame of it, signed but not bound to its receiver.
  await whilePublic(b, () => stranger.openTunnel(b.id));
  const captured = stranger.frames.filter((frame) => frame.readUInt32BE(0) === MAGIC.pila);
  assert.ok(captured.length > 0, 'b answered the key exchange of the stranger');
  for (let i = 0; i < 50; i++) {
    for (const frame of captured) shouts(frame);
    await pause(2);
  }
  await victims.assertFine();
  assert.equal(await pathToB(), before);
  await pause(500);
  await victims.assertFine();
  assert.equal(await pathToB(), before);
  const sealed = line.received.filter(({ data }) => data.length >= 4 && data.readUInt32BE(0) === MAGIC.pils);
  assert.ok(sealed.length < 20, `${sealed.length} probes to the place of the replay: bounded`);
  const peer = (await a.client.peers()).find((row) => row.node_id === b.id);
  assert.equal(peer?.established, true);
});

test('forged encrypted frames in the name of a peer are counted, and lock nobody out', async () => {
  const { a, b } = victims;
  const frame = (high: number, low: number): Uint8Array => {
    const bytes = new Uint8Array(80);
    writePilsHeader(bytes, b.id, 0xdeadbeef, high, low);
    bytes.set(randomBytes(60), 20);
    return bytes;
  };
  await victims.assertDropped(a, 'counter_range', () => shouts(frame(0xffff_ffff, 0xffff_ffff)));
  await victims.assertDropped(a, 'unauthentic', () => {
    for (let i = 0; i < 20; i++) shouts(frame(0x1f_ffff, i));
  });
  await victims.assertFine();
});

test('a node that has a tunnel cannot speak as another one', async () => {
  const { a, b } = victims;
  const asB = { source: { network: 0, node: b.id } };
  const speakAsB = (): void => {
    stranger.sendPacket(a.id, asB);
    stranger.sendPacket(a.id, { ...asB, protocol: PROTOCOL_STREAM, flags: FLAG_SYN });
  };
  await whilePublic(a, async () => {
    await stranger.openTunnel(a.id);
    await victims.assertDropped(a, 'inner_source', speakAsB, 2);
    await victims.assertDropped(a, 'inner_destination', () =>
      stranger.sendPacket(a.id, { destination: { network: 0, node: b.id } }),
    );
  });
  // The stranger still has the keys; they are worth nothing now.
  await assertSilent(speakAsB, 2);
  await victims.assertFine();
});

test('a node that has keys but no trust reaches no port of a private node, and gets no answer', async () => {
  const { a } = victims;
  await whilePublic(a, () => stranger.openTunnel(a.id));
  const before = stranger.packets.filter((packet) => packet.protocol === PROTOCOL_STREAM).length;
  const heard = stranger.frames.length;
  for (const port of [7, 444, 1001, 65_000]) {
    await victims.assertDropped(a, 'not_admitted', async () => {
      assert.equal(await stranger.say(a.id, port, Buffer.from('hello'), 300), false, `port ${port}`);
      stranger.sendPacket(a.id, { destinationPort: port });
    });
  }
  assert.equal(stranger.frames.length, heard, 'not one datagram comes back');
  const after = stranger.packets.filter((packet) => packet.protocol === PROTOCOL_STREAM).length;
  assert.equal(after, before, 'not even a reset comes back');
  await victims.assertFine();
});

test('a member of a network whose policy opens no port has a tunnel, and reaches nothing', async () => {
  const { a } = victims;
  const policy = {
    version: 1,
    rules: [{ name: 'no', on: 'connect', match: 'true', actions: [{ type: 'deny' }] }],
  };
  const made = await a.client.networks.create({ name: 'shut', policy });
  const joined = await stranger.ask({
    type: 'join_network',
    node_id: stranger.node,
    network_id: made.network_id,
  });
  assert.equal(joined.type, 'join_network_ok', JSON.stringify(joined));
  await stranger.openTunnel(a.id);
  const resets = (): number => stranger.packets.filter(({ flags }) => (flags & FLAG_RST) !== 0).length;
  const before = resets();
  for (const port of [7, 1001, 65_000]) {
    assert.equal(await stranger.say(a.id, port, Buffer.from('hello'), 300), false, `port ${port}`);
  }
  assert.equal(resets(), before);
  await victims.assertFine();
});

test('relay deliveries and punch commands count only from the beacon', async () => {
  const { a, b } = victims;
  const bystander = await UdpLine.open();
  try {
    const path = await pathToB();
    await victims.assertDropped(
      a,
      'not_beacon',
      () => {
        shouts(encodePunchCommand(bystander.endpoint));
        shouts(encodeRelayDeliver(b.id, randomBytes(80)));
        shouts(encodeRelayDeliver(b.id, encodePilt(packetFromB({}))));
      },
      3,
    );
    await pause(100);
    assert.equal(bystander.received.length, 0, 'the daemon sends nothing where a stranger points');
    assert.equal(await pathToB(), path);
    await victims.assertFine();
  } finally {
    bystander.close();
  }
});
