/** Who reaches whom on which port, with whole nodes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, toHex, utf8 } from '../base/bytes.ts';
import type { Instant } from '../base/units.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { encodeBase64 } from '../wire/base64.ts';
import {
  encodeHandshake,
  type HandshakeMessage,
  type HandshakeType,
  handshakeContentBytes,
} from '../wire/handshake.ts';
import type { JsonObject } from '../wire/json.ts';
import { TestNetwork, TestNode, WALL } from './node.testkit.ts';
import type { PilotNode } from './node.ts';
import type { Terms } from './trust/types.ts';

const NOW = WALL / 1000;

interface Pair {
  readonly network: TestNetwork;
  readonly a: TestNode;
  readonly b: TestNode;
}

function strangers(options: { public?: boolean } = {}): Pair {
  const [a, b] = [new TestNode(1), new TestNode(2, options)];
  const network = new TestNetwork([a, b]);
  // The directory tells where they are: what keeps them apart is up to them.
  network.pairs.add('1,2');
  for (const port of [7, 80]) b.node.listen(port);
  return { network, a, b };
}

function trusting(give: string, get: string, more: Partial<Terms> = {}): Pair {
  const made = strangers();
  const { network, a, b } = made;
  const terms = { give: { ports: give }, get: { ports: get }, ...more };
  network.do(a, (node, now) => node.requestTrust({ node: 2 }, '', terms, now));
  network.run(2_000);
  network.do(b, (node, now) => node.approve(1, {}, now));
  network.run(1_000);
  assert.ok(a.node.trustIn(2)?.certificate !== undefined && b.node.trustIn(1)?.certificate !== undefined);
  return made;
}

/** How a dial of `a` to `b` ends within two seconds. */
function dial({ network, a }: Pair, port: number, inNetwork = 0): string {
  const conn = network.do(a, (node, now) =>
    node.dial({ network: inNetwork, node: 2 }, port, now, { timeout: 1_500 }),
  );
  network.run(2_000);
  const failed = a.outputsOf('dialFailed').find((output) => output.conn === conn);
  if (failed !== undefined) return failed.denial ?? failed.reason;
  return a.outputsOf('connected').some((output) => output.conn === conn) ? 'connected' : 'nothing';
}

/** Puts both in one network. */
function join({ network, a, b }: Pair, ports: number[] = []): void {
  network.shared.set('1,2', [5]);
  for (const { node, memberships } of [a, b]) {
    memberships.setOwn([{ network: 5, name: 'five', role: 'member', tags: [], ports }]);
    node.recheck(network.now);
  }
}

test('trust opens the ports of its scope: others fail at once here, and silently there', () => {
  const pair = trusting('*', '80');
  const { b } = pair;
  assert.equal(dial(pair, 80), 'connected');
  assert.equal(dial(pair, 7), 'scope');
  assert.deepEqual(b.outputs.filter(isRejection), []);
});

test('the side that gives enforces its scope against a peer that ignores it', () => {
  const pair = trusting('*', '*');
  const { network, b } = pair;
  network.do(b, (node, now) => node.requestTrust({ node: 1 }, '', terms('80', '*'), now));
  // The dial is on its way before the other side has heard of it.
  assert.notEqual(dial(pair, 7), 'connected');
  assert.ok(JSON.stringify(b.outputs.filter(isRejection)).includes('"reason":"scope"'));
  assert.equal(dial(pair, 80), 'connected');
});

test('narrowing ends the streams that are not covered any more, and no others', () => {
  const pair = trusting('*', '*');
  const { network, b } = pair;
  assert.deepEqual([dial(pair, 7), dial(pair, 80)], ['connected', 'connected']);
  network.do(b, (node, now) => node.requestTrust({ node: 1 }, '', terms('80', '*'), now));
  network.run(500);
  assert.deepEqual(
    b.node.connections().map(({ localPort }) => localPort),
    [80],
  );
});

test('streams end with the time of the trust', () => {
  const pair = trusting('*', '*', { not_after: NOW + 60 });
  const { network, a, b } = pair;
  assert.equal(dial(pair, 7), 'connected');
  network.run(60_000);
  assert.ok(!a.node.isTrusted(2) && !b.node.isTrusted(1));
  assert.deepEqual([a.node.connections(), b.node.connections()], [[], []]);
  assert.deepEqual([a.node.peers(), b.node.peers()], [[], []]);
});

test('a rate bounds streams and datagram flows a minute, but not what answers them', () => {
  const made = strangers();
  const { network, a, b } = made;
  const limited = { give: { ports: '*' }, get: { ports: '*' } };
  network.do(a, (node, now) => node.requestTrust({ node: 2 }, '', limited, now));
  network.run(2_000);
  const grant = { give: { ports: '*', opens: 3 }, get: { ports: '*' } };
  network.do(b, (node, now) => node.approve(1, { terms: grant }, now));
  network.run(1_000);
  assert.deepEqual([dial(made, 7), dial(made, 80)], ['connected', 'connected']);
  const send = () =>
    network.do(a, (node, now) =>
      node.sendDatagram({ network: 0, node: 2 }, 9, utf8('x'), now, { fromPort: 50_000 }),
    );
  for (let i = 0; i < 10; i++) assert.equal(send(), 'sent');
  network.run(100);
  assert.equal(b.outputsOf('datagram').length, 10, 'one flow');
  assert.equal(dial(made, 7), 'rate');
  network.do(b, (node, now) =>
    node.sendDatagram({ network: 0, node: 1 }, 50_000, utf8('y'), now, { fromPort: 9 }),
  );
  network.run(100);
  assert.equal(a.outputsOf('datagram').length, 1);
  network.run(30_000);
  assert.equal(dial(made, 7), 'connected');
});

test('an answer to a datagram needs no leave of its own, but ends with the trust', () => {
  const pair = trusting('', '9');
  const { network, a, b } = pair;
  network.do(a, (node, now) =>
    node.sendDatagram({ network: 0, node: 2 }, 9, utf8('q'), now, { fromPort: 50_000 }),
  );
  network.run(100);
  const answer = (port: number) =>
    network.do(b, (node, now) =>
      node.sendDatagram({ network: 0, node: 1 }, port, utf8('a'), now, { fromPort: 9 }),
    );
  assert.equal(answer(50_000), 'sent');
  assert.deepEqual(answer(50_001), { denied: 'scope' });
  network.run(100);
  assert.equal(a.outputsOf('datagram').length, 1);
  network.do(a, (node, now) => node.untrust(2, '', now));
  answer(50_000);
  network.run(100);
  assert.equal(a.outputsOf('datagram').length, 1);
});

test('a private node sends nothing at all to a stranger, not even an answer to its key exchange', () => {
  const pair = strangers();
  const { b } = pair;
  assert.equal(dial(pair, 7), 'timeout');
  pair.network.do(pair.a, (node, now) => node.ping(2, now));
  pair.network.run(5_000);
  assert.deepEqual(b.outputsOf('transmit'), []);
  assert.ok((b.node.drops().not_admitted ?? 0) > 0);
});

test('nothing that a stranger sends through the registry makes a private node show it where it is', () => {
  const pair = strangers();
  const { network, a, b } = pair;
  const timestamp = NOW;
  const say = (type: HandshakeType, extra: JsonObject = {}, reply_to?: string): string =>
    fromUtf8(strangersWord(a, { type, extra, ...(reply_to !== undefined && { reply_to }) }));
  const relayed: ((node: PilotNode, now: Instant) => void)[] = [
    (node, now) =>
      node.relayedResponse({ from: 1, accept: true, timestamp, message: say('handshake_accept') }, now),
    (node, now) => node.relayedRevoke({ from: 1, message: say('handshake_revoke') }, now),
    (node, now) => {
      const message = say('handshake_request', { terms: { ...terms('*', '*'), not_after: NOW - 60 } });
      node.relayedRequest({ from: 1, justification: '', timestamp, message }, now);
    },
    (node, now) => {
      const message = say('handshake_request', {}, '33'.repeat(16));
      node.relayedRequest({ from: 1, justification: '', timestamp, message }, now);
    },
    (node, now) => node.reject(1, 'no', now),
  ];
  for (const attack of relayed) {
    network.do(b, attack);
    network.run(60_000);
  }
  assert.deepEqual(b.outputsOf('transmit'), []);
  assert.ok(JSON.stringify(b.outputs).includes('relayRespond'), 'the registry takes what has to be said');
});

test('a peer that still has to hear of our withdrawal cannot ask directly', () => {
  const pair = trusting('80', '80');
  const { network, a, b } = pair;
  assert.equal(dial(pair, 80), 'connected');
  network.do(b, (node, now) => node.untrust(1, '', now));
  network.do(a, (node, now) => node.requestTrust({ node: 2 }, '', terms('*', '*'), now));
  network.run(500);
  assert.ok(JSON.stringify(b.outputs).includes('not_admitted'));
  assert.deepEqual(b.node.pending(), []);
});

test('after untrust a peer hears that, and then nothing', () => {
  const pair = trusting('*', '*');
  const { network, a, b } = pair;
  assert.equal(dial(pair, 7), 'connected');
  network.do(b, (node, now) => node.untrust(1, '', now));
  network.run(10);
  network.do(a, (node, now) => node.ping(2, now));
  network.run(5_000);
  assert.ok(!a.node.isTrusted(2));
  assert.deepEqual(a.outputsOf('pong'), []);
  assert.deepEqual(b.node.peers(), []);
  const before = b.outputsOf('transmit').length;
  assert.equal(dial(pair, 7), 'untrusted');
  assert.equal(b.outputsOf('transmit').length, before);
});

test('a public node answers anyone; becoming private ends what strangers have open', () => {
  const pair = strangers({ public: true });
  const { network, b } = pair;
  assert.equal(dial(pair, 7), 'connected');
  network.do(b, (node, now) => node.setPublic(false, now));
  network.run(100);
  assert.deepEqual(b.node.connections(), []);
});

test('a shared network opens what its policy allows, by its own addresses and by network 0, while it lasts', () => {
  const pair = strangers();
  const { network, a, b } = pair;
  join(pair, [80]);
  assert.equal(dial(pair, 80, 5), 'connected');
  assert.equal(dial(pair, 80, 0), 'connected');
  assert.equal(dial(pair, 7, 5), 'policy');
  assert.equal(dial(pair, 7, 0), 'policy');
  assert.equal(dial(pair, 80, 6), 'not_member');
  network.shared.clear();
  for (const { node, memberships } of [a, b]) {
    memberships.forget();
    node.recheck(network.now);
    network.do(node === a.node ? a : b, () => undefined);
  }
  network.run(500);
  assert.deepEqual([a.node.connections(), b.node.connections()], [[], []]);
  assert.equal(dial(pair, 80, 5), 'not_member');
});

test('trust does not open the addresses of a network that forbids it', () => {
  const pair = trusting('*', '*');
  join(pair, [80]);
  assert.equal(dial(pair, 7), 'connected');
  assert.equal(dial(pair, 7, 5), 'policy');
});

test('what waits for the directory is bounded, and given up after three seconds', () => {
  const pair = strangers();
  const { network, a, b } = pair;
  join(pair);
  network.directoryUp = false;
  const conns = Array.from({ length: 20 }, () =>
    network.do(a, (node, now) => node.dial({ network: 5, node: 2 }, 80, now)),
  );
  const failed = () => a.outputsOf('dialFailed').filter(({ conn }) => conns.includes(conn)).length;
  assert.equal(failed(), 12);
  assert.equal(network.relationsAsked, 1);
  network.do(a, (node, now) => node.abort(conns[0]!, now));
  assert.equal(failed(), 13);
  network.run(3_500);
  assert.equal(failed(), 20);
  assert.deepEqual(b.outputsOf('transmit'), []);
});

function terms(give: string, get: string): Terms {
  return { give: { ports: give }, get: { ports: get } };
}

/** A signed trust message of node 1 to node 2. */
function strangersWord(
  from: TestNode,
  fields: Pick<HandshakeMessage, 'type'> & Partial<HandshakeMessage>,
): Uint8Array {
  const unsigned: HandshakeMessage = {
    node_id: 1,
    public_key: encodeBase64(from.publicKey),
    justification: '',
    signature: '',
    reason: '',
    timestamp: NOW,
    id: toHex(nodeCrypto().sha256(utf8(JSON.stringify(fields)))).slice(0, 32),
    to: 2,
    ...fields,
  };
  const sig = encodeBase64(from.identity.sign(handshakeContentBytes(unsigned)));
  return encodeHandshake({ ...unsigned, sig });
}

function isRejection(output: { type: string }): boolean {
  return output.type === 'event' && JSON.stringify(output).includes('.rejected');
}
