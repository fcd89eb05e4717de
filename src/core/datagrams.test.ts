import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../base/bytes.ts';
import { TestNetwork, TestNode } from './node.testkit.ts';
import { ALL_TERMS } from './trust/terms.ts';

const B = { network: 0, node: 2 };

function trusting(): { network: TestNetwork; a: TestNode; b: TestNode } {
  const a = new TestNode(1);
  const b = new TestNode(2);
  const network = new TestNetwork([a, b]);
  network.do(a, (node, now) => node.requestTrust({ hostname: b.name }, '', ALL_TERMS, now));
  network.run(500);
  network.do(b, (node, now) => node.approve(1, {}, now));
  network.run(2000);
  return { network, a, b };
}

test('a confirmed datagram waits for a key that the peer has proven, and then is sent, once', () => {
  const { network, a, b } = trusting();
  network.do(a, (node, now) => node.setIdentity(a.identity, now));
  const send = () => network.do(a, (node, now) => node.sendDatagram(B, 9, utf8('x'), now, { confirm: true }));
  assert.equal(send(), 'unready');
  assert.equal(send(), 'unready');
  network.run(1000);
  assert.equal(b.outputsOf('datagram').length, 0, 'nothing was kept');
  assert.equal(send(), 'sent');
  network.run(100);
  assert.equal(b.outputsOf('datagram').length, 1);
});

test('a confirmed datagram that our rules do not let out is refused as any other', () => {
  const a = new TestNode(1);
  const b = new TestNode(2);
  const network = new TestNetwork([a, b]);
  network.pairs.add('1,2');
  network.do(a, (node, now) =>
    node.requestTrust({ node: 2 }, '', { give: { ports: '*' }, get: { ports: '7' } }, now),
  );
  network.run(2000);
  network.do(b, (node, now) => node.approve(1, {}, now));
  network.run(2000);
  const send = (confirm: boolean) =>
    network.do(a, (node, now) => node.sendDatagram(B, 9, utf8('x'), now, { confirm }));
  assert.deepEqual(send(false), { denied: 'scope' });
  assert.deepEqual(send(true), { denied: 'scope' });
});
