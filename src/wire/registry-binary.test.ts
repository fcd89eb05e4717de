import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows, pieces } from './codec.testkit.ts';
import {
  BINARY,
  BINARY_PREAMBLE,
  BinaryFrameReader,
  type BinaryLookupOk,
  decodeBinaryAlive,
  decodeBinaryAliveOk,
  decodeBinaryError,
  decodeBinaryHeartbeat,
  decodeBinaryHeartbeatOk,
  decodeBinaryLookup,
  decodeBinaryLookupOk,
  decodeBinaryResolve,
  decodeBinaryResolveOk,
  detectProtocol,
  encodeBinaryAlive,
  encodeBinaryAliveOk,
  encodeBinaryError,
  encodeBinaryFrame,
  encodeBinaryHeartbeat,
  encodeBinaryHeartbeatOk,
  encodeBinaryLookup,
  encodeBinaryLookupOk,
  encodeBinaryResolve,
  encodeBinaryResolveOk,
} from './registry-binary.ts';

interface Golden {
  readonly name: string;
  readonly hex: string;
  readonly type: string;
  readonly payload_hex: string;
  readonly input: Record<string, unknown> & { signed_string: string };
}
const vectors = loadVectors<{
  ed25519_seed_hex: string;
  frames: Golden[];
  live: { name: string; sent_hex: string; received_hex: string; connection?: string }[];
}>('registry-binary');
const golden = (name: string) => vectors.frames.find((v) => v.name === name)!;
const key = nodeCrypto().signingKey(hex(vectors.ed25519_seed_hex));
const signed = (v: Golden) => Uint8Array.from(key.sign(utf8(v.input.signed_string)));

/** Decodes a payload by its frame type. */
const decoders: Readonly<Record<number, (payload: Uint8Array) => unknown>> = {
  [BINARY.heartbeat]: decodeBinaryHeartbeat,
  [BINARY.heartbeatOk]: decodeBinaryHeartbeatOk,
  [BINARY.lookup]: decodeBinaryLookup,
  [BINARY.lookupOk]: decodeBinaryLookupOk,
  [BINARY.resolve]: decodeBinaryResolve,
  [BINARY.resolveOk]: decodeBinaryResolveOk,
  [BINARY.alive]: decodeBinaryAlive,
  [BINARY.aliveOk]: decodeBinaryAliveOk,
  [BINARY.error]: decodeBinaryError,
};

describe('the registry’s binary frames', () => {
  it('are framed and cut as in every golden vector', () => {
    for (const v of vectors.frames.slice(1)) {
      const type = Number(v.type);
      assert.equal(toHex(encodeBinaryFrame(type, hex(v.payload_hex))), v.hex, v.name);
      assert.deepEqual(readAll([hex(v.hex)]).frames, [{ type, payload: hex(v.payload_hex) }], v.name);
    }
  });

  it('of requests are produced and understood as in the golden vectors', () => {
    const heartbeat = golden('heartbeat request');
    const proof = { node: 1, signature: signed(heartbeat) };
    assert.equal(toHex(encodeBinaryHeartbeat(proof)), heartbeat.payload_hex);
    assert.deepEqual(decodeBinaryHeartbeat(concat(hex(heartbeat.payload_hex), Uint8Array.of(9))), proof);
    const lookup = golden('lookup request');
    assert.equal(toHex(encodeBinaryLookup(0xf2910004)), lookup.payload_hex);
    assert.deepEqual(decodeBinaryLookup(hex(lookup.payload_hex)), { node: 0xf2910004 });
    const resolve = golden('resolve request');
    const question = { target: 2, requester: 1, signature: signed(resolve) };
    assert.equal(toHex(encodeBinaryResolve(question)), resolve.payload_hex);
    assert.deepEqual(decodeBinaryResolve(hex(resolve.payload_hex)), question);
  });

  it('of our own are what docs/compatibility.md says', () => {
    assert.equal(toHex(encodeBinaryFrame(BINARY.alive, encodeBinaryAlive(0xf2910004))), '0000000510f2910004');
    assert.deepEqual(decodeBinaryAlive(hex('f2910004')), { node: 0xf2910004 });
    const ok = { keyExpiryWarning: true, next: 240 };
    assert.equal(toHex(encodeBinaryFrame(BINARY.aliveOk, encodeBinaryAliveOk(ok))), '00000004900100f0');
    assert.deepEqual(decodeBinaryAliveOk(hex('0100f0')), ok);
    assert.equal(decodeBinaryAlive(hex('f29100')), 'too_short');
    assert.equal(decodeBinaryAliveOk(hex('0100')), 'too_short');
  });

  it('of replies are produced and understood as in the golden vectors', () => {
    const same = <T>(
      name: string,
      value: T,
      encode: (v: T) => Uint8Array,
      decode: (b: Uint8Array) => unknown,
    ) => {
      assert.equal(toHex(encode(value)), golden(name).payload_hex, name);
      assert.deepEqual(decode(hex(golden(name).payload_hex)), value, name);
    };
    for (const [name, keyExpiryWarning] of [
      ['heartbeat ok', false],
      ['heartbeat ok, key expiry warning', true],
    ] as const) {
      same(name, { time: 1_775_000_000, keyExpiryWarning }, encodeBinaryHeartbeatOk, decodeBinaryHeartbeatOk);
    }
    const publicKey = Uint8Array.from(key.publicKey);
    const full: BinaryLookupOk = {
      node: 2,
      public: true,
      taskExec: true,
      poloScore: -3,
      networks: [0, 1, 300],
      publicKey,
      hostname: 'alpha',
      tags: ['web', 'gpu'],
      realAddr: '203.0.113.9:4000',
      externalId: 'oidc|42',
    };
    same('lookup ok full', full, encodeBinaryLookupOk, decodeBinaryLookupOk);
    const bare: BinaryLookupOk = {
      node: 3,
      public: false,
      taskExec: false,
      poloScore: 0,
      networks: [0],
      publicKey,
      hostname: '',
      tags: [],
      realAddr: '',
      externalId: '',
    };
    same('lookup ok private, bare', bare, encodeBinaryLookupOk, decodeBinaryLookupOk);
    const found = { node: 2, realAddr: '203.0.113.9:4000', lanAddrs: ['192.168.1.5:4000', '10.0.0.2:4000'] };
    same('resolve ok', { ...found, keyAgeDays: 12 }, encodeBinaryResolveOk, decodeBinaryResolveOk);
    const unknownAge = { ...found, lanAddrs: [], keyAgeDays: undefined };
    same('resolve ok, unknown key age', unknownAge, encodeBinaryResolveOk, decodeBinaryResolveOk);
    assert.equal(toHex(encodeBinaryError('node 9: not found')), golden('error').payload_hex);
    assert.deepEqual(decodeBinaryError(hex(golden('error').payload_hex)), { message: 'node 9: not found' });
  });

  it('of a live server are read after its preamble is recognised', () => {
    const preamble = Uint8Array.from(BINARY_PREAMBLE);
    assert.equal(toHex(preamble), golden('connection preamble: PILT + version 1').hex);
    assert.deepEqual(detectProtocol(preamble), { version: 1 });
    assert.deepEqual(detectProtocol(hex('50494c5402')), { version: 2 });
    assert.equal(detectProtocol(hex('000000bb7b')), 'json');
    for (let length = 0; length < 5; length++)
      assert.equal(detectProtocol(preamble.slice(0, length)), 'incomplete');
    for (const v of vectors.live.filter((v) => v.name.startsWith('binary') && v.received_hex !== '')) {
      const { frames, error } = readAll([hex(v.received_hex)]);
      assert.equal(error, undefined);
      assert.equal(frames.length, 1, v.name);
      const { type, payload } = frames[0]!;
      if (type !== BINARY.json) assert.ok(typeof decoders[type]!(payload) !== 'string', v.name);
      const sent = hex(v.sent_hex);
      const version = detectProtocol(sent);
      assert.ok(typeof version !== 'string');
      if (version.version === 1) assert.equal(readAll([sent.slice(5)]).frames.length, 1);
    }
  });

  it('of length 0 or above the limit end the stream', () => {
    const v = vectors.live.find((v) => v.name === 'binary length 0')!;
    assert.equal(readAll([hex(v.sent_hex).slice(5)]).error, 'empty');
    assert.equal(readAll([hex('0040000100')]).error, 'too_large');
    assert.throws(() => encodeBinaryFrame(0, new Uint8Array(4_194_304)), RangeError);
  });

  it('are read the same however the stream is cut', () => {
    const stream = concat(...vectors.frames.slice(1).map((v) => hex(v.hex)));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 8 }), (sizes) => {
        assert.deepEqual(readAll(pieces(stream, sizes)), readAll([stream]));
      }),
    );
  });

  it('survive encoding and decoding', () => {
    const short = fc.string({ unit: 'grapheme', maxLength: 20 });
    const lookupOk: fc.Arbitrary<BinaryLookupOk> = arbitrary.record({
      node: arbitrary.u32,
      public: fc.boolean(),
      taskExec: fc.boolean(),
      poloScore: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      networks: fc.array(arbitrary.u16, { maxLength: 5 }),
      publicKey: arbitrary.exactly(32),
      hostname: short,
      tags: fc.array(short, { maxLength: 4 }),
      realAddr: short,
      externalId: short,
    });
    const resolveOk = arbitrary.record({
      node: arbitrary.u32,
      realAddr: short,
      lanAddrs: fc.array(short, { maxLength: 5 }),
      keyAgeDays: fc.option(fc.integer({ min: 0, max: 0xffff_fffe }), { nil: undefined }),
    });
    fc.assert(
      fc.property(lookupOk, resolveOk, fc.maxSafeInteger(), short, (lookup, resolve, time, text) => {
        assert.deepEqual(decodeBinaryLookupOk(encodeBinaryLookupOk(lookup)), lookup);
        assert.deepEqual(decodeBinaryResolveOk(encodeBinaryResolveOk(resolve)), resolve);
        const heartbeat = { time, keyExpiryWarning: true };
        assert.deepEqual(decodeBinaryHeartbeatOk(encodeBinaryHeartbeatOk(heartbeat)), heartbeat);
        assert.deepEqual(decodeBinaryError(encodeBinaryError(text)), { message: text });
      }),
      { numRuns: 500 },
    );
  });

  it('are refused at every truncation', () => {
    for (const v of vectors.frames.slice(1)) {
      const decode = decoders[Number(v.type)];
      if (decode !== undefined) everyTruncationFails(hex(v.payload_hex), decode);
    }
  });

  it('never throw on hostile bytes', () => {
    for (const v of vectors.frames.slice(1)) {
      const decode = decoders[Number(v.type)];
      if (decode !== undefined) neverThrows(decode, [hex(v.payload_hex)]);
    }
    neverThrows(
      (bytes) => [readAll(pieces(bytes, [3, 50])), detectProtocol(bytes)],
      vectors.live.map((v) => hex(v.sent_hex)),
    );
  });

  it('whose texts do not fit are a caller mistake', () => {
    const ok = decodeBinaryLookupOk(hex(golden('lookup ok full').payload_hex)) as BinaryLookupOk;
    assert.throws(() => encodeBinaryLookupOk({ ...ok, hostname: 'a'.repeat(256) }), RangeError);
    assert.throws(() => encodeBinaryHeartbeat({ node: 1, signature: new Uint8Array(63) }), RangeError);
    assert.equal(encodeBinaryError('x'.repeat(70_000)).length, 65_002);
  });
});

function readAll(chunks: readonly Uint8Array[]) {
  const reader = new BinaryFrameReader();
  const frames: unknown[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return { frames: frames as { type: number; payload: Uint8Array }[], error: reader.error };
}
