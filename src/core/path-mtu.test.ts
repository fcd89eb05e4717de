/** Streams over paths whose size changes under them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestNetwork, TestNode } from './node.testkit.ts';
import { payloadOf } from './path/sizes.ts';
import { ALL_TERMS } from './trust/terms.ts';

const LINK = { address: '198.51.100.9', bits: 32, mtu: 9_000, loopback: false, leadsOut: true };

for (const [before, after] of [
  [8_972, 1_472],
  [1_472, 1_300],
  [8_972, 1_100],
] as const) {
  test(`a transfer goes on when the path shrinks from ${before} to ${after} bytes, and no byte is lost`, () => {
    const { network, a, b } = trusting();
    network.mtu = before;
    const data = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >>> 11)) & 0xff);
    const transfer = new Transfer(network, a, b, data);
    transfer.run(() => transfer.received >= 2_000_000, 60_000);
    assert.ok(network.largest > before - 200, `${network.largest} of ${before}`);
    network.mtu = after;
    const shrunkAt = network.now;
    transfer.run(() => transfer.received > 2_100_000, 60_000);
    assert.ok(network.now - shrunkAt < 10_000, `stood still for ${network.now - shrunkAt} ms`);
    transfer.run(() => transfer.received >= data.length, 120_000);
    assert.deepEqual(transfer.taken(), data);
    network.run(10_000);
    const limit = a.node.largestDatagram(2);
    assert.ok(limit !== undefined && limit <= payloadOf(9_000 - 28, false), `${limit}`);
  });
}

function trusting(): { network: TestNetwork; a: TestNode; b: TestNode } {
  const [a, b] = [new TestNode(1), new TestNode(2)];
  const network = new TestNetwork([a, b]);
  for (const one of [a, b])
    network.do(one, (node, now) => node.setLinks({ all: [LINK], oversize: 'refused' }, now));
  network.do(a, (node, now) => node.requestTrust({ hostname: b.name }, '', ALL_TERMS, now));
  network.run(500);
  network.do(b, (node, now) => node.approve(1, {}, now));
  network.run(2000);
  b.node.listen(1000);
  return { network, a, b };
}

/** Bytes from one node to the other, as fast as the stream takes them. */
class Transfer {
  received = 0;
  readonly #network: TestNetwork;
  readonly #a: TestNode;
  readonly #b: TestNode;
  readonly #data: Uint8Array;
  readonly #chunks: Uint8Array[] = [];
  readonly #conn: number;
  #written = 0;

  constructor(network: TestNetwork, a: TestNode, b: TestNode, data: Uint8Array) {
    this.#network = network;
    this.#a = a;
    this.#b = b;
    this.#data = data;
    this.#conn = network.do(a, (node, now) => node.dial({ network: 0, node: 2 }, 1000, now));
    network.run(500);
  }

  run(until: () => boolean, limit: number): void {
    const end = this.#network.now + limit;
    while (!until()) {
      assert.ok(this.#network.now < end, `stands at ${this.received}`);
      const rest = this.#data.subarray(this.#written, this.#written + 50_000);
      if (rest.length > 0)
        this.#written += this.#network.do(this.#a, (node, now) => node.write(this.#conn, rest, now));
      this.#network.run(5);
      this.#read();
      this.#a.outputs.length = 0;
    }
  }

  taken(): Uint8Array {
    const all = new Uint8Array(this.received);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  #read(): void {
    const conn = this.#b.outputsOf('incoming')[0]?.conn;
    if (conn === undefined) return;
    for (;;) {
      const chunk = this.#network.do(this.#b, (node, now) => node.read(conn, now));
      if (chunk === undefined) return;
      this.#chunks.push(chunk.slice());
      this.received += chunk.length;
    }
  }
}
