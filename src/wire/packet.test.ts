import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toHex, writeU32 } from '../base/bytes.ts';
import { parseAddress } from './address.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import { crc32 } from './crc32.ts';
import { decodePacket, encodePacket, encodePacketInto, HEADER_LENGTH, type Packet } from './packet.ts';

interface Vector {
  readonly kind: 'encode' | 'encode_error' | 'decode' | 'crc32_ieee';
  readonly name: string;
  readonly hex: string | null;
  readonly header_hex?: string;
  readonly payload_hex: string | null;
  readonly payload_rule?: string;
  readonly version: number;
  readonly checksum_hex: string;
  readonly src: string;
  readonly dst: string;
  readonly src_port: number;
  readonly dst_port: number;
  readonly protocol: number;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly ok?: boolean;
  readonly error?: string;
}

const vectors = loadVectors<Vector[]>('packets');

describe('packets', () => {
  it('are encoded byte for byte as in every golden vector, and decode back', () => {
    const encodes = vectors.filter((v) => v.kind === 'encode');
    assert.ok(encodes.length > 100);
    for (const v of encodes) {
      if (v.version !== 1) {
        assert.equal(decodePacket(hex(v.hex!)), 'unsupported_version', v.name);
        continue;
      }
      const packet = packetOf(v);
      const bytes = encodePacket(packet);
      if (typeof v.hex === 'string') assert.equal(toHex(bytes), v.hex, v.name);
      if (v.header_hex !== undefined)
        assert.equal(toHex(bytes.subarray(0, HEADER_LENGTH)), v.header_hex, v.name);
      assert.equal(toHex(bytes.subarray(30, 34)), v.checksum_hex, v.name);
      assert.deepEqual(decodePacket(bytes), { ...packet, flags: packet.flags & 0x0f }, v.name);
    }
  });

  it('decode or are refused as in every golden vector', () => {
    const reasons: [RegExp, string][] = [
      [/too short/, 'too_short'],
      [/truncated/, 'truncated'],
      [/checksum/, 'bad_checksum'],
      [/version/, 'unsupported_version'],
    ];
    for (const v of vectors.filter((v) => v.kind === 'decode')) {
      const decoded = decodePacket(hex(v.hex!));
      if (v.ok) {
        assert.ok(typeof decoded !== 'string', v.name);
        assert.equal(decoded.flags, v.flags);
        assert.equal(decoded.protocol, v.protocol);
        assert.equal(toHex(decoded.payload), v.payload_hex);
      } else assert.equal(decoded, reasons.find(([text]) => text.test(v.error!))![1], v.name);
    }
  });

  it('with more than 65,535 payload bytes are a caller mistake', () => {
    assert.throws(() => encodePacket({ ...sample(), payload: new Uint8Array(65_536) }), RangeError);
    assert.equal(encodePacket({ ...sample(), payload: new Uint8Array(65_535) }).length, 65_569);
  });

  it('survive encoding and decoding at any place of a larger buffer', () => {
    fc.assert(
      fc.property(packets, fc.nat(20), fc.nat(20), (packet, before, after) => {
        const length = HEADER_LENGTH + packet.payload.length;
        const buffer = new Uint8Array(before + length + after).fill(0xaa);
        assert.equal(encodePacketInto(packet, buffer, before), length);
        const copy = buffer.slice();
        assert.deepEqual(decodePacket(buffer, before), packet);
        assert.deepEqual(buffer, copy, 'decoding leaves the input unmodified');
      }),
    );
  });

  it('are refused when any single bit is flipped', () => {
    fc.assert(
      fc.property(packets, fc.nat(), (packet, where) => {
        const bytes = encodePacket(packet);
        const bit = where % (bytes.length * 8);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(typeof decodePacket(bytes), 'string');
      }),
    );
  });

  it('are refused at every truncation', () => {
    everyTruncationFails(encodePacket(sample()), decodePacket);
  });

  it('never throw on hostile bytes, also when the checksum is right', () => {
    const samples = [encodePacket(sample()), encodePacket({ ...sample(), payload: new Uint8Array(0) })];
    neverThrows(decodePacket, samples);
    neverThrows((bytes) => {
      if (bytes.length < HEADER_LENGTH) return;
      bytes.fill(0, 2, 4);
      bytes.fill(0, 30, 34);
      writeU32(bytes, 30, crc32(bytes, 0, HEADER_LENGTH));
      decodePacket(bytes);
    }, samples);
  });
});

const packets: fc.Arbitrary<Packet> = arbitrary.record({
  protocol: arbitrary.u8,
  flags: fc.integer({ min: 0, max: 15 }),
  source: arbitrary.address,
  destination: arbitrary.address,
  sourcePort: arbitrary.u16,
  destinationPort: arbitrary.u16,
  seq: arbitrary.u32,
  ack: arbitrary.u32,
  window: arbitrary.u16,
  payload: arbitrary.bytes(300),
});

function sample(): Packet {
  return packetOf(
    vectors.find((v) => v.kind === 'encode' && typeof v.payload_hex === 'string' && v.payload_hex !== '')!,
  );
}

function packetOf(v: Vector): Packet {
  const address = (text: string) => {
    const parsed = parseAddress(text);
    assert.ok(typeof parsed !== 'string');
    return parsed;
  };
  const length = Number(/length (\d+)/.exec(v.payload_rule ?? '')?.[1] ?? 0);
  return {
    protocol: v.protocol,
    flags: v.flags,
    source: address(v.src),
    destination: address(v.dst),
    sourcePort: v.src_port,
    destinationPort: v.dst_port,
    seq: v.seq,
    ack: v.ack,
    window: v.window,
    payload:
      typeof v.payload_hex === 'string' ? hex(v.payload_hex) : Uint8Array.from({ length }, (_, i) => i % 256),
  };
}
