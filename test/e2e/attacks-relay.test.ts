/** A relay that is the enemy: it sees, records, repeats, changes, redirects and withholds everything between two nodes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { Endpoint } from '../../src/base/units.ts';
import {
  BEACON,
  encodeDiscoverReply,
  encodePunchCommand,
  encodeRelayDeliver,
} from '../../src/wire/beacon.ts';
import { MAGIC } from '../../src/wire/tunnel-frames.ts';
import { pause, UdpLine } from './attacks-stranger.testkit.ts';
import { Victims } from './attacks-victims.testkit.ts';
import { eventually } from './pilotctl.ts';

/** Stands between the daemons and the beacon. */
class EvilRelay {
  /** Everything that passed, in both directions. */
  readonly seen: Buffer[] = [];
  /** What becomes of a delivery on its way to a daemon. */
  treatment: (data: Buffer) => Buffer | undefined = (data) => data;
  readonly #front: UdpLine;
  readonly #beacon: Endpoint;
  readonly #clients = new Map<number, UdpLine>();

  static async open(beacon: Endpoint): Promise<EvilRelay> {
    return new EvilRelay(await UdpLine.open(), beacon);
  }

  private constructor(front: UdpLine, beacon: Endpoint) {
    this.#front = front;
    this.#beacon = beacon;
    front.onDatagram((data, from) => void this.#forward(data, from));
  }

  get endpoint(): Endpoint {
    return this.#front.endpoint;
  }

  /** Says something to a daemon with the relay's own address. */
  tell(daemon: Endpoint, data: Uint8Array): void {
    this.#front.send(daemon, data);
  }

  close(): void {
    for (const line of [this.#front, ...this.#clients.values()]) line.close();
  }

  async #forward(data: Buffer, from: Endpoint): Promise<void> {
    let client = this.#clients.get(from.port);
    if (client === undefined) {
      client = await UdpLine.open();
      this.#clients.set(from.port, client);
      client.onDatagram((answer) => {
        this.seen.push(Buffer.from(answer));
        const treated = answer[0] === BEACON.relayDeliver ? this.treatment(answer) : answer;
        if (treated !== undefined) this.#front.send(from, treated);
      });
    }
    this.seen.push(Buffer.from(data));
    client.send(this.#beacon, data);
  }
}

let relay: EvilRelay;
let victims: Victims;

before(async () => {
  victims = await Victims.open({
    relayOnly: true,
    interpose: async (beacon) => {
      relay = await EvilRelay.open(beacon);
      return relay.endpoint;
    },
  });
});
after(async () => {
  await victims?.close();
  relay?.close();
});

function deliveries(): Buffer[] {
  return relay.seen.filter((data) => data[0] === BEACON.relayDeliver);
}

async function inboxOfB(): Promise<number> {
  return (await victims.b.node.data<{ total: number }>(['inbox'])).total;
}

test('the relay carries everything and sees only ciphertext', async () => {
  const secret = randomBytes(24).toString('hex');
  const { a, b } = victims;
  for (const victim of [a, b]) {
    const peers = await victim.client.peers();
    assert.deepEqual(
      peers.map((peer) => peer.path),
      ['relay'],
    );
  }
  await a.client.sendMessage('victim-b', { type: 'text', data: Buffer.from(secret.repeat(200)) });
  const kinds = new Set(deliveries().map((data) => data.toString('latin1', 5, 9)));
  assert.deepEqual([...kinds].sort(), ['PILA', 'PILS']);
  const everything = Buffer.concat(relay.seen).toString('latin1');
  for (const plain of [secret, 'victim-a', 'victim-b', 'colleagues', 'ACK TEXT', 'still here']) {
    assert.ok(!everything.includes(plain), `the relay saw "${plain}"`);
  }
});

test('repeating all it has ever carried does nothing twice', async () => {
  const { b } = victims;
  await victims.a.client.sendMessage('victim-b', { type: 'text', data: Buffer.from('only once') });
  const stored = await inboxOfB();
  const recorded = deliveries().filter((data) => data.readUInt32BE(1) === victims.a.id);
  assert.ok(recorded.length > 5);
  await victims.assertDropped(b, 'replayed', async () => {
    for (let round = 0; round < 3; round++) {
      for (const data of recorded) relay.tell(b.endpoint, data);
      await pause(20);
    }
  });
  assert.equal(await inboxOfB(), stored);
  await victims.assertFine();
});

test('what it changes on the way is dropped, and sent again by the sender', async () => {
  const { a, b } = victims;
  let changed = 0;
  relay.treatment = (data) => {
    const at = 30 + (changed % 40);
    if (data.length <= at || ++changed % 4 !== 0) return data;
    data[at]! ^= 1 << (changed & 7);
    return data;
  };
  try {
    await victims.assertDropped(b, 'unauthentic', async () => {
      for (let i = 0; i < 5; i++) {
        const sent = await a.client.sendMessage('victim-b', { type: 'text', data: randomBytes(20_000) });
        assert.equal(sent.ack, 'ACK TEXT 20000 bytes');
      }
    });
  } finally {
    relay.treatment = (data) => data;
  }
  await victims.assertFine();
});

test('frames under a false name, or sent back to their author, are dropped', async () => {
  const { a, b } = victims;
  const frames = deliveries()
    .filter((data) => data.readUInt32BE(1) === a.id && data.readUInt32BE(5) === MAGIC.pils)
    .map((data) => data.subarray(5));
  const last = frames.at(-1)!;
  await victims.assertDropped(b, 'relay_sender', () => relay.tell(b.endpoint, encodeRelayDeliver(77, last)));
  // One key serves both directions: the sender's id, which is authenticated, is what tells them apart.
  const renamed = Buffer.from(last);
  renamed.writeUInt32BE(b.id, 4);
  await victims.assertDropped(a, 'unauthentic', () =>
    relay.tell(a.endpoint, encodeRelayDeliver(b.id, renamed)),
  );
  for (let i = 0; i < 20; i++) relay.tell(a.endpoint, encodeRelayDeliver(a.id, last));
  await victims.assertFine();
});

test('a beacon cannot turn a daemon into a source of floods', async () => {
  const victim = await UdpLine.open();
  const { a } = victims;
  try {
    await victims.assertDropped(
      a,
      'relay_only',
      () => {
        for (let i = 0; i < 200; i++) relay.tell(a.endpoint, encodePunchCommand(victim.endpoint));
      },
      200,
    );
    assert.equal(victim.received.length, 0);
    // A false public endpoint costs a direct path at most.
    for (let i = 0; i < 20; i++) {
      relay.tell(a.endpoint, encodeDiscoverReply({ host: '203.0.113.9', port: 9 }, randomBytes(16)));
    }
    await victims.assertFine();
    assert.equal(victim.received.length, 0);
  } finally {
    victim.close();
  }
});

test('what it withholds is delivered when it stops', async () => {
  relay.treatment = () => undefined;
  const sending = victims.a.client.sendMessage('victim-b', { type: 'text', data: Buffer.from('late') });
  await pause(1_500);
  relay.treatment = (data) => data;
  assert.equal((await sending).ack, 'ACK TEXT 4 bytes');
  await eventually(() => victims.assertFine());
});
