import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../base/bytes.ts';
import { arbitrary, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import { CMD, decodeError, encodeIpcFrame } from './ipc.ts';
import {
  decodeHandshakeCommand,
  decodeManagedCommand,
  decodeNetworkCommand,
  encodeHandshakeCommand,
  encodeManagedCommand,
  encodeNetworkCommand,
  type HandshakeCommand,
  type ManagedCommand,
  type NetworkCommand,
} from './ipc-commands.ts';

const vectors = loadVectors<{
  driver_frames: { name: string; hex: string }[];
  daemon_replies: { name: string; request_hex: string; reply_hex: string[] | null }[];
}>('ipc');

const handshakes: Readonly<Record<string, HandshakeCommand>> = {
  'handshake send': { sub: 'send', node: 2, justification: 'why' },
  'handshake approve': { sub: 'approve', node: 2 },
  'handshake reject': { sub: 'reject', node: 2, reason: 'no' },
  'handshake pending': { sub: 'pending' },
  'handshake trusted': { sub: 'trusted' },
  'handshake revoke': { sub: 'revoke', node: 2 },
};
const networks: Readonly<Record<string, NetworkCommand>> = {
  'network list': { sub: 'list' },
  'network join': { sub: 'join', network: 5, token: 'jt' },
  'network leave': { sub: 'leave', network: 5 },
  'network members': { sub: 'members', network: 5 },
  'network invite': { sub: 'invite', network: 5, target: 2 },
  'network poll invites': { sub: 'pollInvites' },
  'network respond invite': { sub: 'respondInvite', network: 5, accept: true },
};
const managed: Readonly<Record<string, ManagedCommand>> = {
  'managed score': { sub: 'score', network: 5, node: 2, delta: -3, topic: 'topic' },
  'managed status': { sub: 'status', network: 5 },
  'managed rankings': { sub: 'rankings', network: 5 },
  'managed cycle': { sub: 'cycle', network: 5 },
  'policy get': { sub: 'policyGet', network: 5 },
  'policy set': { sub: 'policySet', network: 5, policy: '{"version":1,"rules":[]}' },
  'member tags get': { sub: 'memberTagsGet', network: 5, node: 2 },
  'member tags set': { sub: 'memberTagsSet', network: 5, node: 2, tags: '["svc"]' },
};

describe('IPC sub-commands', () => {
  it('of every golden client frame are built and understood', () => {
    let checked = 0;
    for (const v of vectors.driver_frames) {
      const payload = hex(v.hex).subarray(5);
      if (handshakes[v.name] !== undefined) {
        assert.equal(
          toHex(encodeIpcFrame(CMD.handshake, encodeHandshakeCommand(handshakes[v.name]!))),
          v.hex,
        );
        assert.deepEqual(decodeHandshakeCommand(payload), handshakes[v.name]);
        checked++;
      } else if (networks[v.name] !== undefined) {
        assert.equal(toHex(encodeIpcFrame(CMD.network, encodeNetworkCommand(networks[v.name]!))), v.hex);
        assert.deepEqual(decodeNetworkCommand(payload), networks[v.name]);
        checked++;
      } else if (managed[v.name] !== undefined) {
        assert.equal(toHex(encodeIpcFrame(CMD.managed, encodeManagedCommand(managed[v.name]!))), v.hex);
        assert.deepEqual(decodeManagedCommand(payload), managed[v.name]);
        checked++;
      } else assert.ok(![CMD.handshake, CMD.network, CMD.managed].includes(hex(v.hex)[4] as never), v.name);
    }
    assert.equal(checked, 21);
  });

  it('that are malformed give the exact texts of the golden error replies', () => {
    const decoders: Record<number, (payload: Uint8Array) => unknown> = {
      [CMD.handshake]: decodeHandshakeCommand,
      [CMD.network]: decodeNetworkCommand,
      [CMD.managed]: decodeManagedCommand,
    };
    let texts = 0;
    for (const v of vectors.daemon_replies) {
      const request = hex(v.request_hex);
      const result = decoders[request[4] ?? 0]?.(request.subarray(5));
      if (typeof result !== 'string') continue;
      const reply = hex(v.reply_hex![0]!);
      assert.deepEqual(decodeError(reply.subarray(5)), { code: 1, text: result }, v.name);
      texts++;
    }
    assert.ok(texts >= 10);
  });

  it('survive encoding and decoding', () => {
    const network = arbitrary.u16;
    const node = arbitrary.u32;
    const text = arbitrary.text;
    const sub = <T extends string>(name: T) => fc.constant(name);
    const handshake: fc.Arbitrary<HandshakeCommand> = fc.oneof(
      arbitrary.record({ sub: sub('send'), node, justification: text }),
      arbitrary.record({ sub: sub('reject'), node, reason: text }),
      arbitrary.record({ sub: fc.constantFrom('approve' as const, 'revoke' as const), node }),
      arbitrary.record({ sub: fc.constantFrom('pending' as const, 'trusted' as const) }),
      arbitrary.record({ sub: sub('wait'), node, timeout: arbitrary.u32 }),
    );
    const networkCommand: fc.Arbitrary<NetworkCommand> = fc.oneof(
      arbitrary.record({ sub: sub('join'), network, token: text }),
      arbitrary.record({ sub: sub('invite'), network, target: node }),
      arbitrary.record({ sub: sub('respondInvite'), network, accept: fc.boolean() }),
    );
    const managedCommand: fc.Arbitrary<ManagedCommand> = fc.oneof(
      arbitrary.record({
        sub: sub('score'),
        network,
        node,
        delta: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        topic: text,
      }),
      arbitrary.record({ sub: sub('policySet'), network, policy: text.filter((value) => value !== '') }),
      arbitrary.record({
        sub: sub('memberTagsSet'),
        network,
        node,
        tags: text.filter((value) => value !== ''),
      }),
    );
    fc.assert(
      fc.property(handshake, networkCommand, managedCommand, (h, n, m) => {
        assert.deepEqual(decodeHandshakeCommand(encodeHandshakeCommand(h)), h);
        assert.deepEqual(decodeNetworkCommand(encodeNetworkCommand(n)), n);
        assert.deepEqual(decodeManagedCommand(encodeManagedCommand(m)), m);
      }),
    );
  });

  it('never throw on hostile bytes', () => {
    neverThrows(
      (bytes) => [decodeHandshakeCommand(bytes), decodeNetworkCommand(bytes), decodeManagedCommand(bytes)],
      vectors.driver_frames.map((v) => hex(v.hex).subarray(5)),
    );
  });
});
