import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { neverThrows } from './codec.testkit.ts';
import { encodeHttpRequest, readHttpResponse } from './http-response.ts';

const LIMIT = 1_000;

function read(text: string, ended = false) {
  const response = readHttpResponse(utf8(text), ended, LIMIT);
  return typeof response === 'string' ? response : { status: response.status, body: fromUtf8(response.body) };
}

describe('an HTTP response', () => {
  it('ends where its length says', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more';
    assert.deepEqual(read(text), { status: 200, body: 'hello' });
    assert.equal(read(text.slice(0, text.indexOf('lo '))), 'incomplete');
    assert.equal(read(text.slice(0, text.indexOf('lo ')), true), 'malformed');
  });

  it('may come in chunks', () => {
    const text =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n';
    assert.deepEqual(read(text), { status: 200, body: 'hello world' });
    assert.equal(read(text.slice(0, -6)), 'incomplete');
    assert.equal(read(text.replace('5\r\n', 'five\r\n')), 'malformed');
  });

  it('without a length lasts until the connection ends', () => {
    const text = 'HTTP/1.0 500 Internal Server Error\r\nServer: x\r\n\r\n<fault/>';
    assert.equal(read(text), 'incomplete');
    assert.deepEqual(read(text, true), { status: 500, body: '<fault/>' });
  });

  it('is refused when it is too long, however it says how long it is', () => {
    assert.equal(read('HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n'), 'too_large');
    assert.equal(read(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(1001)}`), 'too_large');
    const chunks = `1f4\r\n${'x'.repeat(500)}\r\n`.repeat(3);
    assert.equal(read(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`), 'too_large');
    assert.equal(read(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`), 'too_large');
  });

  it('is the same however it was cut on its way', () => {
    const whole = utf8('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
    const end = fromUtf8(whole).lastIndexOf('0\r\n') + 3;
    for (let length = 0; length < end; length++)
      assert.equal(readHttpResponse(whole.subarray(0, length), false, LIMIT), 'incomplete', `${length}`);
  });

  it('never throws', () => {
    const sample = utf8('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
    neverThrows((bytes) => readHttpResponse(bytes, true, LIMIT), [sample]);
    fc.assert(fc.property(fc.string(), (text) => void readHttpResponse(utf8(text), true, LIMIT)));
  });
});

describe('an HTTP request', () => {
  it('names host, length and what the caller adds', () => {
    const request = fromUtf8(
      encodeHttpRequest({
        method: 'POST',
        host: '192.168.1.1:5000',
        target: '/ctl',
        headers: { soapaction: '"x#y"' },
        body: 'ä',
      }),
    );
    const [head, body] = request.split('\r\n\r\n');
    assert.equal(body, 'ä');
    assert.deepEqual(head!.split('\r\n'), [
      'POST /ctl HTTP/1.1',
      'host: 192.168.1.1:5000',
      'connection: close',
      'soapaction: "x#y"',
      'content-length: 2',
    ]);
  });

  it('cannot be made to carry another one', () => {
    const bad = { method: 'GET', host: 'h', target: '/ HTTP/1.1\r\nX: y' } as const;
    assert.throws(() => encodeHttpRequest(bad), RangeError);
    assert.throws(() => encodeHttpRequest({ ...bad, target: '/', headers: { a: 'b\r\nc: d' } }), RangeError);
  });
});
