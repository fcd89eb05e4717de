/** What two nodes still say to each other when their users are done, counted in datagrams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../base/bytes.ts';
import { TestNetwork, TestNode } from './node.testkit.ts';
import { ALL_TERMS } from './trust/terms.ts';

const B = { network: 0, node: 2 };
const MINUTE = 60_000;

interface Pair {
  readonly network: TestNetwork;
  readonly a: TestNode;
  readonly b: TestNode;
  /** Datagrams both sent in the time. */
  sentIn(duration: number): number;
}

function trusting(): Pair {
  const [a, b] = [new TestNode(1), new TestNode(2)];
  const network = new TestNetwork([a, b]);
  network.do(a, (node, now) => node.requestTrust({ hostname: b.name }, '', ALL_TERMS, now));
  network.run(500);
  network.do(b, (node, now) => node.approve(1, {}, now));
  network.run(2000);
  b.node.listen(1000);
  const sentIn = (duration: number): number => {
    for (const node of [a, b]) node.outputs.length = 0;
    network.run(duration);
    return a.outputsOf('transmit').length + b.outputsOf('transmit').length;
  };
  return { network, a, b, sentIn };
}

/** Opens streams, says something on each both ways, and closes them: `both` ends at once, or the dialer first. */
function talk(
  { network, a, b }: Pair,
  count: number,
  closes: 'dialer first' | 'both at once' | 'never',
): void {
  const dialed = Array.from({ length: count }, () => network.do(a, (node, now) => node.dial(B, 1000, now)));
  network.run(500);
  const incoming = b.outputsOf('incoming').map(({ conn }) => conn);
  for (const conn of dialed) network.do(a, (node, now) => node.write(conn, utf8('question'), now));
  network.run(500);
  for (const conn of incoming) {
    network.do(b, (node, now) => node.read(conn, now));
    network.do(b, (node, now) => node.write(conn, utf8('answer'), now));
  }
  network.run(500);
  for (const conn of dialed) network.do(a, (node, now) => node.read(conn, now));
  if (closes === 'never') return;
  for (const conn of dialed) network.do(a, (node, now) => node.close(conn, now));
  if (closes === 'dialer first') network.run(500);
  for (const conn of incoming) network.do(b, (node, now) => node.close(conn, now));
  network.run(500);
}

/** What keeps the NATs of a pair open: two probes or so a minute and direction, at most. */
const KEEP_ALIVE = 12;

for (const closes of ['dialer first', 'both at once'] as const) {
  test(`fifty streams that closed, ${closes}, leave nothing behind but what keeps the path open for ten minutes`, () => {
    const pair = trusting();
    talk(pair, 50, closes);
    assert.equal(pair.a.outputsOf('closed').length, 50);
    pair.sentIn(20_000);
    for (let minute = 1; minute <= 10; minute++) {
      const sent = pair.sentIn(MINUTE);
      assert.ok(sent <= KEEP_ALIVE, `${sent} datagrams in minute ${minute}`);
    }
    pair.sentIn(2 * MINUTE);
    assert.equal(pair.sentIn(60 * MINUTE), 0);
    assert.deepEqual([pair.a.node.connections(), pair.b.node.connections()], [[], []]);
  });
}

test('an idle stream costs its pair a few datagrams a minute, and lives for an hour', () => {
  const pair = trusting();
  talk(pair, 1, 'never');
  pair.sentIn(MINUTE);
  const sent = pair.sentIn(60 * MINUTE);
  assert.ok(sent <= 60 * 15, `${sent} datagrams in an hour`);
  assert.equal(pair.a.node.connections().length, 1);
  const { network, a, b } = pair;
  network.do(a, (node, now) => node.write(node.connections()[0]!.id, utf8('still there'), now));
  network.run(500);
  assert.equal(b.outputsOf('readable').length, 1);
});
