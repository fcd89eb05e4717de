import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../base/bytes.ts';
import {
  type AddressError,
  decodeAddress,
  encodeAddressInto,
  formatAddress,
  formatSocketAddress,
  isBroadcast,
  isZero,
  parseAddress,
  parseSocketAddress,
  sameAddress,
} from './address.ts';
import { arbitrary, hex, loadVectors } from './codec.testkit.ts';

interface Vector {
  readonly kind: 'format' | 'parse' | 'parse_socket';
  readonly text: string;
  readonly ok?: boolean;
  readonly hex: string;
  readonly network: number;
  readonly node: number;
  readonly port: number;
  readonly canonical: string;
  readonly is_broadcast: boolean;
  readonly is_zero: boolean;
}

const vectors = loadVectors<Vector[]>('addresses');

describe('addresses', () => {
  it('are printed and encoded as in every golden vector', () => {
    for (const v of vectors.filter((v) => v.kind === 'format')) {
      const address = { network: v.network, node: v.node };
      assert.equal(formatAddress(address), v.text);
      const buffer = new Uint8Array(6);
      encodeAddressInto(buffer, 0, address);
      assert.equal(toHex(buffer), v.hex);
      assert.equal(isBroadcast(address), v.is_broadcast, v.text);
      assert.equal(isZero(address), v.is_zero, v.text);
    }
  });

  it('are parsed or refused as in every golden vector', () => {
    for (const v of vectors.filter((v) => v.kind === 'parse')) {
      const parsed = parseAddress(v.text);
      if (v.ok) {
        assert.deepEqual(parsed, { network: v.network, node: v.node }, v.text);
        assert.deepEqual(decodeAddress(hex(v.hex), 0), parsed);
        assert.equal(formatAddress(parsed as { network: number; node: number }), v.canonical);
      } else assert.equal(typeof parsed, 'string', v.text);
    }
  });

  it('with port are parsed or refused as in every golden vector', () => {
    for (const v of vectors.filter((v) => v.kind === 'parse_socket')) {
      const parsed = parseSocketAddress(v.text);
      if (typeof parsed !== 'string') {
        assert.deepEqual(parsed, { address: { network: v.network, node: v.node }, port: v.port });
        assert.equal(formatSocketAddress(parsed.address, parsed.port), v.canonical);
      }
      assert.equal(typeof parsed !== 'string', v.ok, v.text);
    }
  });

  it('are refused with the reason that applies', () => {
    const reasons: [string, AddressError][] = [
      ['', 'no_colon'],
      ['+1:0001.0000.0001', 'bad_network'],
      ['65536:0000.0000.0001', 'network_out_of_range'],
      ['99999999999999999999:0000.0000.0001', 'network_out_of_range'],
      ['0:0000.0000', 'bad_group_count'],
      ['0:0000.0000.0000.0000', 'bad_group_count'],
      ['0:000.0000.0001', 'bad_group_length'],
      ['0:0x01.0000.0001', 'bad_group_digits'],
      ['1:00A3.F291.0004', 'network_mismatch'],
    ];
    for (const [text, reason] of reasons) assert.equal(parseAddress(text), reason, text);
    assert.equal(parseSocketAddress('7'), 'no_port');
    assert.equal(parseSocketAddress('0:0000.0000.0001:'), 'bad_port');
    assert.equal(parseSocketAddress('0:0000.0000.0001:65536'), 'port_out_of_range');
    assert.equal(parseSocketAddress('0:0000.0000.0001'), 'no_colon');
  });

  it('survive printing and parsing, encoding and decoding', () => {
    fc.assert(
      fc.property(arbitrary.address, arbitrary.u16, (address, port) => {
        assert.deepEqual(parseAddress(formatAddress(address)), address);
        assert.deepEqual(parseAddress(formatAddress(address).toLowerCase()), address);
        assert.deepEqual(parseSocketAddress(formatSocketAddress(address, port)), { address, port });
        const buffer = new Uint8Array(10);
        encodeAddressInto(buffer, 3, address);
        const decoded = decodeAddress(buffer, 3);
        assert.ok(sameAddress(decoded, address));
      }),
    );
  });

  it('are never invented: any text gives a reason or an address that prints back to it', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (text) => {
        const parsed = parseAddress(text);
        if (typeof parsed === 'string') return;
        assert.equal(formatAddress(parsed), text.toUpperCase().replace(/^0+(?=\d)/, ''));
      }),
      { numRuns: 10_000 },
    );
  });
});
