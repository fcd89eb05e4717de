import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import { nodeClock } from '../platform/clock.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { nodeNet } from '../platform/net.ts';
import { nodeRandom } from '../platform/random.ts';
import type { Log, Net, Pipe, UdpSocket } from '../runtime/ports.ts';
import {
  type BeaconMessage,
  decodeBeaconMessage,
  encodeDiscover,
  encodePunchRequest,
  encodeRelay,
} from '../wire/beacon.ts';
import { discoverSignedBytes } from '../wire/beacon-extension.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { type Beacon, type BeaconOptions, startBeacon } from './beacon.ts';

const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0 };
const net = nodeNet();
const crypto = nodeCrypto();
const log: Log = { event: () => undefined };

function start(options: Partial<BeaconOptions> = {}): Promise<Beacon> {
  return startBeacon({
    net,
    clock: nodeClock(),
    random: nodeRandom(),
    crypto,
    log,
    bind: LOOPBACK,
    ...options,
  });
}

/** A node with a socket: sends one message and waits for messages. */
class Caller {
  readonly #socket: UdpSocket;
  readonly #beacon: Endpoint;
  readonly #inbox: BeaconMessage[] = [];
  #wake: (() => void) | undefined;

  private constructor(socket: UdpSocket, beacon: Endpoint) {
    this.#socket = socket;
    this.#beacon = beacon;
    socket.onDatagram((data) => {
      const message = decodeBeaconMessage(data);
      assert.ok(typeof message !== 'string');
      this.#inbox.push(message);
      this.#wake?.();
    });
  }

  static async open(beacon: Endpoint): Promise<Caller> {
    return new Caller(await net.udp(LOOPBACK), beacon);
  }

  get endpoint(): Endpoint {
    return this.#socket.local;
  }
  send(data: Uint8Array): void {
    this.#socket.send(data, this.#beacon);
  }
  async receive<T extends BeaconMessage['type']>(type: T): Promise<Extract<BeaconMessage, { type: T }>> {
    while (this.#inbox.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    const message = this.#inbox.shift()!;
    assert.equal(message.type, type);
    return message as Extract<BeaconMessage, { type: T }>;
  }
  close(): Promise<void> {
    return this.#socket.close();
  }
}

test('over real sockets: observes, coordinates a punch and relays', async () => {
  const beacon = await start();
  const [a, b] = [await Caller.open(beacon.endpoint), await Caller.open(beacon.endpoint)];
  a.send(encodeDiscover(1));
  const reply = await a.receive('discoverReply');
  assert.deepEqual(reply.endpoint, a.endpoint);
  assert.equal(reply.challenge, undefined, 'without a directory nobody is asked for proof');
  b.send(encodeDiscover(2));
  await b.receive('discoverReply');
  a.send(encodePunchRequest(1, 2));
  assert.deepEqual((await a.receive('punchCommand')).endpoint, b.endpoint);
  assert.deepEqual((await b.receive('punchCommand')).endpoint, a.endpoint);
  a.send(encodeRelay(1, 2, Uint8Array.of(1, 2, 3)));
  const delivered = await b.receive('relayDeliver');
  assert.equal(delivered.sender, 1);
  assert.deepEqual([...delivered.frame], [1, 2, 3]);
  const { relayedFrames, relayedBytes, punches, nodes } = beacon.stats();
  assert.deepEqual([relayedFrames, relayedBytes, punches, nodes], [1, 3, 1, 2]);
  await Promise.all([a.close(), b.close(), beacon.close()]);
});

test('a node proves itself with the key the directory names; lookups that fail prove nothing', async () => {
  const identity = crypto.signingKey(new Uint8Array(32).fill(1));
  const asked: number[] = [];
  const beacon = await start({
    lookupKey: async (node) => {
      asked.push(node);
      if (node === 2) throw new Error('the registry is away');
      return identity.publicKey;
    },
  });
  const a = await Caller.open(beacon.endpoint);
  for (const node of [1, 2]) {
    a.send(encodeDiscover(node));
    const { challenge } = await a.receive('discoverReply');
    const signature = identity.sign(discoverSignedBytes(node, challenge!));
    a.send(encodeDiscover(node, { challenge: challenge!, signature }));
    await a.receive('discoverReply');
  }
  a.send(encodeDiscover(3));
  await a.receive('discoverReply');
  assert.deepEqual(asked, [1, 2]);
  const proven = beacon.entries().filter((entry) => entry.proven);
  assert.deepEqual(
    proven.map(({ node }) => node),
    [1],
  );
  assert.equal(beacon.entries().length, 3);
  await Promise.all([a.close(), beacon.close()]);
});

test('a taken port is an error with a code', async () => {
  const beacon = await start();
  await assert.rejects(start({ bind: beacon.endpoint }), { code: 'port_in_use' });
  await beacon.close();
});

test('two beacons gossip and forward to each other', async () => {
  const one = await start({ config: { beaconId: 1 } });
  const two = await start({ config: { beaconId: 2 }, peers: [one.endpoint] });
  const [a, b] = [await Caller.open(one.endpoint), await Caller.open(two.endpoint)];
  b.send(encodeDiscover(2));
  await b.receive('discoverReply');
  one.setPeers([two.endpoint]);
  // Listing the peer anew makes the second beacon gossip at once.
  two.setPeers([]);
  two.setPeers([one.endpoint]);
  a.send(encodeDiscover(1));
  await a.receive('discoverReply');
  while (one.stats().remoteNodes === 0) await new Promise((resolve) => setImmediate(resolve));
  a.send(encodeRelay(1, 2, Uint8Array.of(7)));
  assert.deepEqual([...(await b.receive('relayDeliver')).frame], [7]);
  assert.equal(one.stats().forwardedFrames, 1);
  await Promise.all([a.close(), b.close(), one.close(), two.close()]);
});

/** A registry that answers `beacon_register` and `beacon_list` as spec/13 §8 has it. */
async function registryOf(
  beacons: { id: number; addr: string }[],
  netUsed: Net,
): Promise<{ endpoint: Endpoint; registered: unknown[]; close(): Promise<void> }> {
  const registered: unknown[] = [];
  const server = await netUsed.listen(LOOPBACK, (pipe: Pipe) => {
    const reader = new JsonFrameReader();
    pipe.onData((data) => {
      reader.push(data);
      for (let request = reader.next(); request !== undefined; request = reader.next()) {
        if (request.type === 'beacon_register') registered.push(request);
        pipe.write(
          encodeJsonFrame(
            request.type === 'beacon_register'
              ? { type: 'beacon_register_ok', beacon_id: request.beacon_id }
              : { type: 'beacon_list_ok', beacons },
          ),
        );
      }
    });
  });
  return { endpoint: server.local, registered, close: () => server.close() };
}

test('finds its peers through a registry, leaving itself and nonsense out', async () => {
  const list = [
    { id: 5, addr: '127.0.0.1:9' },
    { id: 6, addr: '127.0.0.1:19001' },
    { id: 7, addr: 'no port' },
  ];
  const registry = await registryOf(list, net);
  const beacon = await start({ discovery: { registry: registry.endpoint, beaconId: 5 } });
  while (beacon.stats().peers === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(beacon.stats().peers, 1);
  assert.deepEqual(registry.registered, [
    { type: 'beacon_register', beacon_id: 5, addr: formatEndpoint(beacon.endpoint) },
  ]);
  await Promise.all([beacon.close(), registry.close()]);
});

test('serves on while no registry can be reached', async () => {
  const registry = await registryOf([], net);
  await registry.close();
  const events: string[] = [];
  const beacon = await start({
    discovery: { registry: registry.endpoint, beaconId: 5 },
    log: { event: (_level, name) => events.push(name) },
  });
  while (!events.includes('beacon.discovery_failed')) await new Promise((resolve) => setImmediate(resolve));
  const a = await Caller.open(beacon.endpoint);
  a.send(encodeDiscover(1));
  await a.receive('discoverReply');
  await Promise.all([a.close(), beacon.close()]);
});
