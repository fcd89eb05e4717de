import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../base/bytes.ts';
import { parseHostPort } from '../base/endpoint.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import {
  type BeaconMessage,
  decodeBeaconMessage,
  encodeDiscover,
  encodeDiscoverReply,
  encodePunchCommand,
  encodePunchRequest,
  encodeRelay,
  encodeRelayDeliver,
  encodeSync,
  SYNC_MAX_NODES,
} from './beacon.ts';
import { discoverSignedBytes } from './beacon-extension.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';

interface Vector {
  readonly name: string;
  readonly sent_hex?: string;
  readonly daemon_sends_hex?: string;
  readonly example_hex?: string;
  readonly received_by_a_hex?: string;
  readonly received_by_b_hex?: string;
}
const vectors = loadVectors<{
  a_endpoint: string;
  b_endpoint: string;
  beacon_id: number;
  messages: Vector[];
}>('beacon');
const golden = vectors.messages.flatMap((v) =>
  [v.sent_hex, v.daemon_sends_hex, v.example_hex, v.received_by_a_hex, v.received_by_b_hex].filter(
    (text) => text !== undefined,
  ),
);

describe('beacon messages', () => {
  it('of every golden vector decode, and encode to the same bytes', () => {
    for (const text of golden) {
      const message = decodeBeaconMessage(hex(text));
      if (text === '01000001' || text === '0300000001') assert.equal(message, 'too_short');
      else if (text === '0800000001') assert.equal(message, 'unknown_type');
      else {
        assert.ok(typeof message !== 'string', text);
        assert.equal(toHex(encode(message)), text);
      }
    }
  });

  it('carry the values the golden vectors describe', () => {
    const a = parseHostPort(vectors.a_endpoint)!;
    const b = parseHostPort(vectors.b_endpoint)!;
    const sent = (name: string) => hex(vectors.messages.find((v) => v.name.startsWith(name))!.sent_hex!);
    assert.deepEqual(decodeBeaconMessage(sent('discover node 0xF2910004')), {
      type: 'discover',
      node: 0xf2910004,
    });
    const punch = vectors.messages.find((v) => v.name.startsWith('punch request 1'))!;
    assert.deepEqual(decodeBeaconMessage(hex(punch.received_by_a_hex!)), {
      type: 'punchCommand',
      endpoint: b,
    });
    assert.deepEqual(decodeBeaconMessage(hex(punch.received_by_b_hex!)), {
      type: 'punchCommand',
      endpoint: a,
    });
    const relay = decodeBeaconMessage(sent('relay 1 -> F2910004 payload'));
    assert.deepEqual(relay, {
      type: 'relay',
      sender: 1,
      destination: 0xf2910004,
      frame: hex('50494c547061796c6f6164'),
    });
    assert.deepEqual(decodeBeaconMessage(sent('sync')), { type: 'sync', beaconId: 9, nodes: [5, 6] });
    const v6 = vectors.messages.find((v) => v.example_hex !== undefined)!;
    assert.deepEqual(decodeBeaconMessage(hex(v6.example_hex!)), {
      type: 'discoverReply',
      endpoint: { host: '2001:db8::1', port: 20111 },
    });
  });

  it('survive encoding and decoding', () => {
    fc.assert(
      fc.property(messages, (message) => {
        assert.deepEqual(decodeBeaconMessage(encode(message)), message);
      }),
      { numRuns: 1000 },
    );
  });

  it('with trailing bytes are understood as old peers do: without them', () => {
    const endpoint = { host: '192.0.2.1', port: 9 };
    const tail = hex('505801aabb');
    for (const message of [
      { type: 'discover', node: 7 },
      { type: 'discoverReply', endpoint },
      { type: 'punchRequest', requester: 1, target: 2 },
      { type: 'punchCommand', endpoint },
      { type: 'sync', beaconId: 1, nodes: [4] },
    ] as const) {
      assert.deepEqual(decodeBeaconMessage(concat(encode(message), tail)), message);
    }
  });

  it('prove ownership of a node with a signature over the challenge and the node', () => {
    const key = nodeCrypto().signingKey(new Uint8Array(32).fill(7));
    const challenge = new Uint8Array(16).fill(9);
    const signature = key.sign(discoverSignedBytes(5, challenge));
    const decoded = decodeBeaconMessage(encodeDiscover(5, { challenge, signature }));
    assert.ok(typeof decoded !== 'string' && decoded.type === 'discover');
    const signed = discoverSignedBytes(decoded.node, decoded.proof!.challenge);
    assert.ok(nodeCrypto().verify(key.publicKey, signed, decoded.proof!.signature));
    assert.equal(toHex(signed), `70696c6f742d626561636f6e2d72656769737465723a00000005${'09'.repeat(16)}`);
    assert.equal(nodeCrypto().verify(key.publicKey, discoverSignedBytes(6, challenge), signature), false);
  });

  it('are refused at every truncation', () => {
    const endpoint = { host: '2001:db8::1', port: 9 };
    everyTruncationFails(encodeDiscover(5), decodeBeaconMessage);
    everyTruncationFails(encodeDiscoverReply(endpoint), decodeBeaconMessage);
    everyTruncationFails(encodePunchRequest(1, 2), decodeBeaconMessage);
    everyTruncationFails(encodePunchCommand(endpoint), decodeBeaconMessage);
    everyTruncationFails(encodeRelay(1, 2, new Uint8Array(0)), decodeBeaconMessage);
    everyTruncationFails(encodeRelayDeliver(1, new Uint8Array(0)), decodeBeaconMessage);
    everyTruncationFails(encodeSync(1, [2, 3]), decodeBeaconMessage);
  });

  it('lose a proof that was cut, not the registration', () => {
    const whole = encodeDiscover(5, { challenge: new Uint8Array(16), signature: new Uint8Array(64) });
    for (let length = 5; length < whole.length; length++) {
      assert.deepEqual(decodeBeaconMessage(whole.subarray(0, length)), { type: 'discover', node: 5 });
    }
  });

  it('lose what was cut of a question or its answer, not the rest', () => {
    const question = { token: 0xdeadbeef, elsewhere: true };
    const proof = {
      key: new Uint8Array(32),
      challenge: new Uint8Array(16),
      signature: new Uint8Array(64),
    };
    const whole = encodeDiscover(5, proof, question);
    for (let length = 5; length < whole.length; length++) {
      assert.deepEqual(decodeBeaconMessage(whole.slice(0, length)), {
        type: 'discover',
        node: 5,
        ...(length >= 13 && { question }),
      });
    }
    const endpoint = { host: '192.0.2.1', port: 9 };
    const answer = { token: 1, elsewhere: false, settled: false, alternatePort: 9003 };
    const mark = new Uint8Array(8).fill(3);
    const reply = encodeDiscoverReply(endpoint, new Uint8Array(16).fill(2), { ...answer, mark });
    for (let length = 8; length < reply.length; length++) {
      assert.deepEqual(decodeBeaconMessage(reply.slice(0, length)), {
        type: 'discoverReply',
        endpoint,
        ...(length >= 18 && { answer }),
      });
    }
  });

  it('in the second version of the extension have these bytes', () => {
    const question = { token: 0x01020304, elsewhere: true };
    assert.equal(toHex(encodeDiscover(7, undefined, question)), '01000000075058020101020304');
    const answer = { token: 0x01020304, elsewhere: true, settled: true, alternatePort: 9003 };
    assert.equal(
      toHex(encodeDiscoverReply({ host: '127.0.0.1', port: 9001 }, undefined, answer)),
      '02047f0000012329505802032' + '32b01020304',
    );
  });

  it('name the beacon in the proof of the second version', () => {
    const challenge = new Uint8Array(16).fill(9);
    const [one, other] = [new Uint8Array(8).fill(1), new Uint8Array(8).fill(2)];
    assert.notDeepEqual(discoverSignedBytes(5, challenge, one), discoverSignedBytes(5, challenge, other));
    assert.equal(
      toHex(discoverSignedBytes(5, challenge, one)),
      `70696c6f742d626561636f6e2d7265676973746572323a00000005${'09'.repeat(16)}${'01'.repeat(8)}`,
    );
  });

  it('with an endpoint that is neither IPv4 nor IPv6 are refused', () => {
    assert.equal(decodeBeaconMessage(hex('0205aabbccddee0001')), 'bad_endpoint');
    assert.equal(decodeBeaconMessage(hex('0400')), 'bad_endpoint');
  });

  it('never throw on hostile bytes', () => {
    neverThrows(decodeBeaconMessage, golden.map(hex));
  });

  it('that could not be sent are a caller mistake', () => {
    assert.throws(() => encodePunchCommand({ host: 'example.org', port: 1 }), TypeError);
    assert.throws(() => encodeSync(1, new Array(SYNC_MAX_NODES + 1).fill(1)), RangeError);
    assert.equal(encodeSync(1, new Array(SYNC_MAX_NODES).fill(1)).length, 65_507);
    assert.throws(() => encodeDiscoverReply({ host: '::1', port: 1 }, new Uint8Array(15)), RangeError);
  });
});

const host = fc.oneof(
  fc.constantFrom('192.0.2.7', '10.0.0.1', '2001:db8::7', 'fe80::1', '::1', '2001:db8:0:1::'),
);
const endpoint = arbitrary.record({ host, port: arbitrary.u16 });
const challenge = arbitrary.exactly(16);
const frame = arbitrary.bytes(80);
const proof = arbitrary.record({ challenge, signature: arbitrary.exactly(64) });
const named = arbitrary.record({ key: arbitrary.exactly(32), challenge, signature: arbitrary.exactly(64) });
const question = fc.oneof(
  arbitrary.record({ token: arbitrary.u32, elsewhere: fc.boolean() }),
  arbitrary.record({ token: arbitrary.u32, elsewhere: fc.boolean(), delay: arbitrary.u16 }),
);
const answer = {
  token: arbitrary.u32,
  elsewhere: fc.boolean(),
  settled: fc.boolean(),
  alternatePort: arbitrary.u16,
};
const tagged = <T extends BeaconMessage>(type: T['type'], model: Record<string, fc.Arbitrary<unknown>>) =>
  arbitrary.record({ type: fc.constant(type), ...model }) as fc.Arbitrary<unknown> as fc.Arbitrary<T>;
const messages: fc.Arbitrary<BeaconMessage> = fc.oneof(
  tagged('discover', { node: arbitrary.u32 }),
  tagged('discover', { node: arbitrary.u32, proof }),
  tagged('discover', { node: arbitrary.u32, question }),
  tagged('discover', { node: arbitrary.u32, question, proof: named }),
  tagged('discoverReply', { endpoint }),
  tagged('discoverReply', { endpoint, challenge }),
  tagged('discoverReply', { endpoint, answer: arbitrary.record(answer) }),
  tagged('discoverReply', {
    endpoint,
    challenge,
    answer: arbitrary.record({ ...answer, mark: arbitrary.exactly(8) }),
  }),
  tagged('punchRequest', { requester: arbitrary.u32, target: arbitrary.u32 }),
  tagged('punchCommand', { endpoint }),
  tagged('punchCommand', { endpoint, asker: arbitrary.u32 }),
  tagged('relay', { sender: arbitrary.u32, destination: arbitrary.u32, frame }),
  tagged('relayDeliver', { sender: arbitrary.u32, frame }),
  tagged('sync', { beaconId: arbitrary.u32, nodes: fc.array(arbitrary.u32, { maxLength: 20 }) }),
);

function encode(message: BeaconMessage): Uint8Array {
  switch (message.type) {
    case 'discover':
      return encodeDiscover(message.node, message.proof, message.question);
    case 'discoverReply':
      return encodeDiscoverReply(message.endpoint, message.challenge, message.answer);
    case 'punchRequest':
      return encodePunchRequest(message.requester, message.target);
    case 'punchCommand':
      return encodePunchCommand(message.endpoint, message.asker);
    case 'relay':
      return encodeRelay(message.sender, message.destination, message.frame);
    case 'relayDeliver':
      return encodeRelayDeliver(message.sender, message.frame);
    case 'sync':
      return encodeSync(message.beaconId, message.nodes);
  }
}
