import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, fromUtf8, toHex, utf8, writeU32 } from '../base/bytes.ts';
import { hex, loadVectors, neverThrows, pieces } from './codec.testkit.ts';
import { encodeJsonFrame, JsonFrameReader, REGISTRY_FRAME_LIMIT } from './registry-frame.ts';

const { messages } = loadVectors<{ messages: { name: string; hex: string; json: string }[] }>(
  'registry-client-frames',
);
const { live } = loadVectors<{ live: { name: string; sent_hex: string; connection?: string }[] }>(
  'registry-binary',
);

describe('registry frames', () => {
  it('are encoded byte for byte as old clients send every golden request, and read back', () => {
    for (const v of messages) {
      const value = JSON.parse(v.json);
      assert.equal(toHex(encodeJsonFrame(value)), v.hex, v.name);
      const { objects, error } = readAll([hex(v.hex)]);
      assert.deepEqual(objects, [value], v.name);
      assert.equal(error, undefined);
    }
  });

  it('that make a live server close the connection are refused with the reason', () => {
    const reasons: Record<string, string> = {
      'length 4 MiB + 1': 'too_large',
      'length 0': 'empty',
      'not JSON': 'invalid_json',
      'JSON array': 'not_object',
    };
    for (const [name, reason] of Object.entries(reasons)) {
      const v = live.find((v) => v.name === name)!;
      assert.equal(v.connection, 'closed by server');
      assert.deepEqual(readAll([hex(v.sent_hex)]), { objects: [], error: reason });
    }
    const nothing = live.find((v) => v.name === 'JSON null')!;
    assert.deepEqual(readAll([hex(nothing.sent_hex)]), { objects: [{}], error: undefined });
  });

  it('are read the same however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        (values, sizes) => {
          const plain = values.map((value) => JSON.parse(JSON.stringify(value)));
          const stream = concat(...plain.map(encodeJsonFrame));
          assert.deepEqual(readAll(pieces(stream, sizes)), { objects: plain, error: undefined });
        },
      ),
    );
  });

  it('cut at any point yield nothing, and the reader knows that it waits', () => {
    const frame = encodeJsonFrame({ type: 'lookup', node_id: 1 });
    for (let length = 0; length < frame.length; length++) {
      const reader = new JsonFrameReader();
      reader.push(frame.slice(0, length));
      assert.equal(reader.next(), undefined);
      assert.equal(reader.error, undefined);
      assert.equal(reader.incomplete, length > 0);
    }
  });

  it('above the limit are refused from the header alone, and nothing more is kept', () => {
    const reader = new JsonFrameReader(100);
    const header = new Uint8Array(4);
    writeU32(header, 0, 101);
    reader.push(header);
    assert.equal(reader.next(), undefined);
    assert.equal(reader.error, 'too_large');
    reader.push(encodeJsonFrame({}));
    assert.equal(reader.next(), undefined);
    assert.equal(reader.incomplete, false);
  });

  it('of exactly the limit are read', () => {
    const value = { x: 'a'.repeat(REGISTRY_FRAME_LIMIT - '{"x":""}'.length) };
    assert.deepEqual(readAll([encodeJsonFrame(value)]).objects, [value]);
    assert.throws(() => encodeJsonFrame({ x: `${value.x}a` }), RangeError);
  });

  it('escape what old servers escape', () => {
    assert.equal(
      fromUtf8(encodeJsonFrame({ b: '<&>', a: 1 }).subarray(4)),
      '{"a":1,"b":"\\u003c\\u0026\\u003e"}',
    );
  });

  it('never throw on hostile bytes', () => {
    neverThrows(
      (bytes) => readAll(pieces(bytes, [7, 1, 30])),
      messages.slice(0, 20).map((v) => hex(v.hex)),
    );
    neverThrows(
      (bytes) => {
        const framed = new Uint8Array(4 + bytes.length);
        writeU32(framed, 0, bytes.length);
        framed.set(bytes, 4);
        readAll([framed]);
      },
      [utf8('{"type":"x","list":[1,{"a":null}]}')],
    );
  });
});

function readAll(chunks: readonly Uint8Array[]) {
  const reader = new JsonFrameReader();
  const objects: object[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let value = reader.next(); value !== undefined; value = reader.next()) objects.push(value);
  }
  return { objects, error: reader.error };
}
