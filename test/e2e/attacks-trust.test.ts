/** Attempts to be trusted, or to end the trust of others, without their consent: by tunnel and by registry. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { toHex, utf8 } from '../../src/base/bytes.ts';
import { nodeCrypto } from '../../src/platform/index.ts';
import { encodeBase64 } from '../../src/wire/base64.ts';
import {
  encodeHandshake,
  type HandshakeMessage,
  type HandshakeType,
  handshakeContentBytes,
  handshakeSignedString,
} from '../../src/wire/handshake.ts';
import { encodeJsonFrame } from '../../src/wire/registry-frame.ts';
import { signedString } from '../../src/wire/registry-signatures.ts';
import { type Json, pause, RegistryLine, Stranger, signedRequest } from './attacks-stranger.testkit.ts';
import { Victims } from './attacks-victims.testkit.ts';
import { eventually } from './pilotctl.ts';

let victims: Victims;
let stranger: Stranger;

before(async () => {
  victims = await Victims.open();
  const { a, b } = victims;
  stranger = await Stranger.join(victims.registry, {
    hostname: 'stranger',
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

/** A trust message of the stranger to a, in the form of our peers or of old ones. */
function message(type: HandshakeType, fields: Partial<HandshakeMessage> = {}, old = false): Uint8Array {
  const { identity, node } = stranger;
  const to = victims.a.id;
  const content: HandshakeMessage = {
    type,
    node_id: node,
    public_key: encodeBase64(identity.publicKey),
    justification: '',
    signature: encodeBase64(identity.sign(utf8(handshakeSignedString(fields.node_id ?? node, to)))),
    reason: '',
    timestamp: Math.floor(Date.now() / 1000),
    ...(old ? {} : { id: toHex(randomBytes(16)), to }),
    ...fields,
  };
  if (old) return encodeHandshake(content);
  return encodeHandshake({ sig: encodeBase64(identity.sign(handshakeContentBytes(content))), ...content });
}

/** The registry's answer to a request of an old client, which signs a fixed string. */
function oldStyle(fields: Json, signed: string): Promise<Json> {
  return stranger.line.ask({ ...fields, signature: encodeBase64(stranger.identity.sign(utf8(signed))) });
}

async function assertRefused(reply: Promise<Json>, error: RegExp): Promise<void> {
  const answer = await reply;
  assert.equal(answer.type, 'error', JSON.stringify(answer));
  assert.match(String(answer.error), error);
}

async function assertUnchanged(): Promise<void> {
  const { a, b } = victims;
  assert.deepEqual(
    (await a.client.trusted()).map((row) => row.node_id),
    [b.id],
  );
  assert.deepEqual(await a.client.pending(), []);
  assert.deepEqual(await b.client.pending(), []);
  await victims.assertFine();
}

test('a public node takes no accept it did not ask for, and no word of one node about another', async () => {
  const { a, b } = victims;
  await a.client.setVisibility(true);
  try {
    await stranger.openTunnel(a.id);
    const asB = { node_id: b.id };
    const keyOfB = { public_key: b.publicKey };
    const forgeries: [string, Uint8Array][] = [
      ['unsolicited accept', message('handshake_accept')],
      ['accept to an invented request', message('handshake_accept', { reply_to: toHex(randomBytes(16)) })],
      ['old accept', message('handshake_accept', {}, true)],
      ['accept in the name of b', message('handshake_accept', asB)],
      ['revoke in the name of b', message('handshake_revoke', asB)],
      ['old revoke in the name of b', message('handshake_revoke', asB, true)],
      ['old revoke in the name of b, its key', message('handshake_revoke', { ...asB, ...keyOfB }, true)],
      ['revoke of a trust that never was', message('handshake_revoke')],
      ['reject in the name of b', message('handshake_reject', asB)],
      ['request without a key', message('handshake_request', { public_key: '' }, true)],
      ['request with the key of b', message('handshake_request', keyOfB)],
      ['request without signatures', message('handshake_request', { signature: '' }, true)],
      ['request signed for somebody else', message('handshake_request', { to: b.id })],
      [
        'request with a broken signature',
        message('handshake_request', { sig: encodeBase64(randomBytes(64)) }),
      ],
      [
        'request of tomorrow',
        message('handshake_request', { timestamp: Math.floor(Date.now() / 1000) + 2 * 86_400 }),
      ],
      [
        'old request of yesterday',
        message('handshake_request', { timestamp: Math.floor(Date.now() / 1000) - 86_400 }, true),
      ],
      ['justification of 2 KiB', message('handshake_request', { justification: 'x'.repeat(2048) })],
      ['not JSON', utf8('{"type":')],
      ['not an object', utf8('[1,2,3]')],
      ['deep nesting', utf8(`${'['.repeat(2000)}${']'.repeat(2000)}`)],
      ['too long', utf8(JSON.stringify({ type: 'handshake_request', filler: 'x'.repeat(8000) }))],
      ['random', randomBytes(500)],
    ];
    for (const [name, bytes] of forgeries) {
      await stranger.say(a.id, 444, bytes);
      assert.deepEqual(
        (await a.client.trusted()).map((row) => row.node_id),
        [b.id],
        name,
      );
      assert.deepEqual(await a.client.pending(), [], name);
    }
    await pause(300);
    await assertUnchanged();
  } finally {
    await a.client.setVisibility(false);
  }
});

test('a request sent twice waits once, and only its owner can turn it into trust', async () => {
  const { a } = victims;
  await a.client.setVisibility(true);
  try {
    await stranger.openTunnel(a.id);
    // Statements of a node count by the second. The withdrawal it sent before is not newer, nor is its accept.
    const timestamp = Math.floor(Date.now() / 1000) + 1;
    const request = message('handshake_request', { justification: 'please', timestamp });
    await stranger.say(a.id, 444, request);
    await stranger.say(a.id, 444, request);
    await stranger.say(a.id, 444, message('handshake_accept', { timestamp }));
    const pending = await eventually(async () => {
      const waiting = await a.client.pending();
      // A had forgotten the keys of the stranger while it was private; senders repeat what is not answered.
      if (waiting.length === 0) await stranger.say(a.id, 444, request);
      assert.equal(waiting.length, 1, 'one waits');
      return waiting;
    });
    assert.equal(pending[0]?.node_id, stranger.node);
    await a.client.reject(String(stranger.node));
    await stranger.say(a.id, 444, request);
    await pause(200);
    assert.deepEqual(await a.client.pending(), [], 'a rejected request does not come back');
  } finally {
    await a.client.setVisibility(false);
  }
  await assertUnchanged();
});

test('a private node hears nothing of a stranger on the trust port', async () => {
  const { a } = victims;
  await stranger.openTunnel(a.id);
  assert.equal(await stranger.say(a.id, 444, message('handshake_request'), 300), false);
  await assertUnchanged();
});

test('one side cannot make a trust at the registry, and gets no traffic through by trying', async () => {
  const { a, b } = victims;
  const { node } = stranger;
  const reported = await stranger.ask({ type: 'report_trust', node_id: node, peer_id: a.id, request_id: 1 });
  assert.equal(reported.trusted, false);
  await stranger.ask({
    type: 'respond_handshake',
    node_id: node,
    peer_id: a.id,
    accept: true,
    request_id: 2,
  });
  await stranger.ask({
    type: 'respond_handshake',
    node_id: node,
    peer_id: a.id,
    accept: true,
    message: Buffer.from(message('handshake_accept')).toString(),
    request_id: 3,
  });
  const checked = await stranger.line.ask({ type: 'check_trust', node_id: node, peer_id: a.id });
  assert.equal(checked.trusted, false);
  await stranger.openTunnel(a.id);
  assert.equal(await stranger.say(a.id, 7, Buffer.from('echo?'), 500), false);
  assert.equal(await stranger.say(a.id, 1001, Buffer.from('message?'), 500), false);
  // Whether two others trust each other is none of its business either.
  const others = await stranger.line.ask({ type: 'check_trust', node_id: a.id, peer_id: b.id });
  assert.equal(others.trusted, false);
  await assertUnchanged();
});

test('requests in the name of another node are refused, signed by a stranger or not at all', async () => {
  const { a, b } = victims;
  const forged: { fields: Json; old: string }[] = [
    { fields: { type: 'heartbeat', node_id: a.id }, old: signedString.heartbeat(a.id) },
    { fields: { type: 'resolve', node_id: b.id, requester_id: a.id }, old: signedString.resolve(a.id, b.id) },
    {
      fields: { type: 'punch', requester_id: a.id, node_a: a.id, node_b: b.id },
      old: signedString.punch(a.id, b.id),
    },
    {
      fields: { type: 'report_trust', node_id: a.id, peer_id: stranger.node },
      old: signedString.reportTrust(a.id, stranger.node),
    },
    {
      fields: { type: 'revoke_trust', node_id: a.id, peer_id: b.id },
      old: signedString.revokeTrust(a.id, b.id),
    },
    {
      fields: { type: 'request_handshake', from_node_id: a.id, to_node_id: b.id, justification: 'x' },
      old: signedString.requestHandshake(a.id, b.id),
    },
    {
      fields: { type: 'respond_handshake', node_id: a.id, peer_id: stranger.node, accept: true },
      old: signedString.respondHandshake(a.id, stranger.node),
    },
    { fields: { type: 'poll_handshakes', node_id: a.id }, old: signedString.pollHandshakes(a.id) },
    {
      fields: { type: 'set_hostname', node_id: a.id, hostname: 'taken' },
      old: signedString.setHostname(a.id),
    },
    {
      fields: { type: 'set_visibility', node_id: a.id, public: true },
      old: signedString.setVisibility(a.id),
    },
    { fields: { type: 'set_tags', node_id: a.id, tags: ['x'] }, old: signedString.setTags(a.id) },
    { fields: { type: 'deregister', node_id: a.id }, old: signedString.deregister(a.id) },
    {
      fields: {
        type: 'rotate_key',
        node_id: a.id,
        new_public_key: encodeBase64(stranger.identity.publicKey),
      },
      old: signedString.rotateKey(a.id),
    },
  ];
  for (const { fields, old } of forged) {
    const name = String(fields.type);
    for (const reply of [
      await stranger.line.ask(fields),
      await stranger.ask(fields),
      await oldStyle(fields, old),
      await stranger.line.ask({ ...fields, sig: 1, ts: 'x', nonce: null }),
    ]) {
      assert.equal(reply.type, 'error', `${name}: ${JSON.stringify(reply)}`);
    }
  }
  await assertUnchanged();
});

test('the key of another node cannot be registered without proof, whatever is tried', async () => {
  const { a } = victims;
  const pathBefore = (await victims.b.client.peers()).find((peer) => peer.node_id === a.id)?.endpoint;
  const claim = { type: 'register', public_key: a.publicKey, listen_addr: '127.0.0.1:1' };
  await assertRefused(stranger.line.ask(claim), /required|failed/);
  await assertRefused(
    oldStyle(claim, `register:127.0.0.1:1:${a.publicKey}`),
    /verification failed|request failed/,
  );
  const { nonce } = await stranger.line.ask({ type: 'challenge' });
  await assertRefused(stranger.ask({ ...claim, challenge: nonce }), /verification failed/);
  await assertRefused(stranger.ask({ ...claim, challenge: nonce }), /invalid challenge/);
  await assertRefused(stranger.ask({ ...claim, challenge: toHex(randomBytes(16)) }), /invalid challenge/);
  await pause(200);
  const path = (await victims.b.client.peers()).find((peer) => peer.node_id === a.id)?.endpoint;
  assert.equal(path, pathBefore);
  await assertUnchanged();
});

test('an owner that is known gives no claim to its node', async () => {
  const line = await RegistryLine.open(victims.registry);
  try {
    const first = nodeCrypto().signingKey(randomBytes(32));
    const second = nodeCrypto().signingKey(randomBytes(32));
    const ids: unknown[] = [];
    for (const identity of [first, second]) {
      const { nonce } = await line.ask({ type: 'challenge' });
      const reply = await line.ask(
        signedRequest(identity, {
          type: 'register',
          public_key: encodeBase64(identity.publicKey),
          listen_addr: '127.0.0.1:1',
          owner: 'owner@example.net',
          challenge: nonce,
        }),
      );
      ids.push(reply.node_id);
    }
    assert.equal(new Set(ids).size, 2);
  } finally {
    line.close();
  }
});

test('a captured request is good for one time, on one connection, unchanged', async () => {
  const request = stranger.signed({ type: 'set_hostname', node_id: stranger.node, hostname: 'once' });
  assert.equal((await stranger.line.ask(request)).type, 'set_hostname_ok');
  const elsewhere = await RegistryLine.open(victims.registry);
  try {
    for (const line of [stranger.line, elsewhere]) {
      await assertRefused(line.ask(request), /used before/);
      await assertRefused(line.ask({ ...request, hostname: 'twice' }), /verification failed/);
      await assertRefused(line.ask({ ...request, nonce: toHex(randomBytes(16)) }), /verification failed/);
    }
    const early = { ...request, ts: Date.now() - 3_600_000 };
    await assertRefused(elsewhere.ask(early), /expired/);
    const forOther = stranger.signed({
      type: 'set_hostname',
      node_id: stranger.node,
      hostname: 'other',
      server: 'f'.repeat(64),
    });
    await assertRefused(elsewhere.ask(forOther), /another server/);
    // A registration can't be repeated from another place: its challenge belongs to the connection.
    const { nonce } = await stranger.line.ask({ type: 'challenge' });
    const registration = stranger.signed({
      type: 'register',
      public_key: encodeBase64(stranger.identity.publicKey),
      listen_addr: '127.0.0.1:2',
      challenge: nonce,
    });
    assert.equal((await stranger.line.ask(registration)).type, 'register_ok');
    await assertRefused(stranger.line.ask(registration), /invalid challenge/);
    await assertRefused(elsewhere.ask(registration), /invalid challenge/);
    // An old, eternal signature of a node that has proven its key counts for nothing.
    await assertRefused(
      oldStyle({ type: 'heartbeat', node_id: stranger.node }, signedString.heartbeat(stranger.node)).then(
        // On the connection that registered, a heartbeat needs no signature at all.
        () => elsewhere.ask({ type: 'heartbeat', node_id: stranger.node }),
      ),
      /required|failed/,
    );
  } finally {
    elsewhere.close();
  }
  await assertUnchanged();
});

test('a stranger cannot fill a node with requests, fool its terminal, or learn of private names', async () => {
  const { a } = victims;
  const ask = (to: string): Promise<Json> =>
    stranger.ask({
      type: 'request_handshake',
      from_node_id: stranger.node,
      to_hostname: to,
      justification: 'x'.repeat(1024),
      request_id: to,
    });
  const escapes = '\u001b[2J\u001b]0;owned\u0007\rtrusted\u202etxt\n9  friend';
  const forged = { type: 'request_handshake', from_node_id: stranger.node, to_node_id: a.id };
  await stranger.ask({ ...forged, justification: escapes });
  await eventually(async () => assert.equal((await a.client.pending()).length, 1));
  const shown = await a.node.text(['pending']);
  assert.doesNotMatch(
    shown.replaceAll('\n', ''),
    /\p{Cc}|\p{Bidi_C}/u,
    'no control sequences reach the terminal',
  );
  assert.doesNotMatch(shown, /^9 {2}friend/m, 'a stranger cannot make a line of its own');
  await a.client.reject(String(stranger.node));
  const known = await ask('victim-a');
  const unknown = await ask('nobody-here');
  assert.deepEqual({ ...known, request_id: 0, time: 0 }, { ...unknown, request_id: 0, time: 0 });
  for (let i = 0; i < 50; i++) await ask('victim-a');
  await pause(300);
  assert.ok((await a.client.pending()).length <= 1);
  for (const { node_id } of await a.client.pending()) await a.client.reject(String(node_id));
  const found = await stranger.ask({
    type: 'resolve_hostname',
    hostname: 'victim-a',
    requester_id: stranger.node,
    request_id: 1,
  });
  assert.equal(found.type, 'error');
  const claimed = await stranger.line.ask({
    type: 'resolve_hostname',
    hostname: 'victim-a',
    requester_id: victims.b.id,
  });
  assert.equal(claimed.type, 'error');
  const looked = await stranger.line.ask({ type: 'lookup', node_id: a.id });
  assert.equal(looked.hostname, undefined);
  assert.equal(looked.real_addr, undefined);
  await assertUnchanged();
});

test('a frame of the wrong shape inside a good connection ends it without harm to others', async () => {
  const line = await RegistryLine.open(victims.registry);
  line.raw(encodeJsonFrame({ type: 'lookup', node_id: 'one', networks: [[]], public_key: { a: 1 } }));
  assert.equal((await line.reply()).type, 'error');
  line.raw(Buffer.concat([Buffer.from([0, 0, 0, 2]), Buffer.from('[]')]));
  assert.equal(await line.closedSilently(), true);
  await assertUnchanged();
});
