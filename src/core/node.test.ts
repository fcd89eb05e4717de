import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { TestNetwork, TestNode } from './node.testkit.ts';
import { ALL_TERMS } from './trust/terms.ts';

function trusting(): { network: TestNetwork; a: TestNode; b: TestNode } {
  const a = new TestNode(1);
  const b = new TestNode(2);
  const network = new TestNetwork([a, b]);
  network.do(a, (node, now) => node.requestTrust({ hostname: b.name }, 'let us talk', ALL_TERMS, now));
  network.run(500);
  assert.deepEqual(
    b.node.pending().map(({ node, justification }) => [node, justification]),
    [[1, 'let us talk']],
  );
  network.do(b, (node, now) => node.approve(1, {}, now));
  network.run(2000);
  return { network, a, b };
}

test('a request by hostname and an approval make both trust each other', () => {
  const { a, b } = trusting();
  assert.ok(a.node.isTrusted(2));
  assert.ok(b.node.isTrusted(1));
});

test('bytes flow after trust, arrive in order, and the stream ends on both sides', () => {
  const { network, a, b } = trusting();
  b.node.listen(1000);
  const conn = network.do(a, (node, now) => node.dial({ network: 0, node: 2 }, 1000, now));
  network.run(200);
  assert.equal(a.outputsOf('connected').length, 1);
  const incoming = b.outputsOf('incoming')[0]!;
  network.do(a, (node, now) => node.write(conn, utf8('hello'), now));
  network.do(a, (node, now) => node.close(conn, now));
  network.run(500);
  const read = network.do(b, (node, now) => node.read(incoming.conn, now));
  assert.equal(fromUtf8(read!), 'hello');
  assert.ok(b.node.atEnd(incoming.conn));
  assert.equal(a.outputsOf('finished').length, 1);
  network.do(b, (node, now) => node.close(incoming.conn, now));
  network.run(500);
  assert.deepEqual(
    a.outputsOf('closed').map(({ reason }) => reason),
    ['finished'],
  );
  assert.deepEqual(
    b.outputsOf('closed').map(({ reason }) => reason),
    ['finished'],
  );
});

test('without trust the directory refuses and the dial says why at once', () => {
  const a = new TestNode(1);
  const b = new TestNode(2);
  const network = new TestNetwork([a, b]);
  network.do(a, (node, now) => node.dial({ network: 0, node: 2 }, 7, now));
  network.run(200);
  assert.deepEqual(
    a.outputsOf('dialFailed').map(({ reason, detail }) => [reason, detail]),
    [['unresolved', 'private']],
  );
});

test('a private node that knows no trust hears nothing, even over a tunnel', () => {
  const a = new TestNode(1);
  const b = new TestNode(2);
  const network = new TestNetwork([a, b]);
  network.pairs.add('1,2');
  b.node.listen(7);
  network.do(a, (node, now) => node.dial({ network: 0, node: 2 }, 7, now, { timeout: 3000 }));
  network.do(a, (node, now) => node.sendDatagram({ network: 0, node: 2 }, 7, utf8('x'), now));
  network.run(5000);
  assert.equal(b.outputsOf('incoming').length, 0);
  assert.equal(b.outputsOf('datagram').length, 0);
  assert.deepEqual(
    a.outputsOf('dialFailed').map(({ reason }) => reason),
    ['timeout'],
  );
});

test('untrust resets the streams of both sides and tells the peer', () => {
  const { network, a, b } = trusting();
  b.node.listen(1000);
  network.do(a, (node, now) => node.dial({ network: 0, node: 2 }, 1000, now));
  network.run(500);
  network.do(b, (node, now) => node.untrust(1, '', now));
  network.run(3000);
  assert.ok(!b.node.isTrusted(1));
  assert.ok(!a.node.isTrusted(2));
  assert.equal(a.outputsOf('closed').length, 1);
  assert.equal(b.outputsOf('closed').length, 1);
  assert.deepEqual(a.node.connections(), []);
});

test('a node may dial itself', () => {
  const a = new TestNode(1);
  const network = new TestNetwork([a]);
  a.node.listen(7);
  const conn = network.do(a, (node, now) => node.dial({ network: 0, node: 1 }, 7, now));
  network.run(100);
  network.do(a, (node, now) => node.write(conn, utf8('me'), now));
  network.run(100);
  const incoming = a.outputsOf('incoming')[0]!;
  assert.equal(fromUtf8(network.do(a, (node, now) => node.read(incoming.conn, now))!), 'me');
  for (const id of [conn, incoming.conn]) network.do(a, (node, now) => node.close(id, now));
  network.run(30_000);
  assert.deepEqual(
    a.outputsOf('closed').map(({ reason }) => reason),
    ['finished', 'finished'],
  );
});

test('a peer that vanishes and comes back is reachable without a restart', () => {
  const { network, a, b } = trusting();
  b.node.listen(1000);
  const conn = network.do(a, (node, now) => node.dial({ network: 0, node: 2 }, 1000, now));
  network.run(500);
  b.down = true;
  network.do(a, (node, now) => node.write(conn, utf8('are you there'), now));
  network.run(30_000);
  b.down = false;
  network.run(15_000);
  const incoming = b.outputsOf('incoming')[0]!;
  assert.equal(fromUtf8(network.do(b, (node, now) => node.read(incoming.conn, now))!), 'are you there');
});
