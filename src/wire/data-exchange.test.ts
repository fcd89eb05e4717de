import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex, utf8, writeU32 } from '../base/bytes.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows, pieces } from './codec.testkit.ts';
import {
  ackText,
  DATA_FRAME_LIMIT,
  DATA_TYPE,
  type DataFrame,
  DataFrameReader,
  dataTypeName,
  decodeFilePayload,
  encodeDataFrame,
  encodeFilePayload,
  errText,
  fileNameError,
  isUnknownTypeAnswer,
  parseAnswer,
} from './data-exchange.ts';

interface Vector {
  readonly kind: 'encode' | 'decode';
  readonly name?: string;
  readonly ok?: boolean;
  readonly hex: string;
  readonly type: number;
  readonly type_name: string;
  readonly filename?: string;
  readonly payload_hex: string;
}
const vectors = loadVectors<Vector[]>('dataexchange');

describe('data exchange frames', () => {
  it('are encoded byte for byte as in every golden vector, and named', () => {
    for (const v of vectors.filter((v) => v.kind === 'encode')) {
      const data = hex(v.payload_hex);
      const payload = v.type === DATA_TYPE.file ? encodeFilePayload(v.filename!, data) : data;
      assert.equal(toHex(encodeDataFrame(v.type, payload)), v.hex);
      assert.equal(dataTypeName(v.type), v.type_name);
      assert.deepEqual(readAll([hex(v.hex)]).frames, [{ type: v.type, payload }]);
    }
  });

  it('are read or refused as in every golden vector, with the reason', () => {
    const reasons: Record<string, string> = {
      'too large 16MiB+1': 'too_large',
      truncated: 'incomplete',
      empty: 'nothing',
      'file traversal ..': 'name_traversal',
      'file slash': 'name_traversal',
      'file backslash': 'name_traversal',
      'file a..b rejected': 'name_traversal',
      'file name 256': 'name_too_long',
    };
    for (const v of vectors.filter((v) => v.kind === 'decode')) {
      const { frames, reader } = readAll([hex(v.hex)]);
      const frame = frames[0];
      if (v.ok === false) {
        const file = frame && decodeFilePayload(frame.payload);
        const waiting = reader.incomplete ? 'incomplete' : 'nothing';
        assert.equal(
          reader.error?.reason ?? (typeof file === 'string' ? file : waiting),
          reasons[v.name!],
          v.name,
        );
      } else {
        assert.ok(frame !== undefined, v.name);
        assert.equal(frame.type, v.type);
        const file =
          v.type === DATA_TYPE.file ? decodeFilePayload(frame.payload) : { name: '', data: frame.payload };
        assert.deepEqual(file, { name: v.filename ?? '', data: hex(v.payload_hex) }, v.name);
      }
    }
  });

  it('are read the same however the stream is cut', () => {
    const frame = arbitrary.record({ type: arbitrary.u32, payload: arbitrary.bytes(40) });
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), sizes, (frames, cuts) => {
        const stream = concat(...frames.map(({ type, payload }) => encodeDataFrame(type, payload)));
        const read = readAll(pieces(stream, cuts));
        assert.deepEqual(read.frames, frames);
        assert.equal(read.reader.incomplete, false);
      }),
    );
  });

  it('cut at any point yield nothing', () => {
    const encoded = encodeDataFrame(DATA_TYPE.file, encodeFilePayload('a.txt', utf8('data')));
    everyTruncationFails(
      encoded,
      (bytes) => readAll([bytes]).frames[0],
      (result) => result === undefined,
    );
  });

  it('too large are refused from the header, naming what was refused, and nothing more is kept', () => {
    const header = new Uint8Array(8);
    writeU32(header, 0, DATA_TYPE.binary);
    writeU32(header, 4, DATA_FRAME_LIMIT + 1);
    const { reader } = readAll([header]);
    assert.deepEqual(reader.error, {
      reason: 'too_large',
      type: DATA_TYPE.binary,
      length: DATA_FRAME_LIMIT + 1,
    });
    reader.push(encodeDataFrame(1, utf8('x')));
    assert.equal(reader.next(), undefined);
    assert.equal(reader.incomplete, false);
    assert.throws(() => encodeDataFrame(1, new Uint8Array(DATA_FRAME_LIMIT + 1)), RangeError);
  });

  it('never throw on hostile bytes', () => {
    const samples = vectors.map((v) => hex(v.hex));
    neverThrows((bytes) => readAll(pieces(bytes, [5, 1, 60])), samples);
    neverThrows(
      decodeFilePayload,
      samples.map((bytes) => bytes.subarray(8)),
    );
  });
});

describe('file names', () => {
  it('survive encoding and decoding when they are allowed, and are a caller mistake otherwise', () => {
    const part = fc.constantFrom(
      'a',
      '.',
      '..',
      '/',
      '\\',
      'é',
      '\0',
      '\n',
      '\ud800',
      'n'.repeat(130),
      ' ',
      '😀',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), arbitrary.bytes(20), (parts, data) => {
        const name = parts.join('');
        if (fileNameError(name) === undefined) {
          assert.deepEqual(decodeFilePayload(encodeFilePayload(name, data)), { name, data });
        } else assert.throws(() => encodeFilePayload(name, data), RangeError);
      }),
      { numRuns: 2000 },
    );
  });

  it('that could leave the directory or break a listing are refused', () => {
    for (const name of ['..', '.', '../x', 'a/b', 'a\\b', 'x..y', '/'])
      assert.equal(fileNameError(name), 'name_traversal');
    for (const name of ['a\0', 'a\nb', '\x7f']) assert.equal(fileNameError(name), 'name_control_character');
    assert.equal(fileNameError('\ud800'), 'name_not_utf8');
    assert.equal(fileNameError('n'.repeat(256)), 'name_too_long');
    assert.equal(fileNameError('é'.repeat(128)), 'name_too_long', 'the limit counts bytes');
    for (const name of ['a', '.bashrc', 'ünï.bin', 'a b', 'n'.repeat(255), ''])
      assert.equal(fileNameError(name), undefined);
    assert.equal(decodeFilePayload(concat(Uint8Array.of(0, 1, 0xff), utf8('d'))), 'name_not_utf8');
  });
});

describe('answers', () => {
  it('have the exact texts that senders match on', () => {
    assert.equal(ackText(DATA_TYPE.text, 5), 'ACK TEXT 5 bytes');
    assert.equal(ackText(DATA_TYPE.file, 4), 'ACK FILE 4 bytes');
    assert.equal(ackText(9, 3), 'ACK UNKNOWN(9) 3 bytes');
    assert.equal(ackText(DATA_TYPE.json, 3, { duplicate: true }), 'ACK JSON 3 bytes (duplicate)');
    assert.equal(errText(DATA_TYPE.file, 'disk full'), 'ERR FILE save failed: disk full');
  });

  it('are understood again', () => {
    fc.assert(
      fc.property(arbitrary.u32, fc.nat(), fc.boolean(), arbitrary.text, (type, bytes, duplicate, reason) => {
        const typeName = dataTypeName(type);
        assert.deepEqual(parseAnswer(ackText(type, bytes, { duplicate })), {
          kind: 'ack',
          typeName,
          bytes,
          duplicate,
        });
        assert.deepEqual(parseAnswer(errText(type, reason)), { kind: 'err', typeName, reason });
      }),
    );
    assert.equal(parseAnswer('hello'), undefined);
    assert.equal(parseAnswer('ACK TEXT many bytes'), undefined);
    assert.deepEqual(parseAnswer('ERR FILE no'), { kind: 'err', typeName: 'FILE', reason: 'no' });
  });

  it('reveal an old receiver by the type it does not know', () => {
    assert.ok(isUnknownTypeAnswer('ACK UNKNOWN(7) 60 bytes', DATA_TYPE.fileStream));
    assert.ok(
      isUnknownTypeAnswer('ERR UNKNOWN(7) save failed: unsupported frame type 7', DATA_TYPE.fileStream),
    );
    assert.ok(!isUnknownTypeAnswer('ACK UNKNOWN(10) 60 bytes', DATA_TYPE.fileStream));
    assert.ok(!isUnknownTypeAnswer('ACK TEXT 1 bytes', DATA_TYPE.fileStream));
  });
});

function readAll(chunks: readonly Uint8Array[]) {
  const reader = new DataFrameReader();
  const frames: DataFrame[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return { frames, reader };
}
