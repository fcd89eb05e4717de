import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { everyTruncationFails, hex, neverThrows } from './codec.testkit.ts';
import { decodeNatPmp, encodeNatPmpAddress, encodeNatPmpMap } from './nat-pmp.ts';

/** RFC 6886 §3.2 and §3.3, written out by hand. */
const ADDRESS = '008000000000002acb00710a';
const MAP = '008100000000002a9c409c4100000e10';

describe('NAT-PMP', () => {
  it('asks as the layouts of RFC 6886 say', () => {
    assert.equal(toHex(encodeNatPmpAddress()), '0000');
    assert.equal(toHex(encodeNatPmpMap(40000, 40001, 7200)), '000100009c409c4100001c20');
    assert.equal(toHex(encodeNatPmpMap(40000, 0, 0)), '000100009c40000000000000');
  });

  it('reads the external address and the port', () => {
    assert.deepEqual(decodeNatPmp(hex(ADDRESS)), { type: 'address', epoch: 42, host: '203.0.113.10' });
    assert.deepEqual(decodeNatPmp(hex(MAP)), {
      type: 'map',
      epoch: 42,
      internalPort: 40000,
      externalPort: 40001,
      lifetime: 3600,
    });
  });

  it('names why a router refuses', () => {
    const refused = { type: 'refused', opcode: 1, result: 'not_authorized' };
    assert.deepEqual(decodeNatPmp(hex('008100020000002a')), refused);
    assert.deepEqual(decodeNatPmp(hex('00800001')), {
      type: 'refused',
      opcode: 0,
      result: 'unsupported_version',
    });
    assert.deepEqual(decodeNatPmp(hex('008000630000002a')), {
      type: 'refused',
      opcode: 0,
      result: 'result_99',
    });
  });

  it('is not taken for PCP, a request or another mapping', () => {
    assert.equal(decodeNatPmp(hex('02810000')), 'other_version');
    assert.equal(decodeNatPmp(hex('00010000')), 'not_a_response');
    assert.equal(decodeNatPmp(hex('008200000000002a9c409c4100000e10')), 'not_a_response');
  });

  it('is refused when cut short, and never throws', () => {
    everyTruncationFails(hex(ADDRESS), decodeNatPmp);
    everyTruncationFails(hex(MAP), decodeNatPmp);
    neverThrows(decodeNatPmp, [hex(ADDRESS), hex(MAP)]);
  });
});
