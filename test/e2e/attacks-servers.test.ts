/** Hostile clients of the registry, of the beacon, and of a daemon's local socket. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { utf8 } from '../../src/base/bytes.ts';
import {
  decodeBeaconMessage,
  encodeDiscover,
  encodePunchRequest,
  encodeRelay,
  encodeSync,
} from '../../src/wire/beacon.ts';
import { discoverSignedBytes } from '../../src/wire/beacon-extension.ts';
import { CMD, decodeError, encodeIpcFrame, IPC_FRAME_LIMIT, IpcFrameReader } from '../../src/wire/ipc.ts';
import { BINARY_PREAMBLE } from '../../src/wire/registry-binary.ts';
import { REGISTRY_FRAME_LIMIT } from '../../src/wire/registry-frame.ts';
import { pause, RegistryLine, Stranger, UdpLine } from './attacks-stranger.testkit.ts';
import { residentMegabytes, Victims } from './attacks-victims.testkit.ts';
import { eventually } from './pilotctl.ts';

let victims: Victims;
let stranger: Stranger;

before(async () => {
  victims = await Victims.open();
  const { a, b } = victims;
  stranger = await Stranger.join(victims.registry, {
    beacons: [victims.beacon],
    known: new Map([
      [a.id, a.endpoint],
      [b.id, b.endpoint],
    ]),
  });
});
after(async () => {
  stranger?.close();
  await victims?.close();
});

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function jsonFrame(text: string | Buffer): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([u32(body.length), body]);
}

// ---- registry

const CLOSING: readonly [string, Uint8Array][] = [
  ['a frame of length 0', u32(0)],
  ['a frame above the limit', u32(REGISTRY_FRAME_LIMIT + 1)],
  ['a frame of 4 GiB', u32(0xffff_ffff)],
  ['an array', jsonFrame('[]')],
  ['a string', jsonFrame('"register"')],
  ['a number', jsonFrame('7')],
  ['broken JSON', jsonFrame('{"type":"lookup"')],
  ['bytes that are not UTF-8', jsonFrame(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))],
  ['100,000 brackets', jsonFrame(`{"type":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)],
  ['random bytes', Buffer.concat([u32(600), randomBytes(600)])],
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['a binary frame of length 0', Buffer.concat([Buffer.from(BINARY_PREAMBLE), u32(0)])],
  [
    'a binary frame above the limit',
    Buffer.concat([Buffer.from(BINARY_PREAMBLE), u32(REGISTRY_FRAME_LIMIT + 1)]),
  ],
];

for (const [what, bytes] of CLOSING) {
  test(`the registry closes the connection at ${what}`, async () => {
    const line = await RegistryLine.open(victims.registry);
    line.raw(bytes);
    assert.equal(await line.closedSilently(), true);
    assert.equal((await stranger.line.ask({ type: 'lookup', node_id: stranger.node })).type, 'lookup_ok');
  });
}

test('the registry answers nonsense requests with errors', async () => {
  const line = await RegistryLine.open(victims.registry);
  const requests: Record<string, unknown>[] = [
    {},
    { type: 'no_such_thing' },
    { type: 7 },
    { type: '__proto__' },
    { type: 'constructor' },
    { type: 'toString', node_id: 1 },
    { type: 'register' },
    { type: 'register', public_key: 'x' },
    { type: 'register', public_key: '!'.repeat(44) },
    { type: 'register', public_key: { length: 44 } },
    { type: 'lookup' },
    { type: 'lookup', node_id: '1' },
    { type: 'lookup', node_id: -1 },
    { type: 'lookup', node_id: 1e300 },
    { type: 'resolve', node_id: victims.a.id, requester_id: 0 },
    { type: 'heartbeat', node_id: victims.a.id, signature: 'x' },
    { type: 'resolve_hostname', hostname: 'x'.repeat(100_000) },
    { type: 'resolve_hostname', hostname: "' OR 1=1 --" },
    { type: 'resolve_hostname', hostname: '\u0000' },
    { type: 'poll_handshakes', node_id: victims.a.id, ack: -1 },
    { type: 'set_hostname', node_id: victims.a.id, hostname: 'x', sig: 'AAAA', ts: 1, nonce: 'x' },
  ];
  for (const request of requests) {
    assert.equal((await line.ask(request)).type, 'error', JSON.stringify(request).slice(0, 80));
  }
  line.close();
  await victims.assertFine();
});

test('half a frame and then silence costs the registry little, and nobody else anything', async () => {
  const rendezvous = victims.memory().rendezvous;
  const lines = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const line = await RegistryLine.open(victims.registry);
      line.raw(
        Buffer.concat([u32(REGISTRY_FRAME_LIMIT), Buffer.from('{"type":"lookup",'), randomBytes(1000)]),
      );
      return line;
    }),
  );
  await victims.assertFine();
  const grown = victims.memory().rendezvous - rendezvous;
  assert.ok(grown < 50, `60 unfinished frames of 4 MiB cost ${grown.toFixed(0)} MB`);
  for (const line of lines) line.close();
});

test('a client that asks and never reads is cut off, or at least not remembered without bound', async () => {
  const { rendezvous } = victims.memory();
  const socket = connect(victims.registry.port, victims.registry.host);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.pause();
  const request = jsonFrame(
    JSON.stringify({ type: 'lookup', node_id: stranger.node, request_id: 'x'.repeat(64) }),
  );
  for (let i = 0; i < 200; i++) socket.write(Buffer.concat(Array.from({ length: 50 }, () => request)));
  await pause(500);
  await victims.assertFine();
  const grown = victims.memory().rendezvous - rendezvous;
  assert.ok(grown < 80, `10,000 unread answers cost ${grown.toFixed(0)} MB`);
  socket.destroy();
});

test('five hundred connections at once leave the registry at work', async () => {
  const lines = await Promise.all(Array.from({ length: 500 }, () => RegistryLine.open(victims.registry)));
  await victims.assertFine();
  for (const line of lines) line.close();
});

// ---- beacon

test('the place of a node at the beacon cannot be taken by asking for it', async () => {
  const { a, b, beacon } = victims;
  const thief = await UdpLine.open();
  try {
    // Without proof, with a made-up challenge, and with the right challenge signed by another key.
    thief.send(beacon, encodeDiscover(a.id));
    const challenge = randomBytes(16);
    const sign = (bytes: Uint8Array): Uint8Array => stranger.identity.sign(discoverSignedBytes(a.id, bytes));
    thief.send(beacon, encodeDiscover(a.id, { challenge, signature: sign(challenge) }));
    const offered = await eventually(async () => {
      const reply = thief.received.map(({ data }) => decodeBeaconMessage(data)).at(-1);
      assert.ok(typeof reply === 'object' && reply.type === 'discoverReply' && reply.challenge !== undefined);
      return reply.challenge;
    });
    thief.send(beacon, encodeDiscover(a.id, { challenge: offered, signature: sign(offered) }));
    await pause(200);
    const heard = thief.received.length;
    // What others send to a through the beacon still reaches a, not the thief.
    await victims.assertDropped(a, 'relay_sender', async () => {
      await eventually(async () => assert.ok(stranger.tunnel.observed() !== undefined));
      stranger.udp.send(beacon, encodeRelay(stranger.node, a.id, utf8('PILS of nobody')));
    });
    // Nor can the thief send in the name of a, or have a punched towards itself.
    thief.send(beacon, encodeRelay(a.id, b.id, randomBytes(64)));
    thief.send(beacon, encodePunchRequest(a.id, b.id));
    thief.send(beacon, encodePunchRequest(999, b.id));
    thief.send(beacon, encodeSync(5, [a.id, b.id]));
    await pause(200);
    assert.equal(thief.received.length, heard, 'the thief gets nothing but answers to its own registrations');
    await victims.assertFine();
  } finally {
    thief.close();
  }
});

test('malformed beacon messages are dropped', async () => {
  const line = await UdpLine.open();
  try {
    for (let type = 0; type < 16; type++) {
      for (let length = 0; length < 30; length++) {
        line.send(victims.beacon, Buffer.concat([Buffer.from([type]), randomBytes(length)]));
      }
    }
    line.send(victims.beacon, encodeRelay(1, 1, randomBytes(60_000)));
    line.send(victims.beacon, Buffer.concat([Buffer.from([7, 0, 0, 0, 1, 0xff, 0xff]), randomBytes(64)]));
    await pause(100);
    await victims.assertFine();
  } finally {
    line.close();
  }
});

// ---- local socket

async function local(): Promise<{ socket: Socket; texts: string[]; ended: () => boolean }> {
  const socket = connect(join(victims.a.node.home, 'pilot.sock'));
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  const reader = new IpcFrameReader();
  const texts: string[] = [];
  let ended = false;
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
  });
  socket.on('data', (data) => {
    reader.push(data);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const error = frame.cmd === CMD.error ? decodeError(frame.payload) : undefined;
      texts.push(typeof error === 'object' ? error.text : `0x${frame.cmd.toString(16)}`);
    }
  });
  return { socket, texts, ended: () => ended };
}

test('the local socket is closed to other users', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('becoming another user needs root');
  const program = `require('net').connect(process.argv[1]).on('connect',()=>console.log('open')).on('error',e=>console.log(e.code))`;
  const said = await new Promise<string>((resolve, reject) =>
    execFile(
      process.execPath,
      ['-e', program, join(victims.a.node.home, 'pilot.sock')],
      { uid: 65_534, gid: 65_534, cwd: '/' },
      (error, stdout) => (error ? reject(error) : resolve(stdout.trim())),
    ),
  );
  assert.equal(said, 'EACCES');
});

test('an oversized local frame is refused and the client let go', async () => {
  const { socket, texts, ended } = await local();
  socket.write(u32(IPC_FRAME_LIMIT + 1));
  await eventually(async () => assert.ok(ended()));
  assert.match(texts.join(), /frame too large/);
});

test('unknown, empty and truncated local commands get errors, not a dead daemon', async () => {
  const { socket, texts } = await local();
  for (const cmd of [0x00, 0x05, 0x3f, 0x7e, 0xee, 0xff]) socket.write(encodeIpcFrame(cmd, randomBytes(10)));
  for (let cmd = 0; cmd < 256; cmd++) {
    // Deregistering is a real command: any process of the owner may give it.
    if (cmd === CMD.deregister || cmd === CMD.setHostname || cmd === CMD.setVisibility || cmd === CMD.setTags)
      continue;
    socket.write(encodeIpcFrame(cmd));
    socket.write(encodeIpcFrame(cmd, Buffer.from([0xff])));
  }
  socket.write(encodeIpcFrame(CMD.call, u32(1), utf8('{"method":')));
  socket.write(encodeIpcFrame(CMD.call, u32(2), utf8('{"method":"no_such_method","params":{}}')));
  socket.write(encodeIpcFrame(CMD.call, u32(3), utf8('{"method":"__proto__","params":[]}')));
  socket.write(encodeIpcFrame(CMD.call, u32(4), utf8('{"method":"approve","params":{"target":{"a":1}}}')));
  socket.write(
    encodeIpcFrame(
      CMD.call,
      u32(5),
      utf8(`{"method":"ping","params":${'['.repeat(5000)}${']'.repeat(5000)}}`),
    ),
  );
  await eventually(async () => assert.ok(texts.length >= 100, `${texts.length} answers`));
  assert.ok(
    texts.some((text) => /unknown command/i.test(text)),
    texts.slice(0, 5).join(),
  );
  socket.destroy();
  await victims.assertFine();
});

test('a client cannot touch the streams of another', async () => {
  const conn = await victims.a.client.dial('victim-b', 7);
  const { socket, texts } = await local();
  const { connections } = await victims.a.node.data<{ connections: { id: number; remote_port: number }[] }>([
    'connections',
  ]);
  for (const { id } of connections) {
    socket.write(encodeIpcFrame(CMD.send, u32(id), utf8('stolen')));
    socket.write(encodeIpcFrame(CMD.close, u32(id)));
  }
  await eventually(async () => assert.ok(texts.length >= connections.length));
  await conn.write(utf8('mine'));
  assert.equal(Buffer.from((await conn.read())!).toString(), 'mine');
  await conn.close();
  socket.destroy();
});

test('two thousand local connections, half frames and sudden ends leave the daemon at work', async () => {
  const before = residentMegabytes(victims.a.node.pid);
  const sockets: Socket[] = [];
  let refused = 0;
  for (let i = 0; i < 2_000; i++) {
    const socket = connect(join(victims.a.node.home, 'pilot.sock'));
    socket.on('error', () => {});
    // The answer that says why is lost when our own write meets a closed socket first.
    socket.on('close', () => refused++).resume();
    socket.write(Buffer.concat([u32(1000), randomBytes(i % 900)]));
    sockets.push(socket);
    if (i % 100 === 99) await pause(5);
  }
  await eventually(async () => assert.ok(refused > 900, `${refused} refused`));
  await eventually(() => victims.assertFine());
  for (const socket of sockets) socket.destroy();
  await eventually(async () => {
    const again = await local();
    await pause(50);
    again.socket.destroy();
    assert.deepEqual(again.texts, []);
  });
  const grown = residentMegabytes(victims.a.node.pid) - before;
  assert.ok(grown < 150, `grew by ${grown.toFixed(0)} MB`);
  await victims.assertFine();
});

test('a local client that asks and never reads does not fill the memory of the daemon', async () => {
  const before = residentMegabytes(victims.a.node.pid);
  const socket = connect(join(victims.a.node.home, 'pilot.sock'));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.pause();
  const request = encodeIpcFrame(CMD.info);
  const batch = Buffer.concat(Array.from({ length: 1_000 }, () => request));
  let batches = 0;
  for (let refused = 0; refused < 5 && batches < 1_000; batches++) {
    if (socket.write(batch)) continue;
    const taken = await Promise.race([
      pause(100).then(() => false),
      new Promise((resolve) => socket.once('drain', () => resolve(true))),
    ]);
    refused = taken ? 0 : refused + 1;
  }
  assert.ok(batches < 1_000, 'the daemon stops taking requests');
  const grown = residentMegabytes(victims.a.node.pid) - before;
  await victims.assertFine();
  assert.ok(grown < 60, `unread answers cost ${grown.toFixed(0)} MB`);
  socket.destroy();
});

test('the operator finds in the log what the beacon dropped', async () => {
  const beacon = victims.rendezvous;
  await beacon.data(['rendezvous', 'stop']);
  const line = readFileSync(join(beacon.home, 'rendezvous.log'), 'utf8')
    .split('\n')
    .find((text) => text.includes('beacon.dropped'));
  const counts = JSON.parse(line ?? '{}') as Record<string, number>;
  for (const reason of [
    'too_short',
    'unknown_type',
    'held_by_other_source',
    'bad_proof',
    'unregistered_sender',
  ]) {
    assert.ok((counts[reason] ?? 0) > 0, `${reason}: ${line}`);
  }
});
