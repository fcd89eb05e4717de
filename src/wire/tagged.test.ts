import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex, utf8 } from '../base/bytes.ts';
import { arbitrary, everyTruncationFails, hex, neverThrows } from './codec.testkit.ts';
import { DATA_TYPE } from './data-exchange.ts';
import { decodeTagged, decodeTrace, encodeTagged, encodeTrace, isMessageId } from './tagged.ts';

const inner = arbitrary.record({
  type: arbitrary.u32.filter((type) => type !== DATA_TYPE.tagged),
  payload: arbitrary.bytes(40),
});
const id = fc.stringMatching(/^[A-Za-z0-9\-_.:]{1,128}$/);
/** A payload with this header and a TEXT frame inside. */
const withHeader = (header: string) =>
  concat(Uint8Array.of(header.length >> 8, header.length), utf8(header), hex('0000000168'));

describe('TAGGED frames', () => {
  it('have the layout of spec/23 §3', () => {
    const tags = { messageId: 'a1', replyTo: 'b2' };
    const frame = { type: DATA_TYPE.text, payload: utf8('hi') };
    const header = toHex(utf8('{"message_id":"a1","reply_to":"b2"}'));
    assert.equal(toHex(encodeTagged(tags, frame)), `0023${header}000000016869`);
    assert.deepEqual(decodeTagged(encodeTagged(tags, frame)), { tags, inner: frame });
  });

  it('survive encoding and decoding', () => {
    fc.assert(
      fc.property(id, id, fc.nat(2), inner, (messageId, replyTo, which, frame) => {
        const tags = which === 0 ? { messageId } : which === 1 ? { replyTo } : { messageId, replyTo };
        assert.deepEqual(decodeTagged(encodeTagged(tags, frame)), { tags, inner: frame });
      }),
    );
  });

  it('carry members of ours, and drop values of them that mean nothing here', () => {
    const frame = { type: DATA_TYPE.text, payload: utf8('h') };
    const tags = { messageId: 'a', replyTo: 'b', reply: 'stream', error: 'rate_limited' } as const;
    assert.deepEqual(decodeTagged(encodeTagged(tags, frame)), { tags, inner: frame });
    assert.deepEqual(decodeTagged(withHeader('{"error":"Not A Code","message_id":"x","reply":"mail"}')), {
      tags: { messageId: 'x' },
      inner: frame,
    });
    assert.deepEqual(decodeTagged(withHeader('{"error":7,"reply":{},"reply_to":"x"}')), {
      tags: { replyTo: 'x' },
      inner: frame,
    });
    assert.throws(() => encodeTagged({ messageId: 'a', error: 'A b' }, frame), RangeError);
  });

  it('are refused with the reason', () => {
    assert.equal(decodeTagged(concat(Uint8Array.of(0, 0), new Uint8Array(9))), 'bad_header_length');
    assert.equal(decodeTagged(concat(Uint8Array.of(4, 1), new Uint8Array(2000))), 'bad_header_length');
    assert.equal(decodeTagged(withHeader('[]')), 'bad_header');
    assert.equal(decodeTagged(withHeader('{"a"')), 'bad_header');
    assert.equal(decodeTagged(withHeader('{"message_id":""}')), 'bad_id');
    assert.equal(decodeTagged(withHeader('{"reply_to":"a b"}')), 'bad_id');
    assert.equal(decodeTagged(withHeader('{"reply_to":7}')), 'bad_id');
    assert.deepEqual(decodeTagged(withHeader('{"other":1,"message_id":"x"}')), {
      tags: { messageId: 'x' },
      inner: { type: 1, payload: utf8('h') },
    });
    const nested = encodeTagged({ messageId: 'x' }, { type: 1, payload: new Uint8Array(0) });
    nested[nested.length - 1] = DATA_TYPE.tagged;
    assert.equal(decodeTagged(nested), 'nested');
    assert.ok(isMessageId('a'.repeat(128)) && !isMessageId('a'.repeat(129)) && !isMessageId('a\n'));
  });

  it('are refused at every truncation, and hostile bytes never throw', () => {
    const encoded = encodeTagged({ messageId: 'a' }, { type: 1, payload: new Uint8Array(0) });
    everyTruncationFails(encoded, decodeTagged);
    neverThrows(decodeTagged, [encoded, withHeader('{"other":1,"message_id":"x"}')]);
  });

  it('that receivers refuse are a caller mistake', () => {
    const frame = { type: 1, payload: new Uint8Array(0) };
    assert.throws(() => encodeTagged({ messageId: 'a b' }, frame), RangeError);
    assert.throws(() => encodeTagged({ messageId: 'a' }, { ...frame, type: DATA_TYPE.tagged }), TypeError);
  });
});

describe('TRACE frames', () => {
  it('survive encoding and decoding, and are refused at every truncation of the head', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), inner, (sentAt, frame) => {
        assert.deepEqual(decodeTrace(encodeTrace({ sentAt, inner: frame })), { sentAt, inner: frame });
      }),
    );
    const sample = encodeTrace({ sentAt: 1n, inner: { type: 1, payload: new Uint8Array(0) } });
    assert.equal(toHex(sample), '000000010000000000000001');
    everyTruncationFails(sample, decodeTrace);
    neverThrows(decodeTrace, [sample]);
  });
});
