import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../base/bytes.ts';
import { everyTruncationFails, hex, neverThrows } from './codec.testkit.ts';
import { decodePcpMap, encodePcpMap } from './pcp.ts';

const NONCE = '0102030405060708090a0b0c';
/** RFC 6887 §11.1, written out by hand. */
const REQUEST = [
  '02010000',
  '00001c20',
  '00000000000000000000ffffc0a80a02',
  NONCE,
  '11000000',
  '9c409c40',
  '00000000000000000000ffff00000000',
].join('');
const RESPONSE = [
  '02810000',
  '00000e10',
  '0000002a',
  '000000000000000000000000',
  NONCE,
  '11000000',
  '9c409c41',
  '00000000000000000000ffffcb00710a',
].join('');

describe('PCP', () => {
  it('asks for a port as the layout of RFC 6887 says', () => {
    const request = encodePcpMap({
      nonce: hex(NONCE),
      internal: { host: '192.168.10.2', port: 40000 },
      suggested: { host: '0.0.0.0', port: 40000 },
      lifetime: 7200,
    });
    assert.equal(toHex(request), REQUEST);
  });

  it('reads what the router gives', () => {
    assert.deepEqual(decodePcpMap(hex(RESPONSE)), {
      result: 'success',
      lifetime: 3600,
      epoch: 42,
      nonce: hex(NONCE),
      internalPort: 40000,
      external: { host: '203.0.113.10', port: 40001 },
    });
  });

  it('names why a router refuses, also for reasons of a later day', () => {
    const refused = (code: number) => {
      const bytes = hex(RESPONSE);
      bytes[3] = code;
      return decodePcpMap(bytes);
    };
    assert.equal((refused(2) as { result: string }).result, 'not_authorized');
    assert.equal((refused(12) as { result: string }).result, 'address_mismatch');
    assert.equal((refused(200) as { result: string }).result, 'result_200');
  });

  it('is not taken for NAT-PMP, a request or another protocol', () => {
    assert.equal(decodePcpMap(hex('0080000000000001cb00710a')), 'other_version');
    assert.equal(decodePcpMap(hex(REQUEST)), 'not_a_map_response');
    const tcp = hex(RESPONSE);
    tcp[36] = 6;
    assert.equal(decodePcpMap(tcp), 'not_a_map_response');
    assert.equal(decodePcpMap(new Uint8Array(1101).fill(2)), 'too_long');
  });

  it('keeps every port, lifetime and address', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 12, maxLength: 12 }),
        fc.nat(65535),
        fc.nat(0xffff_ffff),
        fc.ipV4(),
        (nonce, port, lifetime, host) => {
          const bytes = encodePcpMap({
            nonce,
            internal: { host: '10.0.0.2', port },
            suggested: { host, port },
            lifetime,
          });
          // A response has the tail of its request.
          bytes[1] = 0x81;
          const read = decodePcpMap(bytes);
          assert.ok(typeof read !== 'string');
          assert.deepEqual(
            [read.nonce, read.internalPort, read.lifetime, read.external],
            [nonce, port, lifetime, { host, port }],
          );
        },
      ),
    );
  });

  it('is refused when cut short, and never throws', () => {
    everyTruncationFails(hex(RESPONSE), decodePcpMap);
    neverThrows(decodePcpMap, [hex(RESPONSE), hex(REQUEST)]);
  });
});
