import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex, utf8 } from '../base/bytes.ts';
import { arbitrary, everyTruncationFails, hex, neverThrows } from './codec.testkit.ts';
import { decodeFileStream, encodeFileStream, FILE_CHUNK, type FileStreamMessage } from './file-stream.ts';

const transfer = hex('000102030405060708090a0b0c0d0e0f');
const init: FileStreamMessage = {
  kind: 'init',
  transfer,
  size: 0x1_0000_0002,
  sha256: new Uint8Array(32).fill(0xaa),
  chunkSize: FILE_CHUNK,
  name: 'a.txt',
};

describe('FILESTREAM messages', () => {
  it('have the layout of spec/23 §3', () => {
    const head = toHex(transfer);
    const layouts: [FileStreamMessage, string][] = [
      [init, `01${head}0000000100000002${'aa'.repeat(32)}0000c0000005612e747874`],
      [{ kind: 'chunk', transfer, offset: 3, data: hex('beef') }, `02${head}0000000000000003beef`],
      [{ kind: 'ack', transfer, offset: 5 }, `03${head}0000000000000005`],
      [{ kind: 'done', transfer }, `04${head}`],
      [{ kind: 'initAck', transfer, offset: 7 }, `05${head}0000000000000007`],
      [{ kind: 'complete', transfer, status: 1, message: 'no' }, `06${head}016e6f`],
      [{ kind: 'abort', transfer, reason: 'no' }, `07${head}6e6f`],
    ];
    for (const [message, text] of layouts) {
      assert.equal(toHex(encodeFileStream(message)), text);
      assert.deepEqual(decodeFileStream(hex(text)), message);
    }
  });

  it('survive encoding and decoding', () => {
    const id = arbitrary.exactly(16);
    const offset = fc.maxSafeInteger().map(Math.abs);
    const kind = <T extends string>(name: T) => fc.constant(name);
    const message: fc.Arbitrary<FileStreamMessage> = fc.oneof(
      arbitrary.record({
        kind: kind('init'),
        transfer: id,
        size: offset,
        sha256: arbitrary.exactly(32),
        chunkSize: arbitrary.u32,
        name: fc.constantFrom('a', '.profile', 'ünï 😀.bin', 'n'.repeat(255)),
      }),
      arbitrary.record({ kind: fc.constantFrom('initAck' as const, 'ack' as const), transfer: id, offset }),
      arbitrary.record({ kind: kind('chunk'), transfer: id, offset, data: arbitrary.bytes(60) }),
      arbitrary.record({ kind: kind('done'), transfer: id }),
      arbitrary.record({
        kind: kind('complete'),
        transfer: id,
        status: arbitrary.u8,
        message: arbitrary.text,
      }),
      arbitrary.record({ kind: kind('abort'), transfer: id, reason: arbitrary.text }),
    );
    fc.assert(
      fc.property(message, (value) => {
        assert.deepEqual(decodeFileStream(encodeFileStream(value)), value);
      }),
      { numRuns: 1000 },
    );
  });

  it('are refused with the reason', () => {
    const encoded = encodeFileStream(init);
    assert.equal(decodeFileStream(concat(encoded, utf8('x'))), 'bad_length');
    assert.equal(decodeFileStream(hex(`08${toHex(transfer)}`)), 'unknown_kind');
    assert.equal(decodeFileStream(hex(`03${toHex(transfer)}ffffffffffffffff`)), 'size_too_large');
    const named = (name: string) => {
      const bytes = encodeFileStream({ ...init, name: 'n'.repeat(utf8(name).length) });
      bytes.set(utf8(name), bytes.length - utf8(name).length);
      return decodeFileStream(bytes);
    };
    assert.equal(named('../x'), 'name_traversal');
    assert.equal(named('a\nb'), 'name_control_character');
    const invalid = encodeFileStream(init);
    invalid[invalid.length - 1] = 0xff;
    assert.equal(decodeFileStream(invalid), 'name_not_utf8');
  });

  it('are refused at every truncation that cuts a fixed field', () => {
    everyTruncationFails(encodeFileStream(init), decodeFileStream);
    everyTruncationFails(encodeFileStream({ kind: 'ack', transfer, offset: 1 }), decodeFileStream);
    everyTruncationFails(encodeFileStream({ kind: 'done', transfer }), decodeFileStream);
    everyTruncationFails(
      encodeFileStream({ kind: 'complete', transfer, status: 0, message: '' }),
      decodeFileStream,
    );
    const data = new Uint8Array(0);
    everyTruncationFails(encodeFileStream({ kind: 'chunk', transfer, offset: 1, data }), decodeFileStream);
  });

  it('never throw on hostile bytes', () => {
    neverThrows(decodeFileStream, [
      encodeFileStream(init),
      encodeFileStream({ kind: 'ack', transfer, offset: 9 }),
    ]);
  });

  it('that could not be understood are a caller mistake', () => {
    assert.throws(() => encodeFileStream({ ...init, transfer: new Uint8Array(15) }), RangeError);
    assert.throws(() => encodeFileStream({ ...init, name: 'a/b' }), RangeError);
    assert.throws(() => encodeFileStream({ kind: 'ack', transfer, offset: -1 }), RangeError);
  });
});
